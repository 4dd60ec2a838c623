"""Win rate: ties count half, missing verdicts are counted apart."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from alignment.statistics.intervals import Resampling
from alignment.statistics.verdicts import FIRST, MISSING, SECOND, TIE
from alignment.statistics.win_rate import win_rate


def test_ties_count_half_and_missing_verdicts_are_excluded():
    rate = win_rate([FIRST, FIRST, SECOND, TIE, MISSING], [0, 1, 2, 3, 4])
    assert (rate.value, rate.n, rate.excluded) == (0.625, 4, 1)
    assert rate.low < 0.625 < rate.high


def test_no_verdict_is_undefined():
    assert win_rate([MISSING], [0]).as_json() == {"value": None, "n": 0, "reason": "no data", "excluded": 1}


@pytest.mark.parametrize("wrong", [3, -2])
def test_an_unknown_code_is_refused(wrong):
    with pytest.raises(ValueError, match="FIRST, SECOND, TIE or MISSING"):
        win_rate([wrong], [0])


@given(st.lists(st.sampled_from([FIRST, SECOND, TIE, MISSING]), min_size=1, max_size=30))
def test_the_two_sides_share_one(verdicts):
    swap = {FIRST: SECOND, SECOND: FIRST, TIE: TIE, MISSING: MISSING}
    clusters = np.arange(len(verdicts))
    ours = win_rate(verdicts, clusters, resampling=Resampling(20))
    theirs = win_rate([swap[verdict] for verdict in verdicts], clusters, resampling=Resampling(20))
    if ours.value is None:
        assert theirs.value is None
    else:
        assert ours.value + theirs.value == pytest.approx(1)
