"""The line: what a person is given next, from which pools, and that nothing behind their cursor is forgotten."""

import uuid
from datetime import timedelta

import pytest
from django.db import IntegrityError, connection, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from feedback.actions import line
from feedback.actions.assignments import (
    ask_people,
    expire_assignments,
    heartbeat,
    release_assignment,
    set_priorities,
    take,
    take_next,
)
from feedback.actions.judgments import submit_judgment
from feedback.answers import Verdict
from feedback.models import Assignment, Comparison, Pool, QueueCursor, QueueItem


def answer(rater, comparison, verdict=None):
    return submit_judgment(
        rater=rater,
        comparison=comparison,
        submission_id=uuid.uuid4(),
        verdict=verdict or Verdict(ranking=(1, 2)),
    )


def given_next(rater):
    """The comparison this person takes next, answered at once."""
    assignment = take_next(rater=rater)
    if assignment is None:
        return None
    answer(rater, assignment.comparison)
    return assignment.comparison


def judge(rater, count):
    return [given_next(rater) for _ in range(count)]


def later(**ago):
    """As if the last look back had been so long ago."""
    QueueCursor.objects.update(round_at=timezone.now() - timedelta(**ago))


@pytest.fixture
def few_rows(monkeypatch):
    """A round looks at three rows a take, so that some comparisons are many."""
    monkeypatch.setattr(line, "ROUND_ROWS", 3)


def test_the_oldest_comparison_comes_first_and_new_ones_last(project, make_comparisons, make_rater):
    first = make_comparisons(project, 2)
    ana = make_rater(project, "ana")
    assert judge(ana, 1) == first[:1]
    second = make_comparisons(project, 1)
    assert judge(ana, 2) == [first[1], *second]


def test_what_becomes_urgent_behind_the_cursor_comes_next(project, make_comparisons, make_rater, few_rows):
    comparisons = make_comparisons(project, 12)
    ana, ben = make_rater(project, "ana"), make_rater(project, "ben")
    ben_has = given_next(ben)
    release = take_next(rater=ana).comparison
    release_assignment(rater=ana, comparison_id=release.pk)
    judge(ana, 9)
    assert ben_has == release
    set_priorities({release.pk: 3})
    assert given_next(ana) == release
    assert given_next(ana) == comparisons[10]


def test_of_several_that_became_urgent_the_most_urgent_comes_first(
    project, make_comparisons, make_rater, few_rows
):
    comparisons = make_comparisons(project, 12)
    ana = make_rater(project, "ana")
    judge(ana, 6)
    set_priorities({comparisons[8].pk: 1, comparisons[9].pk: 7, comparisons[2].pk: 9})
    assert judge(ana, 3) == [comparisons[9], comparisons[8], comparisons[6]]


def test_what_becomes_less_urgent_comes_later(project, make_comparisons, make_rater):
    comparisons = make_comparisons(project, 3)
    set_priorities({comparisons[0].pk: -5})
    ana = make_rater(project, "ana")
    assert judge(ana, 4) == [comparisons[1], comparisons[2], comparisons[0], None]


def test_a_slot_that_lapses_behind_the_cursor_is_found_when_nothing_is_ahead(
    project, make_comparisons, make_rater, few_rows
):
    comparisons = make_comparisons(project, 8)
    for name in ("ben", "cleo"):
        take_next(rater=make_rater(project, name))
    ana = make_rater(project, "ana")
    assert judge(ana, 8) == [*comparisons[1:], None]
    Assignment.objects.filter(done_at=None).update(expires_at=timezone.now() - timedelta(seconds=1))
    assert expire_assignments() == 2
    assert given_next(ana) == comparisons[0]
    assert given_next(ana) is None


def test_a_slot_given_back_behind_the_cursor_is_found_some_minutes_later(
    project, make_comparisons, make_rater, few_rows
):
    comparisons = make_comparisons(project, 40)
    for name in ("ben", "cleo"):
        held = take(rater=make_rater(project, name))
    ana = make_rater(project, "ana")
    judge(ana, 10)
    release_assignment(rater=held[0].rater, comparison_id=comparisons[0].pk)
    assert given_next(ana) == comparisons[11]
    later(minutes=3)
    assert given_next(ana) == comparisons[0]
    assert given_next(ana) == comparisons[12]


def test_a_round_goes_on_over_several_takes_and_ends(project, make_comparisons, make_rater, few_rows):
    comparisons = make_comparisons(project, 40)
    ben, cleo, ana = (make_rater(project, name) for name in ("ben", "cleo", "ana"))
    for each in (ben, cleo):
        judge(each, 7)
        take_next(rater=each)
    assert judge(ana, 8) == comparisons[8:16]
    release_assignment(rater=ben, comparison_id=comparisons[7].pk)
    later(minutes=3)
    # Seven full ones stand in no line, so the slot is the first thing that the round meets.
    assert given_next(ana) == comparisons[7]
    passed = 0
    while QueueCursor.objects.get(rater=ana).looked_back is not None:
        passed += given_next(ana) in comparisons[16:]
    # It gains two rows a take on a cursor that moves on by one: past eight rows in four takes.
    assert passed == 4
    assert given_next(ana) == comparisons[20]


def test_a_take_far_ahead_looks_at_no_more_rows_than_any_other(
    project, make_comparisons, make_rater, few_rows
):
    make_comparisons(project, 40)
    ana = make_rater(project, "ana")
    judge(ana, 30)
    set_priorities({Comparison.objects.order_by("-pk")[0].pk: 1})
    given_next(ana)
    with CaptureQueriesContext(
        connection,
    ) as queries:
        assignment = take_next(rater=ana)
    assert assignment.comparison == Comparison.objects.order_by("pk")[30]
    cursor = QueueCursor.objects.get(rater=ana)
    assert cursor.looked_back == Comparison.objects.order_by("pk")[2].pk
    assert len(queries) < 25


def test_asking_more_people_brings_a_comparison_back_to_those_who_had_passed_it(
    project, make_comparisons, make_rater
):
    comparisons = make_comparisons(project, 4)
    ana, ben, cleo = (make_rater(project, name) for name in ("ana", "ben", "cleo"))
    judge(ana, 1)
    judge(ben, 1)
    assert given_next(cleo) == comparisons[1]
    ask_people([comparisons[0].pk], overlap=3)
    assert given_next(cleo) == comparisons[0]


def test_one_persons_cursor_is_nobody_elses(project, make_comparisons, make_rater):
    comparisons = make_comparisons(project, 5)
    judge(make_rater(project, "ana"), 4)
    assert given_next(make_rater(project, "ben")) == comparisons[0]


@pytest.fixture
def pools(project, make_comparisons):
    """Six comparisons: for everybody, for those who read French, for lawyers who read French; two each."""
    comparisons = make_comparisons(project, 6)
    for start, (language, skill) in ((2, ("french", "")), (4, ("french", "law"))):
        pool = Pool.objects.create(project=project, language=language, skill=skill)
        QueueItem.objects.filter(comparison__in=comparisons[start : start + 2]).update(pool_id=pool.pk)
    return comparisons


@pytest.mark.parametrize(
    ("qualifications", "expected"),
    [
        ((), [0, 1]),
        ((("language", "french"),), [0, 1, 2, 3]),
        ((("skill", "law"),), [0, 1]),
        ((("skill", "french"),), [0, 1]),
        ((("language", "french"), ("skill", "law")), [0, 1, 2, 3, 4, 5]),
    ],
)
def test_people_are_given_what_they_have_the_language_and_the_skill_for(
    project, pools, make_rater, qualifications, expected
):
    ana = make_rater(project, "ana")
    for kind, name in qualifications:
        ana.qualifications.create(kind=kind, name=name)
    assert judge(ana, 7) == [pools[index] for index in expected] + [None] * (7 - len(expected))


def test_the_most_urgent_comes_first_whichever_pool_it_is_in(project, pools, make_rater):
    ana = make_rater(project, "ana")
    ana.qualifications.create(kind="language", name="french")
    set_priorities({pools[3].pk: 2, pools[1].pk: 1})
    assert judge(ana, 4) == [pools[3], pools[1], pools[0], pools[2]]


def test_whoever_learns_a_language_is_given_what_asks_for_it(project, pools, make_rater):
    ana = make_rater(project, "ana")
    assert judge(ana, 3) == [*pools[:2], None]
    ana.qualifications.create(kind="language", name="french")
    assert given_next(ana) == pools[2]


def test_a_batch_is_filled_up_and_never_larger_than_the_projects(project, make_comparisons, make_rater):
    project.batch_size = 3
    project.save()
    comparisons = make_comparisons(project, 9)
    ana = make_rater(project, "ana")
    assert [each.comparison for each in take(rater=ana, count=2)] == comparisons[:2]
    assert [each.comparison for each in take(rater=ana, count=9)] == comparisons[:3]
    assert [each.comparison for each in take(rater=ana)] == comparisons[:3]
    answer(ana, comparisons[1])
    assert [each.comparison for each in take(rater=ana, count=3)] == [
        comparisons[0], comparisons[2], comparisons[3]
    ]  # fmt: skip


def test_a_heartbeat_keeps_the_leases_that_are_held_and_wakes_none_that_lapsed(
    project, make_comparisons, make_rater
):
    comparisons = make_comparisons(project, 2)
    ana = make_rater(project, "ana")
    take(rater=ana, count=2)
    soon = timezone.now() + timedelta(seconds=5)
    Assignment.objects.update(expires_at=soon)
    release_assignment(rater=ana, comparison_id=comparisons[1].pk)
    heartbeat(rater=ana, comparison_ids=[each.pk for each in comparisons])
    first, second = Assignment.objects.order_by("comparison").values_list("expires_at", flat=True)
    assert first > soon
    assert second is None


def test_a_heartbeat_reaches_only_ones_own_leases(project, make_comparisons, make_rater):
    (comparison,) = make_comparisons(project, 1)
    ana, ben = make_rater(project, "ana"), make_rater(project, "ben")
    before = take_next(rater=ana).expires_at
    heartbeat(rater=ben, comparison_ids=[comparison.pk])
    assert Assignment.objects.get().expires_at == before


def test_what_is_taken_is_what_is_stored(project, make_comparisons, make_rater):
    make_comparisons(project, 1)
    ana = make_rater(project, "ana")
    taken, stored = take_next(rater=ana), Assignment.objects.get()
    for name in ("pk", "comparison_id", "rater_id", "shown", "expires_at", "done_at", "created_at"):
        assert getattr(taken, name) == getattr(stored, name)


def test_the_database_refuses_the_same_comparison_for_one_person_twice(project, make_comparisons, make_rater):
    make_comparisons(project, 1)
    taken = take_next(rater=make_rater(project, "ana"))
    with pytest.raises(IntegrityError), transaction.atomic():
        Assignment.objects.create(comparison=taken.comparison, rater=taken.rater, shown=(0, 1))


def test_a_take_walks_along_the_line_and_sorts_nothing(project, make_comparisons, make_rater):
    make_comparisons(project, 30)
    ana = make_rater(project, "ana")
    judge(ana, 5)
    explain, lock = "EXPLAIN QUERY PLAN ", ""
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            explain, lock = "EXPLAIN ", "FOR UPDATE OF q SKIP LOCKED"
            cursor.execute("SET LOCAL enable_seqscan = off")  # which is quickest on so few rows
        stretch = line._Stretch(line._Cursor(Pool.objects.get().pk, 0, None, None), 0, line.END, ahead=True)
        sql = stretch.sql(0, "WHEN 2 THEN '0,1'", lock)
        cursor.execute(explain + sql, stretch.parameters(0) | {"rater": ana.pk})
        plan = "\n".join(str(row) for row in cursor.fetchall())
    assert "queue_line" in plan
    assert "Sort" not in plan
    assert "B-TREE" not in plan
