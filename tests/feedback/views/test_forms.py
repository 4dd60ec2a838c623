"""From the sides shown to canonical positions."""

import pytest
from django.http import QueryDict
from hypothesis import given
from hypothesis import strategies as st

from feedback.answers import AnswerForm, dense_ranks
from feedback.errors import Refused
from feedback.views.answers import Reading, checked_fields

shown_and_ranks = st.integers(2, 6).flatmap(
    lambda n: st.tuples(st.permutations(range(n)), st.lists(st.integers(1, n), min_size=n, max_size=n))
)


def read(shown, **answer):
    data = QueryDict(mutable=True)
    data.update(
        {"comparison": "1", "submission_id": "8f14e45f-ceea-467f-a0e6-000000000001", "shown": "proof"}
    )
    data.update(answer)
    return Reading(AnswerForm(choice="ranking"), (), shown).verdict(data, checked_fields(data))


@given(shown_and_ranks)
def test_each_position_gets_the_rank_given_where_it_was_shown(case):
    shown, ranks = tuple(case[0]), tuple(case[1])
    ranking = read(shown, **{f"rank_{place}": str(rank) for place, rank in enumerate(ranks)}).ranking
    assert tuple(ranking[position] for position in shown) == dense_ranks(ranks)


@pytest.mark.parametrize("choice", ["a", "b", "tie"])
def test_a_side_can_not_answer_three_responses(choice):
    with pytest.raises(Refused) as refusal:
        read((0, 1, 2), choice=choice)
    assert refusal.value.field == "rank_0"
