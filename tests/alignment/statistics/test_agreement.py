"""Agreement: published worked examples, an independent library, and what must not change the value."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import cohen_kappa_score

from alignment.statistics.aggregation import majority_vote
from alignment.statistics.agreement import cohen_kappa, krippendorff_alpha, raw_agreement, symmetric_kappa
from alignment.statistics.intervals import Resampling
from alignment.statistics.verdicts import FIRST, MISSING, SECOND, TIE

QUICK = Resampling(30)

# Krippendorff (2011), "Computing Krippendorff's Alpha-Reliability", example C: four observers, twelve units.
OBSERVERS = """
1 2 3 3 2 1 4 1 2 . . .
1 2 3 3 2 2 4 1 2 5 . 3
. 3 3 3 2 3 4 2 2 5 1 .
1 2 3 3 2 4 4 1 2 5 1 .
"""

verdict_rows = st.lists(
    st.tuples(
        st.sampled_from([FIRST, SECOND, TIE]), st.sampled_from([FIRST, SECOND, TIE]), st.integers(0, 4)
    ),
    min_size=1,
    max_size=40,
)
ratings = st.lists(st.tuples(st.integers(0, 8), st.integers(-3, 3)), min_size=1, max_size=60)


def ratings_of(text):
    rows = [line.split() for line in text.strip().splitlines()]
    found = [(unit, int(value)) for row in rows for unit, value in enumerate(row) if value != "."]
    return np.array(found).T


@pytest.mark.parametrize(
    ("level", "published"), [("nominal", 0.743), ("ordinal", 0.815), ("interval", 0.849)]
)
def test_alpha_reproduces_krippendorffs_worked_example(level, published):
    units, values = ratings_of(OBSERVERS)
    alpha = krippendorff_alpha(units, values, units, level=level)
    assert round(alpha.value, 3) == published
    assert (alpha.n, alpha.excluded) == (11, 1)
    assert alpha.low < alpha.value < alpha.high


def alpha_by_definition(units, values, level):
    """1 − Do/De from the coincidence matrix, as the paper writes it."""
    levels, code = np.unique(values, return_inverse=True)
    o = np.zeros((len(levels), len(levels)))
    for unit in np.unique(units):
        found = code[units == unit]
        for i in range(len(found)):
            for j in range(len(found)):
                if i != j:
                    o[found[i], found[j]] += 1 / (len(found) - 1)
    n_c = o.sum(axis=1)
    delta = np.zeros_like(o)
    for c in range(len(levels)):
        for k in range(len(levels)):
            lo, hi = min(c, k), max(c, k)
            delta[c, k] = {
                "nominal": float(c != k),
                "interval": (levels[c] - levels[k]) ** 2,
                "ordinal": (n_c[lo : hi + 1].sum() - (n_c[c] + n_c[k]) / 2) ** 2,
            }[level]
    expected = (np.outer(n_c, n_c) * delta).sum() / (n_c.sum() - 1) if n_c.sum() else 0
    return None if expected == 0 else 1 - (o * delta).sum() / expected


@pytest.mark.parametrize("level", ["nominal", "ordinal", "interval"])
@given(rows=ratings)
def test_alpha_is_what_the_definition_says(level, rows):
    units, values = np.array(rows).T
    expected = alpha_by_definition(units, values, level)
    alpha = krippendorff_alpha(units, values, units, level=level, resampling=QUICK)
    if expected is None:
        assert alpha.value is None
        assert alpha.reason in ("no variation", "no unit has two ratings")
    else:
        assert alpha.value == pytest.approx(expected, abs=1e-9)


@given(rows=ratings, shift=st.integers(-1000, 1000), scale=st.integers(1, 50))
def test_alpha_does_not_change_with_the_scale(rows, shift, scale):
    units, values = np.array(rows).T
    for level in ("nominal", "ordinal", "interval"):
        ours = krippendorff_alpha(units, values, units, level=level, resampling=QUICK)
        moved = krippendorff_alpha(units, values * scale + shift, units, level=level, resampling=QUICK)
        assert moved.value == pytest.approx(ours.value, abs=1e-6)


def test_ordinal_alpha_resamples_its_ranks():
    """The interval must match resampling whole units and computing alpha from scratch."""
    rng = np.random.default_rng(0)
    true = rng.integers(0, 4, 40)
    units = np.repeat(np.arange(40), 3)
    values = true[units] + (rng.random(120) < 0.3)
    alpha = krippendorff_alpha(units, values, units, level="ordinal")
    drawn = []
    for _ in range(400):
        picked = rng.integers(0, 40, 40)
        again = np.concatenate([values[units == unit] for unit in picked])
        drawn.append(alpha_by_definition(np.repeat(np.arange(40), 3), again, "ordinal"))
    low, high = np.quantile(drawn, [0.025, 0.975])
    assert (alpha.low, alpha.high) == pytest.approx((low, high), abs=0.03)


def test_alpha_handles_scores_up_to_a_hundred_and_constant_units():
    rng = np.random.default_rng(1)
    units = np.repeat(np.arange(500), 3)
    values = np.clip(rng.normal(50, 20, 500)[units] + rng.normal(0, 5, 1500), 0, 100).round()
    for level in ("nominal", "ordinal", "interval"):
        alpha = krippendorff_alpha(units, values, units, level=level, resampling=QUICK)
        assert alpha.low < alpha.value < alpha.high
    perfect = krippendorff_alpha([0, 0, 1, 1], [5, 5, 7, 7], [0, 0, 1, 1], level="ordinal")
    assert perfect.value == 1


def test_alpha_refuses_what_it_can_not_measure():
    assert krippendorff_alpha([0, 1], [1, 2], [0, 1], level="nominal").as_json() == {
        "value": None,
        "n": 0,
        "reason": "no unit has two ratings",
        "excluded": 2,
    }
    assert krippendorff_alpha([], [], [], level="interval").reason == "no unit has two ratings"
    for level in ("nominal", "ordinal", "interval"):
        assert krippendorff_alpha([0, 0, 1, 1], [0.1] * 4, [0, 0, 1, 1], level=level).reason == "no variation"
    with pytest.raises(ValueError, match="missing rating must be left out"):
        krippendorff_alpha([0, 0], [1, np.nan], [0, 0], level="interval")
    with pytest.raises(ValueError, match="must lie in one cluster"):
        krippendorff_alpha([0, 0], [1, 2], [0, 1], level="interval")


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
