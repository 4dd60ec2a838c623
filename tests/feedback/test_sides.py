"""The sides that a person sees: shuffled, balanced over their turns, and kept when a comparison comes again."""

import uuid
from collections import Counter
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from feedback.actions.assignments import release_assignment, take_next
from feedback.actions.imports import store_records
from feedback.actions.judgments import submit_judgment
from feedback.actions.sides import shown_in_turn
from feedback.answers import Verdict
from feedback.models import Assignment
from feedback.records import ComparisonRecord, ResponseRecord


def answer(rater, comparison, verdict=None):
    return submit_judgment(
        rater=rater,
        comparison=comparison,
        submission_id=uuid.uuid4(),
        verdict=verdict or Verdict(ranking=(1, 2)),
    )


def test_a_comparison_taken_up_again_has_its_sides_as_before(project, make_comparisons, make_rater):
    make_comparisons(project, 1)
    ana = make_rater(project, "ana")
    first = take_next(rater=ana)
    release_assignment(rater=ana, comparison_id=first.comparison_id)
    again = take_next(rater=ana)
    assert (again.pk, again.shown) == (first.pk, first.shown)
    assert Assignment.objects.get().expires_at is not None


def test_sides_are_balanced_for_each_person_whatever_they_skip_or_give_back(
    project, make_comparisons, make_rater
):
    make_comparisons(project, 24)
    ana = make_rater(project, "ana")
    for turn in range(24):
        assignment = take_next(rater=ana)
        if turn % 5 == 0:
            release_assignment(rater=ana, comparison_id=assignment.comparison_id)
            assignment = take_next(rater=ana)
        answer(ana, assignment.comparison)
    shown = Counter(Assignment.objects.values_list("shown", flat=True))
    assert shown == {(0, 1): 12, (1, 0): 12}


def test_comparisons_of_three_and_of_two_are_balanced_each_for_themselves(
    project, make_comparisons, make_rater
):
    records = [
        ComparisonRecord(
            key=f"three {index}",
            prompt=[{"role": "user", "content": "Which tea?"}],
            responses=[ResponseRecord(key, f"model-{key}", f"Tea {key}{index}.") for key in "abc"],
            line=index + 1,
        )
        for index in range(6)
    ]
    store_records(project=project, records=records, by=None)
    make_comparisons(project, 4)
    ana = make_rater(project, "ana")
    judged = 0
    while assignment := take_next(rater=ana):
        answer(ana, assignment.comparison, Verdict(ranking=tuple(range(1, 1 + len(assignment.shown)))))
        judged += 1
    shown = list(Assignment.objects.values_list("shown", flat=True))
    assert judged == 10
    assert Counter(order[0] for order in shown if len(order) == 3) == {0: 2, 1: 2, 2: 2}
    assert Counter(order[0] for order in shown if len(order) == 2) == {0: 2, 1: 2}


@given(rater=st.integers(1, 10**9), responses=st.integers(2, 9), block=st.integers(0, 10**6))
def test_over_a_block_every_position_stands_in_every_place_equally_often(rater, responses, block):
    turns = range(2 * responses * block, 2 * responses * (block + 1))
    orders = [shown_in_turn(rater, responses, turn) for turn in turns]
    for place in range(responses):
        assert Counter(order[place] for order in orders) == dict.fromkeys(range(responses), 2)


def test_one_persons_sides_do_not_foretell_anothers():
    sequences = {tuple(shown_in_turn(rater, 2, turn)[0] for turn in range(40)) for rater in range(50)}
    assert len(sequences) == 50
    first = [shown_in_turn(1, 2, turn) for turn in range(40)]
    assert {(one == two) for one, two in pairwise(first)} == {True, False}
