"""Fleiss and Gwet: published data, statsmodels, and the definition written out."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from statsmodels.stats.inter_rater import aggregate_raters
from statsmodels.stats.inter_rater import fleiss_kappa as theirs

from alignment.statistics.alpha import krippendorff_alpha
from alignment.statistics.intervals import Resampling
from alignment.statistics.many_raters import fleiss_kappa, gwet_ac_of_many

QUICK = Resampling(30)
# Fleiss (1971), table 1: 30 patients, six psychiatrists each, five diagnoses.
DIAGNOSES = """444444 222555 233335 555555 222444 113333 333355 113334 114444 555555 144444 124444 222333 144444 224445
333335 111455 111112 224444 133555 555555 244444 222455 114444 144445 222224 111155 224444 133333 555555""".split()  # noqa: SIM905
# Krippendorff (2011) and, as "raw4raters", Gwet (2014): 12 units, four raters, 0 where one did not rate.
FOUR = ["1101", "2232", "3333", "3333", "2222", "1234", "4444", "1121", "2222", "0555", "0011", "0030"]


def rows(table):
    cells = [(unit, int(digit)) for unit, row in enumerate(table) for digit in row if digit != "0"]
    units, values = np.array(cells).T
    return units, values, units


def test_fleiss_diagnoses():
    kappa = fleiss_kappa(*rows(DIAGNOSES))
    assert kappa.value == pytest.approx(0.43, abs=0.005)  # Fleiss (1971)
    assert kappa.low < 0.43 < kappa.high
    assert kappa.n == 30


def test_gwets_four_raters():
    """The values that Gwet's own package prints for these data."""
    units = rows(FOUR)
    assert fleiss_kappa(*units).value == pytest.approx(0.76117, abs=5e-6)
    ac1 = gwet_ac_of_many(*units)
    assert ac1.value == pytest.approx(0.77544, abs=5e-6)
    assert (ac1.n, ac1.excluded) == (11, 1)
    assert krippendorff_alpha(*units, level="nominal").value == pytest.approx(0.74342, abs=5e-6)


@given(st.lists(st.lists(st.integers(0, 3), min_size=4, max_size=4), min_size=1, max_size=20))
def test_fleiss_agrees_with_statsmodels(table):
    values = np.array(table)
    units = np.repeat(np.arange(len(table)), 4)
    ours = fleiss_kappa(units, values.ravel(), units, resampling=QUICK)
    if len(np.unique(values)) == 1:
        assert ours.reason == "no variation"
    else:
        assert ours.value == pytest.approx(theirs(aggregate_raters(values)[0]), abs=1e-9)


@pytest.mark.parametrize("weights", ["nominal", "linear", "quadratic"])
@given(
    ratings=st.lists(st.tuples(st.integers(0, 5), st.sampled_from([1, 2, 4])), min_size=1, max_size=30),
    random=st.randoms(),
)
def test_gwet_is_what_the_definition_says(weights, ratings, random):
    units, values = np.array(ratings).T
    levels = np.unique(values)
    span = max(np.ptp(levels), 1)
    gap = np.abs(levels[:, None] - levels) / span
    w = {"nominal": np.eye(len(levels)), "linear": 1 - gap, "quadratic": 1 - gap**2}[weights]
    counts = np.array(
        [[np.sum(values[units == unit] == level) for level in levels] for unit in np.unique(units)]
    )
    m = counts.sum(1)
    ours = gwet_ac_of_many(units, values, units // 2, weights=weights, resampling=QUICK)
    if len(levels) < 2 or m.max() < 2:
        assert ours.value is None
        return
    pairs = [(row * (w @ row - 1)).sum() / (n * (n - 1)) for row, n in zip(counts, m, strict=True) if n > 1]
    share = (counts / m[:, None]).mean(0)
    expected = w.sum() / (len(levels) * (len(levels) - 1)) * (share * (1 - share)).sum()
    assert ours.value == pytest.approx((np.mean(pairs) - expected) / (1 - expected), abs=1e-9)
    order = random.sample(range(len(units)), len(units))
    again = gwet_ac_of_many(units[order], values[order], units[order] // 2, weights=weights, resampling=QUICK)
    assert again.value == pytest.approx(ours.value)


def test_what_can_not_be_measured_says_why():
    assert fleiss_kappa([], [], []).reason == "no data"
    assert fleiss_kappa([0, 1], [1, 2], [0, 1]).reason == "no unit has two ratings"
    assert gwet_ac_of_many([0, 0], [1, 1], [0, 0]).reason == "no variation"
    with pytest.raises(ValueError, match="categories"):
        fleiss_kappa(np.zeros(300, int), np.arange(300), np.zeros(300, int))
