"""Rank correlations, held against scipy; their intervals, and correlations within prompts."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from alignment.statistics.agreement import NUMBERS_ONLY, compare
from alignment.statistics.alpha import krippendorff_alpha
from alignment.statistics.correlation import kendall_of_many, within_prompts
from alignment.statistics.intervals import Resampling

QUICK = Resampling(30)
scores = st.lists(st.tuples(st.integers(0, 6), st.integers(0, 6)), min_size=2, max_size=40)


@given(rows=scores)
def test_both_ways_agree_with_scipy(rows):
    one, two = np.array(rows, dtype=float).T
    prompts = np.arange(len(rows))
    found = compare(one, two, prompts, level="ordinal", resampling=QUICK)
    many = kendall_of_many(one, two, prompts)
    if len(set(one)) < 2 or len(set(two)) < 2:
        assert found["spearman"].reason == found["kendall_tau_b"].reason == many.reason == "no variation"
        return
    assert found["spearman"].value == pytest.approx(stats.spearmanr(one, two).statistic, abs=1e-9)
    tau = stats.kendalltau(one, two).statistic
    assert found["kendall_tau_b"].value == pytest.approx(tau, abs=1e-9)
    assert many.value == pytest.approx(tau, abs=1e-9)


@pytest.mark.parametrize("level", ["nominal", "ordinal", "interval", "ratio"])
@given(rows=scores)
def test_alpha_of_two_is_alpha(level, rows):
    one, two = np.array(rows, dtype=float).T
    items = np.arange(len(rows))
    units = np.tile(items, 2)
    alpha = krippendorff_alpha(units, np.concatenate([one, two]), units, level=level, resampling=QUICK)
    found = compare(one, two, items, level=level, resampling=QUICK)["krippendorff_alpha"]
    assert found.value == pytest.approx(alpha.value, abs=1e-9)
    assert found.n == alpha.n


def test_many_distinct_scores_take_the_way_by_rows():
    rng = np.random.default_rng(0)
    one = rng.normal(size=600)
    two = one + rng.normal(size=600)
    prompts = np.arange(600) // 2
    found = compare(one, two, prompts, level="interval", resampling=Resampling(200))
    assert found["kendall_tau_b"] == kendall_of_many(one, two, prompts, Resampling(200))
    assert found["kendall_tau_b"].value == pytest.approx(stats.kendalltau(one, two).statistic, abs=1e-9)
    assert found["spearman"].value == pytest.approx(stats.spearmanr(one, two).statistic, abs=1e-9)
    assert found["spearman"].low < found["spearman"].value < found["spearman"].high


def test_kendalls_interval_covers_the_truth_as_often_as_it_says():
    """Of normal scores with correlation r, tau is 2/π arcsin r (Greiner)."""
    rng = np.random.default_rng(1)
    truth = 2 / np.pi * np.arcsin(0.6)
    covered = 0
    for _ in range(200):
        shared, own = rng.normal(size=120), rng.normal(size=120)
        tau = kendall_of_many(shared, 0.6 * shared + 0.8 * own, np.arange(120))
        covered += tau.low <= truth <= tau.high
    assert 180 <= covered <= 199


def test_kendall_in_one_prompt_has_no_interval_and_of_nothing_no_value():
    alone = kendall_of_many(np.array([1.0, 2.0]), np.array([1.0, 2.0]), np.array([0, 0]))
    assert (alone.value, alone.low, alone.reason) == (pytest.approx(1), None, "one cluster only")
    assert kendall_of_many(np.zeros(0), np.zeros(0), np.zeros(0, int)).reason == "no data"


def test_text_has_no_correlation_and_says_so():
    found = compare(np.array([0.0, 1]), np.array([1.0, 1]), np.arange(2), level="nominal", numeric=False)
    for name in ("spearman", "kendall_tau_b", "cohen_kappa_linear", "cohen_kappa_quadratic"):
        assert found[name].as_json() == {"value": None, "n": 2, "reason": NUMBERS_ONLY}
    assert found["agreement"].value == 0.5


def test_rows_without_one_of_the_two_are_excluded():
    found = compare(np.array([1, np.nan, 2.0]), np.array([1, 2, np.nan]), np.arange(3), level="nominal")
    assert (found["agreement"].n, found["agreement"].excluded) == (1, 2)
    nothing = compare(np.array([np.nan]), np.array([1.0]), np.arange(1), level="nominal")
    assert nothing["spearman"].as_json() == {"value": None, "n": 0, "reason": "no data", "excluded": 1}


@pytest.mark.parametrize("coefficient", ["spearman", "kendall_tau_b"])
@given(
    rows=st.lists(st.tuples(st.integers(0, 4), st.integers(0, 3), st.integers(0, 3)), min_size=1, max_size=40)
)
def test_within_prompts_is_the_mean_of_scipys(coefficient, rows):
    prompts, one, two = np.array(rows).T
    theirs = {"spearman": stats.spearmanr, "kendall_tau_b": stats.kendalltau}[coefficient]
    each = []
    for prompt in np.unique(prompts):
        part = prompts == prompt
        if len(set(one[part])) > 1 and len(set(two[part])) > 1:
            each.append(theirs(one[part], two[part]).statistic)
    ours = within_prompts(one, two, prompts, coefficient=coefficient, resampling=QUICK)
    assert (ours.n, ours.excluded) == (len(each), len(np.unique(prompts)) - len(each))
    assert ours.value == (pytest.approx(np.mean(each), abs=1e-9) if each else None)


def test_within_no_prompt_is_undefined():
    for coefficient in ("spearman", "kendall_tau_b"):
        assert within_prompts([], [], [], coefficient=coefficient).reason == "no data"
