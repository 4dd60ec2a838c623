"""The whole loop by its own command, with real workers: from nothing to a trained model and back to the queue."""

import json

import pytest


@pytest.mark.training
def test_one_turn_of_the_loop_ends_in_an_honest_report(manage, tmp_path):
    assert manage("migrate", "--verbosity", "0").returncode == 0
    done = manage("demo", "--small", "--seed", "1")
    assert done.returncode == 0, done.stdout + done.stderr
    report = json.loads((tmp_path / "demo" / "report.json").read_text())

    assert report["seed"] == 1
    assert report["counts"]["human_judgments"] > 100
    assert report["counts"]["ai_judgments"] > report["counts"]["comparisons"]
    assert sum(report["labels"].values()) == report["counts"]["comparisons"]
    assert report["coverage"] == report["labels"]["used"] / report["counts"]["comparisons"]
    trusted = {(judge["name"], judge["slice"]) for judge in report["judges"] if judge["trusted"]}
    assert ("careful", "all") in trusted
    assert not any(name == "longer-is-better" for name, _ in trusted)
    assert report["label_error"]["policy"] < report["label_error"]["pooled"]
    assert report["reward_model"]["accuracy"]["value"] > 0.7
    assert report["policy_model"]["win_rate"]["value"] > 0.5
    assert report["requeued"] > 0
    assert {"base_model", "reward_model", "policy_model", "evaluation"} <= set(report["seconds"])

    passwords = json.loads((tmp_path / "credentials.json").read_text())
    assert set(passwords) == {"annotator", "engineer", "admin"}
    assert (tmp_path / "credentials.json").stat().st_mode & 0o077 == 0
