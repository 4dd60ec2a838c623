"""Bias: what is planted is found, what is not is not, and what was left out is counted."""

import numpy as np
import pytest
from scipy import stats

from alignment.statistics.bias import (
    credit_gap,
    length_bias,
    leniency,
    own_family,
    position_bias,
    sign_test,
)
from alignment.statistics.verdicts import FIRST, MISSING, SECOND, TIE


def test_a_judge_that_takes_the_first_is_caught():
    rng = np.random.default_rng(0)
    truth = rng.integers(0, 2, 300)
    lazy = rng.random((2, 300)) < 0.3
    given = np.where(lazy[0], FIRST, truth)
    turned = np.where(lazy[1], SECOND, truth)  # the response shown first is then the canonical second
    found = position_bias(given, turned, np.arange(300))
    assert found.consistency.value == pytest.approx((given == turned).mean())
    assert found.first_shown.low > 0.55
    assert found.p < 1e-6
    assert found.recency == 0 < found.primacy


def test_a_judge_that_errs_on_both_sides_alike_is_not():
    rng = np.random.default_rng(1)
    truth = rng.integers(0, 2, 300)
    given, turned = (np.where(rng.random(300) < 0.2, 1 - truth, truth) for _ in range(2))
    found = position_bias(given, turned, np.arange(300))
    assert found.first_shown.low < 0.5 < found.first_shown.high
    assert found.p > 0.05


def test_ties_lean_by_half_and_missing_orders_are_excluded():
    found = position_bias([FIRST, TIE, MISSING], [TIE, TIE, FIRST], [0, 1, 2])
    assert found.consistency.value == 0.5
    assert found.first_shown.value == pytest.approx((0.75 + 0.5) / 2)
    assert (found.primacy, found.recency, found.consistency.excluded) == (1, 0, 1)


def test_one_prompt_asked_often_leans_once():
    found = position_bias([FIRST] * 20, [SECOND] * 20, [7] * 20)
    assert (found.primacy, found.p) == (1, 1.0)


@pytest.mark.parametrize(("more", "less"), [(0, 1), (5, 0), (7, 12), (40, 40), (3, 30)])
def test_the_sign_test_is_scipys(more, less):
    assert sign_test(more, less) == pytest.approx(stats.binomtest(more, more + less).pvalue)


def test_a_sign_test_of_nothing_is_undefined():
    assert sign_test(0, 0) is None


def test_length_bias_is_found_and_its_slope_right():
    rng = np.random.default_rng(2)
    lengths = rng.integers(20, 400, (2, 4000)).astype(float)
    log = np.log2(lengths[0] / lengths[1])
    verdicts = np.where(rng.random(4000) < 1 / (1 + np.exp(-0.7 * log)), FIRST, SECOND)
    found = length_bias(verdicts, *lengths, np.arange(4000))
    assert found.slope.low < 0.7 < found.slope.high
    assert found.longer.low > 0.5
    shares = [share.value for _, _, share in found.curve]
    assert shares[0] < shares[-1]
    assert len(found.curve) == 5
    assert sum(share.n for _, _, share in found.curve) == found.longer.n
    bounds = [(low, high) for low, high, _ in found.curve]
    assert all(low <= high for low, high in bounds)
    assert bounds == sorted(bounds)


def test_no_length_bias_is_not_found_and_what_does_not_count_is_excluded():
    rng = np.random.default_rng(3)
    lengths = rng.integers(20, 400, (2, 1000))
    lengths[1, :10] = lengths[0, :10]
    verdicts = rng.integers(0, 3, 1000)
    verdicts[10:15] = MISSING
    found = length_bias(verdicts, *lengths, np.arange(1000))
    assert found.slope.low < 0 < found.slope.high
    assert found.longer.excluded >= 15
    empty = length_bias([], [], [], [])
    assert (empty.longer.reason, empty.slope.reason, empty.curve) == ("no data", "no data", [])
    same = length_bias([FIRST, FIRST], [2, 2], [1, 1], [0, 1])
    assert (same.slope.reason, same.longer.value, len(same.curve)) == ("no variation", 1, 1)
    with pytest.raises(ValueError, match="more than 0"):
        length_bias([FIRST], [0], [1], [0])
    with pytest.raises(ValueError, match="verdicts must be"):
        length_bias([3], [1], [2], [0])


def test_a_judge_that_prefers_its_own_family_more_than_people_do():
    rng = np.random.default_rng(4)
    families = ["mine", "other", "third"]
    first, second = ([families[index] for index in rng.integers(0, 3, 900)] for _ in range(2))
    favoured = own_family("mine", first, second)
    assert (
        (favoured == FIRST) == [one == "mine" != two for one, two in zip(first, second, strict=True)]
    ).all()
    people = rng.integers(0, 2, 900)
    judge = np.where((favoured != MISSING) & (rng.random(900) < 0.4), favoured, people)
    found = credit_gap(judge, people, favoured, np.arange(900))
    assert found.difference.low > 0.1
    assert found.difference.value == pytest.approx(found.judge.value - found.people.value)
    assert found.judge.n + found.judge.excluded == 900
    assert found.difference.n == (favoured != MISSING).sum()


def test_leniency_is_the_mean_difference_by_criterion():
    judge = np.array([5, 4, 5, 2, 3, np.nan])
    people = np.array([4, 3.5, 4, 3, 3, 1])
    found = leniency(judge, people, [0, 0, 0, 1, 1, 1], [0, 1, 2, 0, 1, 2])
    assert found[0].value == pytest.approx((1 + 0.5 + 1) / 3)
    assert found[1].value == pytest.approx(-0.5)
    assert (found[1].n, found[1].excluded) == (2, 1)
