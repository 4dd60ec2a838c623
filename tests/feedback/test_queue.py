"""The queue: nobody gets a comparison twice, none gets more people than it asks for, no answer is lost."""

import uuid
from datetime import timedelta

import pytest
from django.db import IntegrityError, transaction
from django.db.models import Count, Q
from django.utils import timezone

from feedback.actions.assignments import (
    ask_people,
    expire_assignments,
    release_assignment,
    reopen,
    set_priorities,
    take_next,
    undo_last,
)
from feedback.actions.judgments import MachineVerdict, store_verdicts, submit_judgment
from feedback.answers import Verdict
from feedback.errors import Refused
from feedback.models import Assignment, Comparison, Judgment, Outcome, QueueItem

FIRST = Verdict(ranking=(1, 2))
SKIP = Verdict(outcome=Outcome.SKIPPED)


def answer(rater, comparison, verdict=FIRST, submission_id=None):
    return submit_judgment(
        rater=rater, comparison=comparison, submission_id=submission_id or uuid.uuid4(), verdict=verdict
    )


def slots(comparison):
    return QueueItem.objects.get(pk=comparison.pk).slots_free


def broken_invariants(project):
    """Comparisons whose free slots, open assignments and people's verdicts do not add up to their overlap."""
    people = Q(judgments__current=True, judgments__rater__kind="human") & ~Q(judgments__outcome="skipped")
    rows = Comparison.objects.filter(project=project).annotate(
        verdicts=Count("judgments", filter=people, distinct=True),
        leases=Count(
            "assignments",
            filter=Q(assignments__done_at=None, assignments__expires_at__isnull=False),
            distinct=True,
        ),
    )
    return [
        (row.pk, row.overlap, row.verdicts, row.leases, row.queue_item.slots_free)
        for row in rows.select_related("queue_item")
        if row.verdicts + row.leases + row.queue_item.slots_free != row.overlap
    ]


def test_a_person_gets_the_same_open_assignment_until_it_is_answered(project, make_comparisons, make_rater):
    make_comparisons(project, 2)
    ana = make_rater(project, "ana")
    assert take_next(rater=ana) == take_next(rater=ana)


def test_a_person_never_gets_a_comparison_twice(project, make_comparisons, make_rater):
    comparisons = make_comparisons(project, 3)
    ana = make_rater(project, "ana")
    given = []
    while assignment := take_next(rater=ana):
        given.append(assignment.comparison)
        answer(ana, assignment.comparison, SKIP if len(given) == 2 else FIRST)
    assert given == comparisons


def test_a_comparison_goes_to_as_many_people_as_it_asks_for(project, make_comparisons, make_rater):
    make_comparisons(project, 1)
    taken = [take_next(rater=make_rater(project, name)) for name in ("ana", "ben", "cleo")]
    assert [assignment is not None for assignment in taken] == [True, True, False]


def test_the_database_itself_refuses_a_slot_too_many(project, make_comparisons):
    (comparison,) = make_comparisons(project, 1)
    with pytest.raises(IntegrityError), transaction.atomic():
        QueueItem.objects.filter(pk=comparison.pk).update(slots_free=-1)


def test_the_most_urgent_comparison_comes_first(project, make_comparisons, make_rater):
    comparisons = make_comparisons(project, 3)
    set_priorities({comparisons[2].pk: 5})
    assert take_next(rater=make_rater(project, "ana")).comparison == comparisons[2]


def test_a_skip_gives_the_slot_back_and_is_kept(project, make_comparisons, make_rater):
    (comparison,) = make_comparisons(project, 1)
    ana = make_rater(project, "ana")
    take_next(rater=ana)
    answer(ana, comparison, SKIP)
    assert slots(comparison) == 2
    assert Judgment.objects.get().outcome == Outcome.SKIPPED
    assert take_next(rater=ana) is None


def test_a_lease_that_lapses_frees_its_slot(project, make_comparisons, make_rater):
    (comparison,) = make_comparisons(project, 1)
    take_next(rater=make_rater(project, "ana"))
    assert expire_assignments() == 0
    Assignment.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    assert expire_assignments() == 1
    assert slots(comparison) == 2


def test_an_answer_after_its_lease_lapsed_is_kept_while_it_is_wanted(project, make_comparisons, make_rater):
    (comparison,) = make_comparisons(project, 1)
    ana, ben, cleo = (make_rater(project, name) for name in ("ana", "ben", "cleo"))
    take_next(rater=ana)
    expire_assignments(now=timezone.now() + timedelta(days=1))
    answer(ana, comparison)
    answer(ben, comparison)
    assert slots(comparison) == 0
    with pytest.raises(Refused, match="already has all the judgments"):
        answer(cleo, comparison)


def test_the_same_submission_twice_is_stored_once(project, make_comparisons, make_rater, new_id):
    (comparison,) = make_comparisons(project, 1)
    ana = make_rater(project, "ana")
    take_next(rater=ana)
    once = new_id()
    first = answer(ana, comparison, submission_id=once)
    assert answer(ana, comparison, Verdict(ranking=(2, 1)), submission_id=once) == first
    assert Judgment.objects.count() == 1
    assert slots(comparison) == 1


def test_a_revision_supersedes_and_history_is_kept(project, make_comparisons, make_rater):
    (comparison,) = make_comparisons(project, 1)
    ana = make_rater(project, "ana")
    take_next(rater=ana)
    answer(ana, comparison)
    answer(ana, comparison, Verdict(ranking=(2, 1)))
    kept = Judgment.objects.order_by("pk").values_list("ranking", "current")
    assert list(kept) == [((1, 2), False), ((2, 1), True)]
    assert slots(comparison) == 1


def test_undo_reopens_the_newest_answer_and_keeps_it_as_history(project, make_comparisons, make_rater):
    make_comparisons(project, 2)
    ana = make_rater(project, "ana")
    first = take_next(rater=ana)
    answer(ana, first.comparison)
    assert undo_last(rater=ana) == first
    assert take_next(rater=ana) == first
    assert Judgment.objects.get().current is False
    assert broken_invariants(project) == []


def test_undo_of_a_skip_takes_the_slot_again(project, make_comparisons, make_rater):
    (comparison,) = make_comparisons(project, 1)
    ana = make_rater(project, "ana")
    take_next(rater=ana)
    answer(ana, comparison, SKIP)
    undo_last(rater=ana)
    assert slots(comparison) == 1
    with pytest.raises(Refused, match="nothing to undo"):
        undo_last(rater=ana)


def test_a_released_comparison_is_free_for_others(project, make_comparisons, make_rater):
    (comparison,) = make_comparisons(project, 1)
    ana = make_rater(project, "ana")
    take_next(rater=ana)
    release_assignment(rater=ana, comparison_id=comparison.pk)
    release_assignment(rater=ana, comparison_id=comparison.pk)
    assert slots(comparison) == 2


def test_people_can_be_asked_about_a_comparison_that_nobody_was_asked_about(
    project, make_comparisons, make_rater
):
    project.overlap = 0
    project.save()
    first, second = make_comparisons(project, 2)
    assert take_next(rater=make_rater(project, "ana")) is None
    ask_people([second.pk], overlap=3)
    ask_people([second.pk], overlap=1)
    assert (slots(first), slots(second)) == (0, 3)
    assert take_next(rater=make_rater(project, "ben")).comparison == second
    assert broken_invariants(project) == []


def test_reopening_asks_one_more_person_only_where_nobody_could_be_asked(
    project, make_comparisons, make_rater
):
    full, open_one = make_comparisons(project, 2)
    for name in ("ana", "ben"):
        rater = make_rater(project, name)
        take_next(rater=rater)
        answer(rater, full)
    assert reopen([full.pk, open_one.pk], priority=7) == 2
    full.refresh_from_db()
    assert (full.overlap, slots(full), slots(open_one)) == (3, 1, 2)
    assert take_next(rater=make_rater(project, "cleo")).comparison == full


@pytest.mark.parametrize(
    "ranking",
    [(), (1,), (1, 2, 3), (0, 1), (2, 2), (1, 3)],
    ids=["none", "few", "many", "zero", "from 2", "gap"],
)
def test_a_ranking_that_does_not_rank_is_refused_and_nothing_is_stored(
    project, make_comparisons, make_rater, ranking
):
    (comparison,) = make_comparisons(project, 1)
    ana = make_rater(project, "ana")
    take_next(rater=ana)
    with pytest.raises(Refused) as refused:
        answer(ana, comparison, Verdict(ranking=ranking))
    assert refused.value.field == "ranking"
    assert not Judgment.objects.exists()


def test_a_missing_verdict_can_not_carry_a_ranking(project, make_comparisons, make_rater, new_id):
    (comparison,) = make_comparisons(project, 1)
    judge = make_rater(project, "claude", kind="judge")
    refused = MachineVerdict(comparison, new_id(), Verdict(outcome=Outcome.REFUSED, ranking=(1, 1)))
    with pytest.raises(Refused):
        store_verdicts(rater=judge, verdicts=[refused])
    with pytest.raises(IntegrityError), transaction.atomic():
        Judgment.objects.create(
            comparison=comparison,
            rater=judge,
            submission_id=new_id(),
            outcome="refused",
            ranking=(1, 1),
            at=timezone.now(),
        )


def test_a_judges_verdict_takes_no_slot(project, make_comparisons, make_rater, new_id):
    (comparison,) = make_comparisons(project, 1)
    judge = make_rater(project, "claude", kind="judge")
    store_verdicts(rater=judge, verdicts=[MachineVerdict(comparison, new_id(), FIRST)])
    assert slots(comparison) == 2


def test_only_people_take_from_the_queue(project, make_comparisons, make_rater):
    make_comparisons(project, 1)
    with pytest.raises(Refused, match="Only people"):
        take_next(rater=make_rater(project, "claude", kind="judge"))


def test_sides_are_shuffled_and_stored_with_the_judgment(project, make_comparisons, make_rater):
    make_comparisons(project, 40)
    ana = make_rater(project, "ana")
    while assignment := take_next(rater=ana):
        assert answer(ana, assignment.comparison).shown == assignment.shown
    shown = set(Judgment.objects.values_list("shown", flat=True))
    assert shown == {(0, 1), (1, 0)}
