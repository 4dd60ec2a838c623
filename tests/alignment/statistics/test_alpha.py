"""Krippendorff's alpha: his own worked example, the definition, and what must not change the value."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from alignment.statistics.alpha import krippendorff_alpha
from alignment.statistics.intervals import Resampling

LEVELS = ("nominal", "ordinal", "interval", "ratio")
QUICK = Resampling(30)

# Krippendorff (2011), "Computing Krippendorff's Alpha-Reliability", example C: four observers, twelve units.
OBSERVERS = """
1 2 3 3 2 1 4 1 2 . . .
1 2 3 3 2 2 4 1 2 5 . 3
. 3 3 3 2 3 4 2 2 5 1 .
1 2 3 3 2 4 4 1 2 5 1 .
"""

ratings = st.lists(st.tuples(st.integers(0, 8), st.integers(-3, 3)), min_size=1, max_size=60)


def ratings_of(text):
    rows = [line.split() for line in text.strip().splitlines()]
    found = [(unit, int(value)) for row in rows for unit, value in enumerate(row) if value != "."]
    return np.array(found).T


@pytest.mark.parametrize(
    ("level", "published"),
    [("nominal", 0.743), ("ordinal", 0.815), ("interval", 0.849), ("ratio", 0.797)],
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
                "ratio": ((levels[c] - levels[k]) / max(levels[c] + levels[k], 1)) ** 2,
            }[level]
    expected = (np.outer(n_c, n_c) * delta).sum() / (n_c.sum() - 1) if n_c.sum() else 0
    return None if expected == 0 else 1 - (o * delta).sum() / expected


@pytest.mark.parametrize("level", LEVELS)
@given(rows=ratings)
def test_alpha_is_what_the_definition_says(level, rows):
    units, values = np.array(rows).T
    values = abs(values) if level == "ratio" else values
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


@given(rows=ratings, scale=st.integers(1, 50))
def test_ratio_alpha_does_not_change_with_the_unit_of_measurement(rows, scale):
    units, values = abs(np.array(rows)).T
    ours = krippendorff_alpha(units, values, units, level="ratio", resampling=QUICK)
    scaled = krippendorff_alpha(units, values * scale, units, level="ratio", resampling=QUICK)
    assert scaled.value == pytest.approx(ours.value, abs=1e-9)


def test_ratio_alpha_is_the_same_in_blocks_of_values():
    """More distinct values than are held at a time, against the definition."""
    rng = np.random.default_rng(3)
    units = np.repeat(np.arange(400), 2)
    values = rng.integers(1, 40, 400)[units] * 100 + rng.integers(0, 90, 800)
    assert len(np.unique(values)) > 512
    alpha = krippendorff_alpha(units, values, units, level="ratio", resampling=QUICK)
    assert alpha.value == pytest.approx(alpha_by_definition(units, values, "ratio"), abs=1e-9)


@pytest.mark.parametrize("level", ["ordinal", "ratio"])
def test_alpha_resamples_its_margins(level):
    """The interval must match resampling whole units and computing alpha from scratch."""
    rng = np.random.default_rng(0)
    true = rng.integers(0, 4, 40)
    units = np.repeat(np.arange(40), 3)
    values = true[units] + (rng.random(120) < 0.3)
    alpha = krippendorff_alpha(units, values, units, level=level)
    drawn = []
    for _ in range(400):
        picked = rng.integers(0, 40, 40)
        again = np.concatenate([values[units == unit] for unit in picked])
        drawn.append(alpha_by_definition(np.repeat(np.arange(40), 3), again, level))
    low, high = np.quantile(drawn, [0.025, 0.975])
    assert (alpha.low, alpha.high) == pytest.approx((low, high), abs=0.03)


def test_alpha_handles_scores_up_to_a_hundred_and_constant_units():
    rng = np.random.default_rng(1)
    units = np.repeat(np.arange(500), 3)
    values = np.clip(rng.normal(50, 20, 500)[units] + rng.normal(0, 5, 1500), 0, 100).round()
    for level in LEVELS:
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
    for level in LEVELS:
        assert krippendorff_alpha([0, 0, 1, 1], [0.1] * 4, [0, 0, 1, 1], level=level).reason == "no variation"
    with pytest.raises(ValueError, match="missing rating must be left out"):
        krippendorff_alpha([0, 0], [1, np.nan], [0, 0], level="interval")
    with pytest.raises(ValueError, match="values from 0"):
        krippendorff_alpha([0, 0], [1, -1], [0, 0], level="ratio")
    with pytest.raises(ValueError, match="must lie in one cluster"):
        krippendorff_alpha([0, 0], [1, 2], [0, 1], level="interval")
