"""Intervals: known values, coverage, and that they depend on the clusters alone."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import sparse, stats

from alignment.statistics import intervals
from alignment.statistics.intervals import (
    Resampling,
    cell_sample,
    clopper_pearson,
    cluster_bootstrap,
    cluster_share,
    cluster_table,
    wilson,
)


@pytest.mark.parametrize(("interval", "method"), [(wilson, "wilson"), (clopper_pearson, "exact")])
@given(data=st.data(), level=st.sampled_from([0.8, 0.95, 0.99]))
def test_shares_agree_with_scipy(interval, method, data, level):
    n = data.draw(st.integers(1, 500))
    successes = data.draw(st.integers(0, n))
    expected = stats.binomtest(successes, n).proportion_ci(level, method)
    ours = interval(successes, n, level)
    assert (ours.value, ours.n) == (successes / n, n)
    assert (ours.low, ours.high) == pytest.approx((expected.low, expected.high), abs=1e-9)


@pytest.mark.parametrize("interval", [wilson, clopper_pearson])
def test_a_share_of_nothing_is_undefined_and_an_impossible_one_refused(interval):
    assert interval(0, 0).as_json() == {"value": None, "n": 0, "reason": "no data"}
    with pytest.raises(ValueError, match="between 0 and n"):
        interval(3, 2)


def test_table_sums_rows_by_cluster():
    table = cluster_table(np.array([7, 3, 7]), np.array([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]))
    assert table.tolist() == [[3, 4], [6, 8]]


@pytest.mark.parametrize("values", ["credits that repeat", "credits all different"])
def test_interval_has_the_width_that_theory_gives(values):
    """Both ways of drawing: few distinct clusters (multinomial), and nearly all distinct (plain draws)."""
    rng = np.random.default_rng(0)
    credits = (rng.random(2000) < 0.3).astype(float) if "repeat" in values else rng.random(2000)
    share = cluster_share(credits, np.arange(2000))
    half = 1.96 * credits.std() / np.sqrt(2000)
    assert share.value == pytest.approx(credits.mean())
    assert (share.low, share.high) == pytest.approx((share.value - half, share.value + half), abs=0.15 * half)


def test_rows_of_one_cluster_add_no_certainty():
    rng = np.random.default_rng(1)
    credits = (rng.random(300) < 0.5).astype(float)
    alone = cluster_share(credits, np.arange(300))
    tripled = cluster_share(np.tile(credits, 3), np.tile(np.arange(300), 3))
    assert tripled.n == 900
    assert (tripled.low, tripled.high) == pytest.approx((alone.low, alone.high), abs=1e-12)


def test_interval_covers_the_truth_as_often_as_it_says():
    rng = np.random.default_rng(2)
    covered = 0
    for seed in range(200):
        level = rng.beta(4, 4, size=60)  # each prompt has its own difficulty
        credits = (rng.random((60, 4)) < level[:, None]).astype(float).ravel()
        share = cluster_share(credits, np.repeat(np.arange(60), 4), resampling=Resampling(300, seed=seed))
        covered += share.low <= 0.5 <= share.high
    assert 180 <= covered <= 199


@given(st.lists(st.tuples(st.integers(0, 5), st.booleans()), min_size=2, max_size=40), st.randoms())
def test_order_and_names_of_clusters_do_not_matter(rows, random):
    names = random.sample(range(1000), 6)
    shuffled = random.sample(rows, len(rows))
    resampling = Resampling(50)
    ours, same = (
        cluster_share(np.array([float(hit) for _, hit in given]), np.array(clusters), resampling=resampling)
        for given, clusters in ((rows, [c for c, _ in rows]), (shuffled, [names[c] for c, _ in shuffled]))
    )
    assert ours == same


@given(st.lists(st.tuples(st.integers(0, 5), st.floats(0, 1)), min_size=1, max_size=40))
def test_bounds_hold_the_value_of_a_share(rows):
    clusters, credits = zip(*rows, strict=True)
    share = cluster_share(np.array(credits), np.array(clusters), resampling=Resampling(50))
    assert 0 <= share.value <= 1 + 1e-12
    if share.low is None:
        assert share.reason
    else:
        assert 0 <= share.low <= share.high <= 1 + 1e-12


def test_chunks_do_not_change_the_result(monkeypatch):
    rng = np.random.default_rng(3)
    for credits in (rng.random(50), (rng.random(50) < 0.5).astype(float)):
        whole = cluster_share(credits, np.arange(50))
        with monkeypatch.context() as patched:
            patched.setattr(intervals, "_CELLS", 170)
            parts = cluster_share(credits, np.arange(50))
        assert (parts.low, parts.high) == pytest.approx((whole.low, whole.high), abs=1e-12)


def test_the_seed_repeats_and_changes_the_interval():
    credits = np.random.default_rng(4).random(40)
    seeds = [cluster_share(credits, np.arange(40), resampling=Resampling(seed=seed)) for seed in (1, 1, 2)]
    assert seeds[0] == seeds[1] != seeds[2]


def test_one_cluster_has_a_value_without_an_interval():
    share = cluster_share(np.array([1.0, 0.0]), np.array([5, 5]))
    assert (share.value, share.low, share.high, share.reason) == (0.5, None, None, "one cluster only")


def test_no_rows_is_undefined():
    assert cluster_share(np.zeros(0), np.zeros(0, dtype=int), excluded=2).as_json() == {
        "value": None,
        "n": 0,
        "reason": "no data",
        "excluded": 2,
    }


@pytest.mark.parametrize("credit", [0.0, 1.0])
def test_a_share_at_the_boundary_has_the_exact_interval_over_clusters(credit):
    share = cluster_share(np.full(20, credit), np.repeat(np.arange(10), 2))
    exact = clopper_pearson(int(10 * credit), 10)
    assert (share.value, share.low, share.high, share.n) == (credit, exact.low, exact.high, 20)


def test_no_variation_between_clusters_has_no_interval():
    share = cluster_share(np.full(8, 0.5), np.arange(8))
    assert (share.value, share.low, share.reason) == (0.5, None, "too little variation to resample")


def test_a_statistic_that_most_replicates_leave_undefined_has_no_interval():
    features = np.zeros((30, 2))
    features[0] = (1, 1)
    features[1:, 0] = 1
    table = cluster_table(np.arange(30), features)

    def statistic(totals):
        return np.where(totals[:, 1] > 0, totals[:, 1] / totals[:, 0], np.nan)

    result = cluster_bootstrap(table, statistic, n=30)
    assert (result.low, result.reason) == (None, "too little variation to resample")
    undefined = cluster_bootstrap(table, lambda totals: np.full(len(totals), np.nan), n=30)
    assert (undefined.value, undefined.reason) == (None, "no variation")


@pytest.mark.parametrize("columns", [3, 400])
def test_very_many_clusters_are_drawn_in_groups(columns, monkeypatch):
    """Few or many columns, as arrays or sparsely: the width is what theory gives."""
    rng = np.random.default_rng(5)
    clusters = np.repeat(np.arange(12_000), 2)
    cells = rng.integers(0, columns, 24_000)
    hits = cells < columns / 3
    together = np.repeat(rng.random(12_000) < 0.3, 2)
    cells = np.where(together, 0, cells)

    def share(totals):
        return totals[:, : int(np.ceil(columns / 3))].sum(axis=1) / totals.sum(axis=1)

    found = cluster_bootstrap(cell_sample(clusters, cells, columns), share, n=24_000)
    pairs = (hits | together).reshape(-1, 2).mean(axis=1)
    half = 1.96 * pairs.std() / np.sqrt(12_000)
    assert found.value == pytest.approx(pairs.mean())
    assert (found.high - found.low) / 2 == pytest.approx(half, rel=0.2)
    monkeypatch.setattr(intervals, "_DENSE", 0)
    held = cluster_bootstrap(cell_sample(clusters, cells, columns), share, n=24_000)
    assert (held.low, held.high) == pytest.approx((found.low, found.high))


@pytest.mark.parametrize("sparsely", [False, True])
def test_very_many_rows_of_sums_are_drawn_in_groups(sparsely):
    values = np.random.default_rng(6).random((15_000, 1))
    table = np.column_stack([values, np.ones(15_000)])
    given_table = sparse.csr_array(table) if sparsely else table
    found = cluster_bootstrap(given_table, lambda totals: totals[:, 0] / totals[:, 1], n=15_000)
    half = 1.96 * values.std() / np.sqrt(15_000)
    assert found.value == pytest.approx(values.mean())
    assert (found.high - found.low) / 2 == pytest.approx(half, rel=0.2)


def test_cells_are_counted_by_cluster_whatever_its_number():
    far = cell_sample(np.array([10**9, 5, 10**9]), np.array([0, 1, 1]), 2)
    assert (far.clusters, far.totals.tolist()) == (2, [[1, 2]])
    gap = cell_sample(np.array([0, 7, 7]), np.array([0, 1, 1]), 2)
    assert (gap.clusters, gap.totals.tolist()) == (2, [[1, 2]])
    wide = cell_sample(np.arange(3), np.array([0, 700, 700]), 701)
    assert wide.totals[0, [0, 700]].tolist() == [1, 2]
