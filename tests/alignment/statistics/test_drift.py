"""Whether a judge has changed, and not only what it judges."""

import numpy as np
import pytest
from scipy import stats

from alignment.statistics.drift import change


def trials(*strata):
    """From (hits before, n before, hits after, n after) of each stratum."""
    rows = [
        (hit, after, stratum)
        for stratum, (hits_before, before, hits_after, later) in enumerate(strata)
        for after, hits, n in ((False, hits_before, before), (True, hits_after, later))
        for hit in [True] * hits + [False] * (n - hits)
    ]
    hits, after, stratum = zip(*rows, strict=True)
    return np.array(hits), np.array(after), np.array(stratum)


@pytest.mark.parametrize("table", [(63, 115, 27, 71), (9, 10, 1, 10), (5, 5, 5, 5), (0, 8, 3, 4)])
def test_in_one_stratum_it_is_fishers_exact_test(table):
    hits_before, before, hits_after, after = table
    expected = stats.fisher_exact(
        [[hits_before, before - hits_before], [hits_after, after - hits_after]]
    ).pvalue
    found = change(*trials(table))
    assert found.p == pytest.approx(expected)
    assert (found.before, found.n_before) == (hits_before / before, before)
    assert (found.after, found.n_after) == (hits_after / after, after)


def test_another_mixture_of_slices_is_no_change():
    """Good at one slice and bad at the other, before and after; only the mixture moves."""
    mixture = (90, 100, 9, 10), (4, 20, 16, 80)
    together = change(*trials(tuple(map(sum, zip(*mixture, strict=True)))))
    assert together.p < 1e-6
    found = change(*trials(*mixture))
    assert found.p > 0.9
    assert found.before == pytest.approx(found.after)


def test_a_change_within_slices_is_found_where_the_mixture_hides_it():
    hidden = (18, 20, 28, 70), (20, 100, 1, 20)
    assert change(*trials(tuple(map(sum, zip(*hidden, strict=True))))).p > 0.9
    found = change(*trials(*hidden))
    assert found.p < 1e-4
    assert found.before > 0.7 > found.after


def test_p_is_the_share_of_permutations_within_strata():
    hits, after, stratum = trials((8, 12, 3, 6), (5, 14, 7, 10))
    rng = np.random.default_rng(0)
    seen, drawn = (hits & after).sum(), []
    for _ in range(20_000):
        order = np.lexsort((rng.random(len(hits)), stratum))
        drawn.append((hits[order] & after[np.argsort(stratum, kind="stable")]).sum())
    values, counts = np.unique(drawn, return_counts=True)
    observed = counts[values == seen][0]
    assert change(hits, after, stratum).p == pytest.approx(
        counts[counts <= observed * 1.02].sum() / 20_000, abs=0.02
    )


def test_a_slice_that_is_on_one_side_only_says_nothing():
    found = change(*trials((90, 100, 0, 0), (10, 20, 10, 20)))
    assert (found.n_before, found.n_after, found.p) == (20, 20, 1.0)
    assert change(*trials((90, 100, 0, 0), (0, 0, 3, 30))) is None
