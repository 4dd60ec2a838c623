"""The whole loop by its own command, with real workers: from nothing to a trained model and back to the queue."""

import json
import os
import subprocess
import sys
import uuid
from pathlib import Path

import psycopg
import pytest
from django.conf import settings

MANAGE = Path(settings.BASE_DIR) / "manage.py"


@pytest.fixture
def own_server(tmp_path):
    """The environment of a fresh server with its own folder, database and, on Redis, its own messages."""
    environment = os.environ | {"CONCORD_VAR": str(tmp_path), "LOG_LEVEL": "ERROR"}
    url = environment.get("DATABASE_URL", "")
    if not url.startswith("postgres"):
        environment.pop("DATABASE_URL", None)
        yield environment
        return
    name = f"concord_flow_{uuid.uuid4().hex[:8]}"
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}"')
    yield environment | {"DATABASE_URL": f"{url.rsplit('/', 1)[0]}/{name}"}
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(f'DROP DATABASE "{name}" WITH (FORCE)')


def manage(environment, *arguments):
    return subprocess.run(
        [sys.executable, MANAGE, *arguments], env=environment, capture_output=True, text=True, timeout=600
    )


@pytest.mark.training
def test_one_turn_of_the_loop_ends_in_an_honest_report(own_server, tmp_path):
    assert manage(own_server, "migrate", "--verbosity", "0").returncode == 0
    done = manage(own_server, "demo", "--small", "--seed", "1")
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
