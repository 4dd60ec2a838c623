"""Rankings become codes without losing order, ties or what is missing."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from alignment.statistics.verdicts import (
    FIRST,
    MISSING,
    SECOND,
    TIE,
    as_codes,
    encode,
    normalised,
    same_length,
)


def test_pairs_have_fixed_codes_and_longer_rankings_follow():
    encoded = encode([(1, 2), (2, 1), (1, 1), None, (1, 2, 2), (3, 7), (2, 1, 1)])
    assert encoded.codes.tolist() == [FIRST, SECOND, TIE, MISSING, 3, FIRST, 4]
    assert encoded.rankings == [(1, 2), (2, 1), (1, 1), (1, 2, 2), (2, 1, 1)]


def test_a_ranking_of_one_response_is_refused():
    with pytest.raises(ValueError, match="at least two"):
        encode([(1,)])


@given(st.lists(st.lists(st.integers(1, 9), min_size=2, max_size=6).map(tuple)))
def test_codes_lead_back_to_the_same_order(rankings):
    encoded = encode(rankings)
    for ranking, code in zip(rankings, encoded.codes, strict=True):
        back = encoded.rankings[code]
        assert back == normalised(back)
        pairs = [(i, j) for i in range(len(back)) for j in range(len(back))]
        assert [back[i] < back[j] for i, j in pairs] == [ranking[i] < ranking[j] for i, j in pairs]


def test_codes_are_whole_numbers_in_a_flat_array():
    assert as_codes([], "labels").dtype == np.int64
    for wrong in ([0.5, 1.0], [[0, 1]]):
        with pytest.raises(ValueError, match="labels must be a flat array of whole numbers"):
            as_codes(wrong, "labels")


def test_lengths_that_differ_are_named():
    with pytest.raises(ValueError, match="'first': 1, 'second': 2"):
        same_length(first=np.zeros(1), second=np.zeros(2))
