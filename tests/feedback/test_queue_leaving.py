"""Comparisons that leave the queue, as retired ones do, and those that come back."""

import uuid

import pytest
from django.utils import timezone

from feedback.actions.assignments import take_next
from feedback.actions.judgments import submit_judgment
from feedback.actions.slots import join_queue, leave_queue
from feedback.answers import Verdict
from feedback.errors import Refused
from feedback.models import Comparison, Pool, QueueItem


def answer(rater, comparison):
    return submit_judgment(
        rater=rater, comparison=comparison, submission_id=uuid.uuid4(), verdict=Verdict(ranking=(1, 2))
    )


def given_next(rater):
    """The comparison this person takes next, answered at once."""
    comparison = take_next(rater=rater).comparison
    answer(rater, comparison)
    return comparison


def test_a_comparison_that_leaves_the_queue_is_given_to_nobody_and_its_holder_may_still_answer(
    project, make_comparisons, make_rater
):
    first, second = make_comparisons(project, 2)
    ana, ben = make_rater(project, "ana"), make_rater(project, "ben")
    take_next(rater=ana)
    leave_queue([first.pk])
    assert given_next(ben) == second
    answer(ana, first)
    with pytest.raises(Refused):
        answer(ben, first)


def test_a_comparison_that_comes_back_counts_what_was_said_and_is_held_meanwhile(
    project, make_comparisons, make_rater
):
    project.overlap = 3
    project.save()
    first, second = make_comparisons(project, 2)
    ana, ben, cleo, dan = (make_rater(project, name) for name in ("ana", "ben", "cleo", "dan"))
    take_next(rater=ana)
    take_next(rater=ben)
    leave_queue([first.pk])
    assert given_next(cleo) == second
    answer(ana, first)
    pool = Pool.objects.get(project=project)
    join_queue([first.pk, second.pk], pools={first.pk: pool.pk, second.pk: pool.pk})
    assert dict(QueueItem.objects.values_list("pk", "slots_free")) == {first.pk: 1, second.pk: 2}
    assert given_next(cleo) == first
    assert given_next(dan) == second


def test_a_retired_comparison_does_not_come_back(project, make_comparisons):
    (comparison,) = make_comparisons(project, 1)
    leave_queue([comparison.pk])
    Comparison.objects.update(retired_at=timezone.now())
    join_queue([comparison.pk], pools={comparison.pk: 1})
    assert not QueueItem.objects.exists()
