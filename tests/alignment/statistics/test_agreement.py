"""Agreement: published worked examples, an independent library, and what must not change the value."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import cohen_kappa_score

from alignment.statistics.aggregation import majority_vote
from alignment.statistics.agreement import (
    cohen_kappa,
    compare_verdicts,
    gwet_ac,
    raw_agreement,
    symmetric_kappa,
)
from alignment.statistics.intervals import Resampling, wilson
from alignment.statistics.many_raters import gwet_ac_of_many
from alignment.statistics.verdicts import FIRST, MISSING, SECOND, TIE

QUICK = Resampling(30)

verdict_rows = st.lists(
    st.tuples(
        st.sampled_from([FIRST, SECOND, TIE]), st.sampled_from([FIRST, SECOND, TIE]), st.integers(0, 4)
    ),
    min_size=1,
    max_size=40,
)


@given(rows=verdict_rows)
def test_kappas_agree_with_scikit_learn(rows):
    first, second, clusters = np.array(rows).T
    for weights, theirs in (("nominal", None), ("linear", "linear"), ("quadratic", "quadratic")):
        ours = cohen_kappa(first, second, clusters, weights=weights, resampling=QUICK)
        if ours.value is None:
            assert ours.reason == "no variation"
            assert len(np.unique(np.concatenate([first, second]))) == 1
        else:
            expected = cohen_kappa_score(first, second, labels=[0, 1, 2], weights=theirs)
            assert ours.value == pytest.approx(expected, abs=1e-9)
            assert ours.value <= 1


@given(rows=verdict_rows, random=st.randoms())
def test_values_do_not_depend_on_order_names_or_who_is_first(rows, random):
    first, second, clusters = np.array(rows).T
    order = random.sample(range(len(rows)), len(rows))
    renamed = np.array(random.sample([0, 1, 2], 3))
    for statistic in (raw_agreement, cohen_kappa):
        ours = statistic(first, second, clusters, resampling=QUICK)
        assert statistic(first[order], second[order], clusters[order], resampling=QUICK) == ours
        assert statistic(second, first, clusters, resampling=QUICK).value == pytest.approx(ours.value)
        named = statistic(renamed[first], renamed[second], clusters, resampling=QUICK)
        assert named.value == pytest.approx(ours.value)


@given(rows=verdict_rows, swapped=st.lists(st.booleans(), min_size=40, max_size=40))
def test_symmetric_kappa_does_not_depend_on_which_response_is_first(rows, swapped):
    first, second, clusters = np.array(rows).T
    other = np.array([SECOND, FIRST, TIE])
    flip = np.array(swapped[: len(rows)])
    ours = symmetric_kappa(first, second, clusters, resampling=QUICK)
    turned = symmetric_kappa(
        np.where(flip, other[first], first), np.where(flip, other[second], second), clusters, resampling=QUICK
    )
    assert turned == ours
    if ours.value is None:
        assert set(first) == set(second) == {TIE}
    else:
        assert -1 <= ours.value <= 1


def test_symmetric_kappa_by_hand():
    """Half agree; tie rates 1/4 and 1/2: pe = .75 · .5 / 2 + .25 · .5 = .3125."""
    first, second = [FIRST, SECOND, FIRST, TIE], [FIRST, TIE, SECOND, TIE]
    kappa = symmetric_kappa(first, second, [0, 1, 2, 3])
    assert kappa.value == pytest.approx((0.5 - 0.3125) / (1 - 0.3125))


def test_missing_verdicts_are_excluded_and_counted():
    first, second = [FIRST, MISSING, SECOND, TIE, MISSING], [FIRST, FIRST, MISSING, SECOND, MISSING]
    for statistic in (raw_agreement, symmetric_kappa, cohen_kappa):
        result = statistic(first, second, [0, 1, 2, 3, 4])
        assert (result.n, result.excluded) == (2, 3)
    assert raw_agreement(first, second, [0, 1, 2, 3, 4]).value == 0.5


def test_degenerate_agreement_says_why():
    assert cohen_kappa([1, 1], [1, 1], [0, 1]).as_json() == {"value": None, "n": 2, "reason": "no variation"}
    assert symmetric_kappa([], [], []).reason == "no data"
    assert cohen_kappa([0, 1], [0, 1], [3, 3]).reason == "one cluster only"
    perfect = cohen_kappa([0, 1] * 10, [0, 1] * 10, range(20))
    assert (perfect.value, perfect.reason) == (1, "too little variation to resample")
    with pytest.raises(ValueError, match="0 or more"):
        raw_agreement([-2], [0], [0])
    with pytest.raises(ValueError, match="for pairs"):
        symmetric_kappa([3], [0], [0])


def test_pandalm_kappas_and_majority_are_the_published_ones(pandalm):
    people, judges, clusters = pandalm
    pairs = [("annotator1", "annotator2"), ("annotator1", "annotator3"), ("annotator2", "annotator3")]
    kappas = [cohen_kappa(people[one], people[two], clusters) for one, two in pairs]
    assert [round(kappa.value, 4) for kappa in kappas] == [0.8520, 0.8789, 0.8617]
    assert all(kappa.n == 999 and kappa.low < kappa.value < kappa.high for kappa in kappas)
    majority = majority_vote(np.tile(np.arange(999), 3), np.concatenate(list(people.values())), 999)
    assert [int((majority == code).sum()) for code in (TIE, FIRST, SECOND)] == [105, 422, 472]
    judge = raw_agreement(judges["gpt-3.5-turbo"], majority, clusters)
    assert (round(judge.value, 4), judge.n, judge.excluded) == (0.7156, 974, 25)


def test_kappa_of_fleiss_levin_and_paik():
    """Fleiss, Levin and Paik (2003), table 18.1: a hundred subjects, three diagnoses, κ = .68."""
    table = [[75, 1, 4], [5, 4, 1], [0, 0, 10]]
    first, second = np.repeat([[one, two] for one in range(3) for two in range(3)], np.ravel(table), axis=0).T
    found = cohen_kappa(first, second, np.arange(100))
    assert found.value == pytest.approx(0.68, abs=0.005)
    assert found.low < 0.68 < found.high


def test_gwets_paradox():
    """Gwet (2008), "Computing inter-rater reliability": 118, 5, 2 and 0 of 125 give κ = −.02 and AC1 = .94."""
    first, second = np.repeat([[0, 0], [0, 1], [1, 0]], [118, 5, 2], axis=0).T
    assert cohen_kappa(first, second, np.arange(125)).value == pytest.approx(-0.0234, abs=5e-5)
    assert gwet_ac(first, second, np.arange(125)).value == pytest.approx(0.9408, abs=5e-5)


@given(rows=verdict_rows)
def test_two_raters_are_many_raters_of_two(rows):
    first, second, clusters = np.array(rows).T
    units = np.tile(np.arange(len(rows)), 2)
    for weights in ("nominal", "linear", "quadratic"):
        two = gwet_ac(first, second, clusters, weights=weights, resampling=QUICK)
        many = gwet_ac_of_many(
            units, np.concatenate([first, second]), np.tile(clusters, 2), weights=weights, resampling=QUICK
        )
        assert two.value == pytest.approx(many.value)


@given(rows=verdict_rows)
def test_figures_drawn_together_are_those_drawn_alone(rows):
    first, second, clusters = np.array(rows).T
    found = compare_verdicts(first, second, clusters, resampling=QUICK)
    assert found["cohen_kappa"] == cohen_kappa(first, second, clusters, resampling=QUICK)
    assert found["gwet_ac1"] == gwet_ac(first, second, clusters, resampling=QUICK)
    alone = raw_agreement(first, second, clusters, resampling=QUICK)
    assert (found["agreement"].value, found["agreement"].n) == (pytest.approx(alone.value), alone.n)


def test_ties_may_be_left_out_or_earn_half():
    first = [FIRST, FIRST, TIE, TIE, SECOND, MISSING]
    second = [FIRST, SECOND, TIE, FIRST, SECOND, FIRST]
    prompts = np.arange(6)
    assert raw_agreement(first, second, prompts).value == pytest.approx(3 / 5)
    without = raw_agreement(first, second, prompts, ties="left out")
    assert (without.value, without.n, without.excluded) == (pytest.approx(2 / 3), 3, 3)
    half = raw_agreement(first, second, prompts, ties="half")
    assert (half.value, half.n, half.excluded) == (pytest.approx(3.5 / 5), 5, 1)
    by_rows = raw_agreement(first, second, [0] * 6, ties="half", clustered=False)
    expected = wilson(3.5, 5)
    assert (by_rows.value, by_rows.low, by_rows.high) == (expected.value, expected.low, expected.high)
    assert by_rows.excluded == 1
    with pytest.raises(ValueError, match="for pairs"):
        raw_agreement([3], [3], [0], ties="half")


def test_duplicated_data_leave_values_and_intervals_as_they_are():
    rng = np.random.default_rng(0)
    first, second = rng.integers(0, 3, (2, 200))
    prompts = np.arange(200)
    for statistic in (raw_agreement, cohen_kappa, gwet_ac, symmetric_kappa):
        once = statistic(first, second, prompts)
        twice = statistic(*(np.tile(part, 2) for part in (first, second, prompts)))
        assert twice.value == pytest.approx(once.value)
        assert twice.n == 2 * once.n
        assert twice.high - twice.low == pytest.approx(once.high - once.low, rel=0.15)


def test_kappas_interval_covers_the_truth_as_often_as_it_says():
    """Two raters of three codes who agree by more than chance in .6 of the rows, so that κ = .6."""
    rng = np.random.default_rng(1)
    covered = 0
    for seed in range(200):
        first = rng.integers(0, 3, 150)
        second = np.where(rng.random(150) < 0.6, first, rng.integers(0, 3, 150))
        found = cohen_kappa(first, second, np.arange(150), resampling=Resampling(300, seed=seed))
        covered += found.low <= 0.6 <= found.high
    assert 180 <= covered <= 199
