"""A reward model as a rater: a real one scores, its scores become verdicts, and what is refused."""

import pytest
from django.core.management import CommandError, call_command
from hypothesis import given
from hypothesis import strategies as st

from feedback.actions.imports import store_records
from feedback.actions.jobs import perform_job, queue_job
from feedback.actions.projects import create_project
from feedback.errors import Refused
from feedback.models import JobState, Judgment, Outcome, RaterKind
from feedback.records import ComparisonRecord, ResponseRecord
from tests.trainer.conftest import GOOD, turn
from trainer.actions.inference import ranking_of
from trainer.actions.runs import carry_out_run, start_run
from trainer.actions.scoring import (
    cancel_scoring,
    carry_out_scoring,
    comparisons_to_score,
    resume_scoring,
    start_scoring,
)
from trainer.folders import scoring_folder
from trainer.models import ModelKind, ModelVersion, Run, Scoring

FAST = {"max_steps": 4, "save_steps": 4, "logging_steps": 1, "max_length": 128, "learning_rate": 2e-3}


@pytest.mark.parametrize(
    ("scores", "margin", "ranking"),
    [
        ([1.0, 2.0], 0.0, (2, 1)),
        ([2.0, 2.0], 0.0, (1, 1)),
        ([1.0, 1.4, 3.0], 0.5, (2, 2, 1)),
        # A rank is as wide as the margin and no wider: no chain of small steps makes one tie of all.
        ([1.0, 1.4, 1.8], 0.5, (2, 1, 1)),
        ([-1.0, 0.0], 1.0, (1, 1)),
    ],
)
def test_a_rank_holds_what_is_within_the_margin_of_its_best(scores, margin, ranking):
    assert ranking_of(scores, margin) == ranking


@given(st.lists(st.integers(-20, 20), min_size=2, max_size=6), st.integers(0, 20))
def test_ranks_are_dense_and_follow_the_scores(scores, margin):
    ranks = ranking_of(scores, margin)
    assert set(ranks) == set(range(1, max(ranks) + 1))
    for first, one in zip(scores, ranks, strict=True):
        for second, other in zip(scores, ranks, strict=True):
            assert one <= other or first < second
            assert one != other or abs(first - second) <= margin


@pytest.fixture
def reward_model(project, snapshot, tiny_model) -> ModelVersion:
    """Trained for four steps, by the real runner."""
    run = start_run(
        project=project,
        method="reward",
        base=tiny_model,
        snapshot=snapshot,
        name="rm",
        parameters=FAST,
        by=None,
    )
    perform_job(run.job_id, carry_out_run)
    run = Run.objects.get(pk=run.pk)
    assert run.job.state == JobState.SUCCEEDED, run.job.message
    return run.model_version


@pytest.fixture
def unscorable(project):
    """A model version that claims to be a reward model; its folder holds no weights that score."""
    return ModelVersion.objects.create(
        project=project, name="hollow", kind=ModelKind.REWARD, path="hollow", sha256="0" * 64
    )


@pytest.mark.training
@pytest.mark.slow
def test_a_reward_model_judges_as_a_rater_of_its_name(project, reward_model, client, make_user):
    long = ComparisonRecord(
        key="long",
        prompt=turn("user", "My lamp is late."),
        responses=[ResponseRecord("a", "m", "word " * 3000), ResponseRecord("b", "m", GOOD)],
        line=1,
    )
    store_records(project=project, records=[long], by=None)

    scoring = start_scoring(model_version=reward_model, by=None)
    assert (scoring.rater.kind, scoring.rater.name, scoring.job.queue) == (
        RaterKind.REWARD_MODEL,
        "rm",
        "gpu",
    )
    with pytest.raises(Refused, match="is scoring already"):
        start_scoring(model_version=reward_model, by=None)
    perform_job(scoring.job_id, carry_out_scoring)
    scoring.job.refresh_from_db()
    assert scoring.job.state == JobState.SUCCEEDED, scoring.job.message

    said = Judgment.objects.filter(rater=scoring.rater, current=True)
    assert said.count() == project.comparisons.count() == scoring.job.done
    skipped = said.get(comparison__external_id="long")
    assert (skipped.outcome, skipped.ranking) == (Outcome.SKIPPED, ())
    assert "longer than the model reads" in skipped.rationale
    ranked = said.filter(outcome=Outcome.RANKED)
    assert all(set(judgment.ranking) <= {1, 2} for judgment in ranked)
    assert all(judgment.rationale.startswith("Scores: ") for judgment in ranked)
    with pytest.raises(Refused, match="no comparison left"):
        start_scoring(model_version=reward_model, by=None)

    # The verdicts of an attempt that ended after storing them are not stored again.
    count = Judgment.objects.count()
    again = queue_job(project=project, task="trainer.tasks.perform_scoring", queue="gpu", by=None)
    Scoring.objects.filter(pk=scoring.pk).update(job=again)
    perform_job(again.pk, carry_out_scoring)
    again.refresh_from_db()
    assert (again.state, Judgment.objects.count()) == (JobState.SUCCEEDED, count), again.message

    client.force_login(make_user("eva", project=project, role="engineer"))
    page = client.get(f"/p/{project.slug}/models/").content.decode()
    assert "As a rater" in page
    assert f'id="scoring-{scoring.pk}"' in page


def test_only_reward_models_score(project, policy_model):
    with pytest.raises(Refused, match="is no reward model"):
        start_scoring(model_version=policy_model, by=None)


def test_a_model_whose_folder_has_gone_is_refused(project, unscorable):
    with pytest.raises(Refused, match="does not exist"):
        start_scoring(model_version=unscorable, by=None)


@pytest.fixture
def copied(project, unscorable, policy_model, settings) -> ModelVersion:
    """With a folder that passes for a model's."""
    ModelVersion.objects.filter(pk=unscorable.pk).update(path=policy_model.path, sha256=policy_model.sha256)
    return ModelVersion.objects.get(pk=unscorable.pk)


def test_a_tag_chooses_and_a_margin_must_be_one(project, copied, make_comparisons):
    make_comparisons(project, 3)
    scoring = start_scoring(model_version=copied, tag=project.tags.get(name="even"), by=None)
    assert [each.external_id for each in comparisons_to_score(scoring)] == ["q0", "q2"]
    assert scoring_folder(scoring).name == f"scoring-{scoring.pk}"
    with pytest.raises(Refused, match="margin"):
        start_scoring(model_version=copied, margin=-1, by=None)
    other = create_project(name="Elsewhere", by=None)
    assert not other.raters.exists()


def test_one_that_waits_is_cancelled_and_resumed(project, copied, make_comparisons, client, make_user):
    make_comparisons(project, 1)
    client.force_login(make_user("eva", project=project, role="engineer"))
    answer = client.post(f"/p/{project.slug}/models/{copied.pk}/score/", {"margin": "0.5"})
    scoring = Scoring.objects.get()
    assert (answer.status_code, scoring.margin, scoring.created_by.username) == (302, 0.5, "eva")
    line = client.get(f"/p/{project.slug}/models/scorings/{scoring.pk}/").content.decode()
    assert "hx-get" in line
    client.post(f"/p/{project.slug}/models/scorings/{scoring.pk}/cancel/")
    scoring.job.refresh_from_db()
    assert scoring.job.state == JobState.CANCELLED
    assert client.get(f"/p/{project.slug}/models/scorings/{scoring.pk}/")["HX-Refresh"] == "true"
    client.post(f"/p/{project.slug}/models/scorings/{scoring.pk}/resume/")
    scoring.job.refresh_from_db()
    assert scoring.job.state == JobState.QUEUED
    with pytest.raises(Refused, match="is scoring already"):
        resume_scoring(scoring=scoring, by=None)
    cancel_scoring(scoring=scoring, by=None)


def test_a_reviewer_sees_and_does_not_start(project, copied, make_comparisons, client, make_user):
    make_comparisons(project, 1)
    client.force_login(make_user("rita", project=project, role="reviewer"))
    assert client.post(f"/p/{project.slug}/models/{copied.pk}/score/", {"margin": "0"}).status_code == 404
    assert "Score the comparisons" not in client.get(f"/p/{project.slug}/models/").content.decode()


def test_the_command_names_the_models_there_are(project, copied, make_comparisons, capsys):
    make_comparisons(project, 1)
    with pytest.raises(CommandError, match="has no reward model 'x'; it has: hollow"):
        call_command("score", project=project.name, model="x")
    with pytest.raises(CommandError, match="has no tag 'x'"):
        call_command("score", project=project.name, model="hollow", tag="x")
    call_command("score", project=project.name, model="hollow")
    assert capsys.readouterr().out == "The scoring by hollow waits for a worker.\n"
