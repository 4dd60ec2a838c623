"""What an evaluation says: by judges, people and both, by slice, at equal length, by graders, on what must hold."""

import random
import uuid
from datetime import timedelta

import pytest
from django.urls import reverse
from django.utils import timezone

from feedback.actions.assignments import assign, take
from feedback.actions.imports import store_records
from feedback.actions.judgments import submit_judgment
from feedback.actions.projects import rater_of
from feedback.answers import Verdict
from feedback.errors import Refused
from feedback.models import JobState, QueueItem, Rater, RaterKind
from feedback.records import ComparisonRecord, ResponseRecord
from judges.actions.graders import create_grader
from trainer.actions.evaluations import start_evaluation
from trainer.actions.measuring import advance_evaluations, finish_evaluation
from trainer.models import ModelKind, ModelVersion
from trainer.pairs import drawn_for_people, pairs_of
from trainer.tables import evaluation_rows, measures

from .evaluating import PROMPTS, evaluated, word_judge

GRADER = {
    "grader": {
        "type": "string_check",
        "name": "says good",
        "operation": "ilike",
        "input": "{{sample.output_text}}",
        "reference": "good",
    }
}


@pytest.fixture
def person(project) -> Rater:
    return Rater.objects.create(project=project, kind=RaterKind.HUMAN, name="ana")


def say(rater: Rater, pair, model: str, wins: bool) -> None:
    """The person judges the pair, for the model or for its base."""
    comparison = rater.project.comparisons.get(pk=pair.comparison_id)
    assign(rater=rater, comparison=comparison, until=timezone.now() + timedelta(hours=1))
    position = comparison.slots.get(response__source=model).position
    ranking = (1, 2) if (position == 0) == wins else (2, 1)
    submit_judgment(
        rater=rater,
        comparison=comparison,
        submission_id=uuid.uuid4(),
        verdict=Verdict(ranking=ranking, seconds=5.0),
    )


def store_tagged(project, tag: str, count: int, reference=None) -> None:
    """So many prompts of PROMPTS in the store, with a tag, and references in turn."""
    records = [
        ComparisonRecord(
            key=f"{tag}-{index}",
            prompt=PROMPTS[index],
            responses=[ResponseRecord("a", "x", "one"), ResponseRecord("b", "y", "two")],
            tags=[tag],
            reference=reference[index % len(reference)] if reference else None,
        )
        for index in range(count)
    ]
    assert not store_records(project=project, records=records, by=None).rejections


def test_people_are_asked_blind_about_a_random_part_and_their_verdicts_correct_the_judges(
    project, policy_model, tuned_model, person
):
    """The judge always says that the model wins; people say so in half of the cases."""
    judge = word_judge(project, "flattered", "good")
    ours, theirs = [f"good {n}" for n in range(30)], [f"bad {n}" for n in range(30)]
    evaluation = evaluated(tuned_model, policy_model, ours, theirs, judges=[judge], people_pairs=12)
    drawn = drawn_for_people(evaluation)
    assert len(drawn) == 12 == QueueItem.objects.filter(pk__in=drawn, slots_free=1).count()
    assert not QueueItem.objects.exclude(pk__in=drawn).filter(slots_free__gt=0).exists()
    advance_evaluations()
    evaluation.refresh_from_db()
    assert evaluation.result["people"]["answered"] == 0

    asked = [pair for pair in pairs_of(evaluation) if pair.sampled]
    for number, pair in enumerate(asked):
        say(person, pair, tuned_model.name, wins=number % 2 == 0)
    advance_evaluations()

    evaluation.refresh_from_db()
    result = evaluation.result
    assert result["win_rate"]["value"] == 1
    assert result["people"]["win_rate"]["value"] == 0.5
    assert result["people"]["verdicts"] == 12
    powered = result["prediction_powered"]["win_rate"]
    assert powered["low"] < 0.5 < powered["high"] < 1
    assert [measure.by for measure in measures(evaluation)][:3] == ["judges", "people", "people_and_judges"]


def test_what_the_judges_can_not_decide_counts_as_people_say(project, policy_model, tuned_model, person):
    """Two judges who never agree have no majority anywhere: all is left to people."""
    judges = [word_judge(project, "kind", "good"), word_judge(project, "harsh", "bad")]
    ours, theirs = [f"good {n}" for n in range(20)], [f"bad {n}" for n in range(20)]
    evaluation = evaluated(tuned_model, policy_model, ours, theirs, judges=judges, people_pairs=10)
    asked = [pair for pair in pairs_of(evaluation) if pair.sampled]
    for number, pair in enumerate(asked[:8]):
        say(person, pair, tuned_model.name, wins=number % 4 != 0)
    finish_evaluation(evaluation=evaluation, by=None)
    result = evaluation.result
    assert (result["win_rate"]["value"], result["split"]) == (None, 20)
    powered = result["prediction_powered"]
    assert (powered["win_rate"]["value"], powered["win_rate"]["n"]) == (0.75, 8)
    assert (powered["tuning"], powered["win_rate"]["excluded"]) == (0, 2)


def test_the_queue_gives_people_such_a_pair_like_any_other(project, policy_model, tuned_model, make_user):
    evaluated(tuned_model, policy_model, ["good"], ["bad"], people_pairs=1)
    user = make_user("mia", project=project, role="annotator")
    rater = rater_of(project=project, user=user)
    from feedback.actions.guidelines import mark_read

    mark_read(rater=rater, version=1)
    (given,) = take(rater=rater)
    assert given.comparison.purpose == "evaluate"


def test_identical_responses_are_a_tie_that_nobody_is_asked_about(project, policy_model, tuned_model):
    evaluation = evaluated(tuned_model, policy_model, ["same", "good"], ["same", "bad"], people_pairs=2)
    assert QueueItem.objects.filter(slots_free__gt=0).count() == 1
    finish_evaluation(evaluation=evaluation, by=None)
    people = evaluation.result["people"]
    assert (people["drawn"], people["answered"], people["win_rate"]["value"]) == (2, 1, 0.5)


@pytest.mark.parametrize(("wins", "verdict"), [(0, "worse"), (30, "not_worse"), (14, "undecided")])
def test_the_regression_set_has_a_verdict(project, policy_model, tuned_model, wins, verdict):
    store_tagged(project, "must hold", 30)
    tag = project.tags.get(name="must hold")
    rng = random.Random(0)
    won = rng.sample(range(30), wins)
    ours = [f"good {n}" if n in won else f"bad {n}" for n in range(30)]
    theirs = [f"bad {n}!" if n in won else f"good {n}!" for n in range(30)]
    judge = word_judge(project, "kind", "good")
    evaluation = evaluated(
        tuned_model, policy_model, ours, theirs, judges=[judge], regression_tag=tag, prompts=[]
    )
    finish_evaluation(evaluation=evaluation, by=None)
    tested = evaluation.result["regression"]
    assert (tested["tag"], tested["verdict"]) == ("must hold", verdict)
    (part,) = evaluation.result["slices"]
    assert (part["slice"], part["pairs"]) == ("must hold", 30)
    assert part["win_rate"]["value"] == pytest.approx(wins / 30)


def test_a_regression_set_without_comparisons_is_refused(project, policy_model, tuned_model):
    tag = project.tags.create(name="empty")
    with pytest.raises(Refused, match="No comparison has the tag empty") as refused:
        start_evaluation(
            model_version=tuned_model,
            base=policy_model,
            judges=[],
            people_pairs=1,
            regression_tag=tag,
            prompts=[],
            by=None,
        )
    assert refused.value.field == "regression_tag"


def test_only_reward_models_of_the_project_score(project, policy_model, tuned_model):
    with pytest.raises(Refused, match="no reward model"):
        start_evaluation(
            model_version=tuned_model,
            base=policy_model,
            judges=[],
            reward_models=[policy_model],
            prompts=PROMPTS[:1],
            by=None,
        )
    assert not ModelVersion.objects.filter(kind=ModelKind.REWARD).exists()


def test_graders_say_how_many_of_each_models_responses_pass(project, policy_model, tuned_model):
    grader = create_grader(project=project, name="good", settings=GRADER, by=None)
    ours, theirs = ["good"] * 3 + ["bad"], ["good", "so", "so", "so"]
    evaluation = evaluated(tuned_model, policy_model, ours, theirs, judges=[grader])
    finish_evaluation(evaluation=evaluation, by=None)
    (graded,) = evaluation.result["graders"]
    assert (graded["model"]["value"], graded["base"]["value"]) == (0.75, 0.25)
    assert graded["difference"]["value"] == 0.5
    assert graded["model"]["low"] < 0.75 < graded["model"]["high"]


def test_answers_that_are_labels_have_precision_recall_and_f1(project, policy_model, tuned_model):
    store_tagged(project, "sorting", 8, reference=["late", "lost"])
    judge = word_judge(project, "kind", "late")
    tag = project.tags.get(name="sorting")
    ours = ["Late.", "lost", "late", "late", "late", "lost", "late", "no idea"]
    evaluation = evaluated(
        tuned_model, policy_model, ours, ["late"] * 8, judges=[judge], regression_tag=tag, prompts=[]
    )
    finish_evaluation(evaluation=evaluation, by=None)
    found = evaluation.result["classification"]
    late, lost = found["model"]["labels"]
    assert (late["precision"]["value"], late["recall"]["value"]) == (0.8, 1.0)
    assert lost["f1"]["value"] == pytest.approx(2 * 2 / (2 + 4))
    assert found["model"]["other"] == 1
    assert found["base"]["accuracy"]["value"] == 0.5
    rows = list(evaluation_rows(evaluation))
    assert ["precision of the model", "late", "all", 0.8] in [row[:4] for row in rows]


def test_a_model_that_wins_by_length_alone_is_told(project, policy_model, tuned_model):
    judge = word_judge(project, "long", length_weight=1.0, noise=6.0)
    rng = random.Random(1)
    ours = [" ".join(["word"] * rng.randint(4, 12)) + f" {n}" for n in range(30)]
    theirs = [" ".join(["word"] * rng.randint(1, 9)) + f" {n}" for n in range(30)]
    evaluation = evaluated(tuned_model, policy_model, ours, theirs, judges=[judge])
    finish_evaluation(evaluation=evaluation, by=None)
    controlled = evaluation.result["style_controlled"]
    assert evaluation.result["win_rate"]["value"] > 0.6
    assert controlled["value"] is None or controlled["low"] < 0.5


@pytest.mark.training
@pytest.mark.slow
def test_a_reward_model_scores_both_models_and_picks_the_best_of_n(
    project, policy_model, tuned_model, reward_model
):
    grader = create_grader(project=project, name="good", settings=GRADER, by=None)
    ours = [f"{word} {n}" for n in range(3) for word in ("good", "bad", "so", "good so")]
    evaluation = evaluated(
        tuned_model,
        policy_model,
        ours,
        [f"bad {n}" for n in range(12)],
        samples=4,
        judges=[grader],
        reward_models=[reward_model],
    )
    assert evaluation.job.state == JobState.SUCCEEDED, evaluation.job.message
    finish_evaluation(evaluation=evaluation, by=None)
    result = evaluation.result
    assert [rater["kind"] for rater in result["raters"]] == ["judge", "reward_model"]
    assert result["rewards"][0]["difference"]["n"] == 12
    (curve,) = result["best_of_n"]
    assert [point["n"] for point in curve["points"]] == [1, 2, 4]
    picked = [point["picked"]["value"] for point in curve["points"]]
    assert picked == sorted(picked)
    assert curve["gold"][0]["points"][0]["value"] == pytest.approx(0.5)


@pytest.mark.parametrize(("role", "status"), [("annotator", 404), ("reviewer", 200), ("engineer", 200)])
def test_its_page_and_its_file_are_for_whoever_may_see_sources(
    project, policy_model, tuned_model, client, make_user, role, status
):
    judge = word_judge(project, "kind", "good")
    evaluation = evaluated(tuned_model, policy_model, ["good", "=bad"], ["bad", "good"], judges=[judge])
    finish_evaluation(evaluation=evaluation, by=None)
    client.force_login(make_user("x", project=project, role=role))
    where = [project.slug, evaluation.pk]
    page = client.get(reverse("trainer:evaluation", args=where), {"outcome": "wins"})
    table = client.get(reverse("trainer:evaluation-csv", args=where))
    again = client.post(reverse("trainer:evaluation-measure", args=where))
    assert (page.status_code, table.status_code) == (status, status)
    assert again.status_code == (302 if role == "engineer" else 404)
    if status == 200:
        assert b"not certified on all comparisons: kind v1" in page.content
        assert page.content.count(b'<article class="card example">') == 1
        assert b'win rate,"Judges, by majority",all,0.5' in table.content
