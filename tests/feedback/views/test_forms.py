"""From the sides shown to canonical positions."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from feedback.errors import Refused
from feedback.forms import JudgmentForm, canonical_ranking

shown_and_ranks = st.integers(2, 6).flatmap(
    lambda n: st.tuples(st.permutations(range(n)), st.lists(st.integers(1, n), min_size=n, max_size=n))
)


@given(shown_and_ranks)
def test_each_position_gets_the_rank_given_where_it_was_shown(case):
    shown, ranks = tuple(case[0]), tuple(case[1])
    ranking = canonical_ranking(shown, ranks)
    assert [ranking[position] for position in shown] == list(ranks)


@pytest.mark.parametrize("shown", [(0, 0), (1, 2), (0, 5)])
def test_an_order_that_is_none_is_refused(shown):
    with pytest.raises(Refused):
        canonical_ranking(shown, (1, 2))


@pytest.mark.parametrize("choice", ["a", "b", "tie"])
def test_a_side_can_not_answer_three_responses(choice):
    form = JudgmentForm(
        {
            "comparison": "1",
            "submission_id": "8f14e45f-ceea-467f-a0e6-000000000001",
            "shown": "proof",
            "choice": choice,
        }
    )
    assert form.is_valid()
    with pytest.raises(Refused, match="give each of them a rank"):
        form.verdict((0, 1, 2))


def test_a_night_on_one_page_counts_as_a_day_at_most():
    form = JudgmentForm(
        {
            "comparison": "1",
            "submission_id": "8f14e45f-ceea-467f-a0e6-000000000001",
            "shown": "proof",
            "choice": "a",
            "seconds": "1e9",
        }
    )
    assert form.is_valid()
    assert form.verdict((0, 1)).seconds == 86_400
