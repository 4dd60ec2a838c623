"""How far a person is: exact in small projects, bounded in large ones, whatever they have done."""

import uuid

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from feedback.actions.assignments import release_assignment, take, undo_last
from feedback.actions.judgments import submit_judgment
from feedback.answers import Verdict
from feedback.models import Pool, Qualification, QueueItem
from feedback.queries.progress import MOST_COUNTED, Progress, progress_in, progress_of


@pytest.fixture
def person(project, make_rater):
    project.guidelines.all().delete()
    return make_rater(project, "ana")


def answer(person, verdict=None):
    comparison = take(rater=person)[0].comparison
    said = verdict or Verdict(ranking=(1, 2))
    return submit_judgment(rater=person, comparison=comparison, submission_id=uuid.uuid4(), verdict=said)


def test_everything_open_is_left_and_what_is_answered_is_done(project, person, make_comparisons):
    make_comparisons(project, 4)
    assert progress_of(person) == Progress(done=0, left=4)
    take(rater=person, count=2)
    assert progress_of(person) == Progress(done=0, left=4)
    answer(person)
    answer(person, Verdict(outcome="skipped", rationale="unsure"))
    assert progress_of(person) == Progress(done=2, left=2)
    undo_last(rater=person)
    assert progress_of(person) == Progress(done=1, left=3)


def test_what_was_given_back_is_left_again(project, person, make_comparisons):
    make_comparisons(project, 3)
    first, _ = take(rater=person, count=2)
    release_assignment(rater=person, comparison_id=first.comparison_id)
    assert progress_of(person) == Progress(done=0, left=3)


def test_what_others_have_filled_is_not_left(project, person, make_comparisons):
    make_comparisons(project, 3)
    QueueItem.objects.filter(pk__in=QueueItem.objects.values("pk")[:2]).update(slots_free=0)
    assert progress_of(person) == Progress(done=0, left=1)


def test_what_asks_for_a_skill_is_left_for_those_who_have_it(project, person, make_comparisons):
    comparisons = make_comparisons(project, 3)
    chess = Pool.objects.create(project=project, skill="chess")
    QueueItem.objects.filter(pk=comparisons[0].pk).update(pool_id=chess.pk)
    assert progress_of(person).left == 2
    Qualification.objects.create(rater=person, kind="skill", name="chess")
    assert progress_of(person).left == 3


def test_no_more_than_so_many_are_counted_in_a_few_statements(project, person, make_comparisons):
    make_comparisons(project, MOST_COUNTED + 20)
    assert progress_of(person) == Progress(done=0, left=MOST_COUNTED, more=True)
    answer(person)
    with CaptureQueriesContext(connection) as asked:
        assert progress_of(person) == Progress(done=1, left=MOST_COUNTED, more=True)
    assert len(asked) == 2


def test_whoever_has_not_begun_sees_what_is_open(project, make_user, make_comparisons):
    make_comparisons(project, 3)
    assert progress_in(project, make_user("new")) == Progress(done=0, left=3)
