"""Gold: comparisons with a known answer leave the queue and the labels, and come back whole."""

import uuid
from datetime import timedelta

import pytest
from django.utils import timezone

from feedback.actions.assignments import assign
from feedback.actions.gold import make_gold, make_gold_of_adjudication, remove_gold, retire_gold
from feedback.actions.imports import store_records
from feedback.actions.judgments import submit_judgment
from feedback.actions.slices import set_slice_rule
from feedback.answers import Verdict
from feedback.errors import Refused
from feedback.models import (
    Assignment,
    AuditEntry,
    Comparison,
    GoldAnswer,
    Judgment,
    Outcome,
    Purpose,
    QueueEpoch,
    QueueItem,
)
from feedback.queries.judgments import current_judgments
from feedback.queries.measuring import gold_page
from feedback.records import ComparisonRecord, GoldRecord, JudgmentRecord, ResponseRecord

ANA_AND_BEN = [JudgmentRecord(rater=name, ranking={"a": 1, "b": 2}) for name in ("ana", "ben")]


def record(key="g1", gold=None, **changes):
    return ComparisonRecord(
        key=key,
        prompt=[{"role": "user", "content": f"Question {key}?"}],
        responses=[ResponseRecord("x", "model-x", "One."), ResponseRecord("y", "model-y", "Two.")],
        gold=gold,
        line=1,
        **changes,
    )


def test_gold_leaves_the_queue_and_the_labels(project, make_comparisons):
    comparison, other = make_comparisons(project, 2, ANA_AND_BEN)
    make_gold(comparison=comparison, use="gold", ranking=(2, 1), by=None)
    comparison.refresh_from_db()
    assert comparison.purpose == Purpose.GOLD
    assert comparison.gold_answer.ranking == (2, 1)
    assert not QueueItem.objects.filter(pk=comparison.pk).exists()
    assert set(current_judgments(project).values_list("comparison", flat=True)) == {other.pk}
    assert AuditEntry.objects.filter(verb="make gold", target_id=comparison.pk).exists()


def test_a_known_answer_is_kept_without_gaps(project, make_comparisons):
    (three,) = _three(project)
    assert make_gold(comparison=three, use="gold", ranking=(1, 1, 3), by=None).ranking == (1, 1, 2)


def _three(project):
    responses = [ResponseRecord(key, f"model-{key}", f"Tea {key}.") for key in "abc"]
    three = ComparisonRecord(
        key="three", prompt=[{"role": "user", "content": "Which tea?"}], responses=responses, line=1
    )
    store_records(project=project, records=[three], by=None)
    return project.comparisons.filter(external_id="three")


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"ranking": (1,)}, "ranking"),
        ({"ranking": (1, 3)}, "ranking"),
        ({"ranking": ()}, "ranking"),
        ({"use": "train"}, "use"),
        ({"use": "practice"}, "explanation"),
    ],
)
def test_a_known_answer_that_is_none_is_refused_and_changes_nothing(
    changes, field, project, make_comparisons
):
    (comparison,) = make_comparisons(project, 1)
    with pytest.raises(Refused) as refused:
        make_gold(**{"comparison": comparison, "use": "gold", "ranking": (1, 2), "by": None} | changes)
    assert refused.value.field == field
    comparison.refresh_from_db()
    assert comparison.purpose == Purpose.TRAIN
    assert not GoldAnswer.objects.exists()


def test_what_evaluates_a_model_or_is_retired_can_not_be_gold(project, make_comparisons):
    store_records(project=project, records=[record("e1", purpose="evaluate")], by=None)
    (retired,) = make_comparisons(project, 1)[:1]
    type(retired).objects.filter(pk=retired.pk).update(retired_at=timezone.now())
    for comparison in (project.comparisons.get(external_id="e1"), retired):
        with pytest.raises(Refused):
            make_gold(comparison=comparison, use="gold", ranking=(1, 2), by=None)


def test_a_reviewers_decision_becomes_the_known_answer_with_its_reason(project, make_comparisons, make_rater):
    (comparison,) = make_comparisons(project, 1)
    said = {
        "comparison": comparison,
        "rater": make_rater(project, "rita"),
        "outcome": "ranked",
        "ranking": (2, 1),
        "rationale": "The second one is true.",
        "at": timezone.now(),
    }
    plain = Judgment.objects.create(submission_id=uuid.uuid4(), current=False, **said)
    decision = Judgment.objects.create(submission_id=uuid.uuid4(), adjudicates=True, **said)
    with pytest.raises(Refused):
        make_gold_of_adjudication(judgment=plain, by=None)
    answer = make_gold_of_adjudication(judgment=decision, by=None)
    assert (answer.ranking, answer.explanation) == ((2, 1), "The second one is true.")


def test_back_in_the_queue_it_asks_for_what_is_still_missing(project, make_comparisons, make_rater):
    (comparison,) = make_comparisons(project, 1, ANA_AND_BEN[:1])
    set_slice_rule(tag=project.tags.get(name="even"), overlap=4, language="French", by=None)
    make_gold(comparison=comparison, use="gold", ranking=(1, 2), by=None)
    epoch = QueueEpoch.objects.get(project=project).number
    lease = timezone.now() + timedelta(hours=1)
    Assignment.objects.create(
        comparison=comparison, rater=make_rater(project, "cleo"), shown=(0, 1), expires_at=lease
    )
    remove_gold(comparison=comparison, by=None)
    comparison.refresh_from_db()
    item = QueueItem.objects.get(pk=comparison.pk)
    assert (comparison.purpose, comparison.overlap, item.slots_free) == (Purpose.TRAIN, 4, 2)
    assert project.pools.get(pk=item.pool_id).language == "french"
    assert QueueEpoch.objects.get(project=project).number > epoch
    assert current_judgments(project).count() == 1
    assert not GoldAnswer.objects.exists()


def test_a_skip_that_meets_gold_on_its_way_back_to_the_queue_loses_no_slot(
    project, make_comparisons, make_rater
):
    (comparison,) = make_comparisons(project, 1)
    make_gold(comparison=comparison, use="gold", ranking=(1, 2), by=None)
    as_read_before = Comparison.objects.get(pk=comparison.pk)
    rater = make_rater(project, "ana")
    assign(rater=rater, comparison=as_read_before, until=timezone.now() + timedelta(hours=1))
    remove_gold(comparison=comparison, by=None)
    skip = Verdict(outcome=Outcome.SKIPPED, rationale="unsure")
    submit_judgment(rater=rater, comparison=as_read_before, submission_id=uuid.uuid4(), verdict=skip)
    comparison.refresh_from_db()
    assert QueueItem.objects.get(pk=comparison.pk).slots_free == comparison.overlap


def test_back_in_the_queue_it_never_asks_for_fewer_than_have_judged_it(project, make_comparisons):
    project.overlap = 1
    project.save()
    (comparison,) = make_comparisons(project, 1, ANA_AND_BEN)
    make_gold(comparison=comparison, use="gold", ranking=(1, 2), by=None)
    remove_gold(comparison=comparison, by=None)
    comparison.refresh_from_db()
    assert (comparison.overlap, comparison.queue_item.slots_free) == (2, 0)


def test_only_gold_is_taken_away_or_retired_and_only_once(project, make_comparisons):
    (comparison,) = make_comparisons(project, 1)
    for action in (remove_gold, retire_gold):
        with pytest.raises(Refused):
            action(comparison=comparison, by=None)
    make_gold(comparison=comparison, use="gold", ranking=(1, 2), by=None)
    retire_gold(comparison=comparison, by=None)
    with pytest.raises(Refused):
        retire_gold(comparison=comparison, by=None)


def test_gold_comes_with_a_file(project):
    gold = GoldRecord({"y": 1, "x": 2}, "practice", "Two is more than one.")
    summary = store_records(project=project, records=[record(gold=gold)], by=None)
    assert not summary.rejections
    comparison = project.comparisons.get()
    assert (comparison.purpose, comparison.overlap) == (Purpose.PRACTICE, 0)
    assert comparison.gold_answer.ranking == (2, 1)
    assert comparison.gold_answer.explanation == "Two is more than one."
    assert not QueueItem.objects.exists()


def test_the_same_gold_again_changes_nothing_whatever_the_order_of_its_responses(project):
    gold = GoldRecord({"x": 1, "y": 2})
    store_records(project=project, records=[record(gold=gold)], by=None)
    turned = record(gold=gold)
    turned = ComparisonRecord(**vars(turned) | {"responses": turned.responses[::-1]})
    summary = store_records(project=project, records=[turned], by=None)
    assert (summary.comparisons_unchanged, summary.rejections) == (1, [])
    assert project.comparisons.get().gold_answer.ranking == (1, 2)


@pytest.mark.parametrize(
    "stored", [None, GoldRecord({"x": 2, "y": 1}), GoldRecord({"x": 1, "y": 2}, "attention")]
)
def test_an_import_overwrites_no_known_answer(stored, project):
    store_records(project=project, records=[record(gold=stored)], by=None)
    summary = store_records(project=project, records=[record(gold=GoldRecord({"x": 1, "y": 2}))], by=None)
    assert [rejection.field for rejection in summary.rejections] == ["gold"]
    assert (summary.comparisons_new, summary.comparisons_unchanged) == (0, 0)


@pytest.mark.parametrize(
    ("gold", "field"),
    [
        (GoldRecord({"x": 1}), "gold.ranking"),
        (GoldRecord({"x": 1, "z": 2}), "gold.ranking"),
        (GoldRecord({"x": 1, "y": 3}), "gold.ranking"),
        (GoldRecord({"x": 1, "y": 2}, "silver"), "gold.use"),
        (GoldRecord({"x": 1, "y": 2}, "practice"), "gold.explanation"),
    ],
)
def test_a_bad_known_answer_in_a_file_rejects_its_row(gold, field, project):
    summary = store_records(project=project, records=[record(gold=gold)], by=None)
    assert [rejection.field for rejection in summary.rejections] == [field]
    assert not project.comparisons.exists()


def test_the_list_counts_answers_given_since_an_item_became_gold(project, make_comparisons, make_rater):
    (comparison,) = make_comparisons(project, 1, ANA_AND_BEN)
    make_gold(comparison=comparison, use="gold", ranking=(1, 2), by=None)
    for name, ranking in (("cleo", (1, 2)), ("dan", (1, 1)), ("eve", (2, 1))):
        Judgment.objects.create(
            comparison=comparison,
            rater=make_rater(project, name),
            submission_id=uuid.uuid4(),
            outcome="ranked",
            ranking=ranking,
            at=timezone.now(),
        )
    Judgment.objects.filter(rater__name__in=("ana", "ben")).update(at=timezone.now() - timedelta(days=1))
    (row,) = gold_page(project).rows
    assert (row.right, row.answered) == (1, 3)
