"""A reward model on held-out labels: a real one scores them, and what the margins amount to."""

import numpy as np
import pytest
from django.urls import reverse

from feedback.actions.jobs import perform_job
from feedback.errors import Refused
from feedback.models import JobState
from trainer.actions.reward_checks import carry_out_reward_check, measure, start_reward_check


def row(prompt: str, *tags: str) -> dict:
    return {"prompt_sha256": prompt, "tags": list(tags)}


def test_accuracy_counts_equal_scores_half_and_missing_ones_apart():
    rows = [row("a", "x"), row("b", "x"), row("c", "y"), row("d", "y")]
    found = measure(rows, np.array([2.0, -1.0, 0.0, np.nan]))
    assert (found["accuracy"]["value"], found["accuracy"]["n"], found["accuracy"]["excluded"]) == (0.5, 3, 1)
    assert [part["accuracy"]["value"] for part in found["slices"]] == [0.5, 0.5]
    assert found["slices"][1]["accuracy"]["excluded"] == 1


def test_margins_that_keep_their_word_are_calibrated():
    rng = np.random.default_rng(0)
    margins = rng.normal(0, 2, 4000)
    right = rng.random(4000) < 1 / (1 + np.exp(-np.abs(margins)))
    signed = np.where(right, np.abs(margins), -np.abs(margins))
    rows = [row(f"{n}") for n in range(4000)]
    assert measure(rows, signed)["calibration"]["ece"]["value"] < 0.03
    assert measure(rows, 10 * signed)["calibration"]["ece"]["value"] > 0.1


def test_it_needs_a_reward_model_and_held_out_rows(project, policy_model, reward_model):
    with pytest.raises(Refused, match="is no reward model"):
        start_reward_check(model_version=policy_model, by=None)
    with pytest.raises(Refused, match="held-out rows"):
        start_reward_check(model_version=reward_model, by=None)


@pytest.mark.training
@pytest.mark.slow
def test_a_real_one_is_checked_and_shown(project, snapshot, reward_model, client, make_user):
    check = start_reward_check(model_version=reward_model, snapshot=snapshot, by=None)
    with pytest.raises(Refused, match="has not ended"):
        start_reward_check(model_version=reward_model, snapshot=snapshot, by=None)

    perform_job(check.job_id, carry_out_reward_check)

    check.refresh_from_db()
    assert check.job.state == JobState.SUCCEEDED, check.job.message
    assert check.result["accuracy"]["n"] == snapshot.test_rows
    client.force_login(make_user("rita", project=project, role="reviewer"))
    assert client.get(reverse("trainer:reward-check", args=[project.slug, check.pk])).status_code == 200
    table = client.get(reverse("trainer:reward-check-csv", args=[project.slug, check.pk])).content
    assert b"accuracy,all" in table
