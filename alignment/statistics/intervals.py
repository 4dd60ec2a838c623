"""Intervals for the agreement stage: exact and score intervals for shares, a cluster bootstrap for the rest.

The bootstrap resamples clusters (prompts), because comparisons of one prompt are not independent. It works
on a table with a row of sums a cluster: equal rows are drawn together, a replicate is a weighted sum of rows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from scipy import sparse, stats

from alignment.statistics.results import Statistic
from alignment.statistics.verdicts import Codes, Floats

Table = sparse.csr_array[np.float64]
Totals = Callable[[Floats], Floats]

_CELLS = 1 << 20  # numbers held at a time while drawing: 8 MB
_NEGLIGIBLE = 1e-12


@dataclass(frozen=True)
class Resampling:
    """How intervals are drawn: how many replicates, the level, and the seed that makes them repeatable."""

    replicates: int = 1000
    level: float = 0.95
    seed: int = 0


DEFAULT = Resampling()


def wilson(successes: int, n: int, level: float = 0.95) -> Statistic:
    """Score interval of a share of ``n`` independent trials (Wilson 1927)."""
    if (refused := _refuse(successes, n)) is not None:
        return refused
    z = float(stats.norm.ppf((1 + level) / 2))
    share = successes / n
    centre = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * float(np.sqrt(share * (1 - share) / n + z * z / (4 * n * n)))
    return Statistic(share, max(0.0, centre - half), min(1.0, centre + half), n)


def clopper_pearson(successes: int, n: int, level: float = 0.95) -> Statistic:
    """Exact interval of a share of ``n`` independent trials (Clopper and Pearson 1934)."""
    if (refused := _refuse(successes, n)) is not None:
        return refused
    tail = (1 - level) / 2
    low = 0.0 if successes == 0 else float(stats.beta.ppf(tail, successes, n - successes + 1))
    high = 1.0 if successes == n else float(stats.beta.ppf(1 - tail, successes + 1, n - successes))
    return Statistic(successes / n, low, high, n)


def _refuse(successes: int, n: int) -> Statistic | None:
    if not 0 <= successes <= n:
        raise ValueError(f"successes must lie between 0 and n, not {successes} of {n}")
    return Statistic.undefined("no data", 0) if n == 0 else None


def one_hot(codes: Codes, width: int) -> Table:
    """Indicator matrix (rows × width) with a single 1 a row, in the column that ``codes`` names."""
    rows = len(codes)
    return sparse.csr_array((np.ones(rows), codes, np.arange(rows + 1)), shape=(rows, width))


def side_by_side(*blocks: Table | Floats) -> Table:
    """The columns of ``blocks``, which have the same rows, in one table."""
    return sparse.csr_array(sparse.hstack([sparse.csr_array(block) for block in blocks], format="csr"))


def cluster_table(clusters: Codes, features: Table | Floats) -> Table:
    """Sums of ``features`` (rows × columns) by cluster: clusters × columns. Codes may be any numbers."""
    names, index = np.unique(clusters, return_inverse=True)
    table: Table = sparse.csr_array(one_hot(index, len(names)).T @ sparse.csr_array(features))
    table.sort_indices()
    return table


def cluster_bootstrap(
    table: Table,
    statistic: Totals,
    *,
    n: int,
    excluded: int = 0,
    resampling: Resampling = DEFAULT,
    share: bool = False,
) -> Statistic:
    """Percentile interval of ``statistic`` over resampled clusters.

    ``table``: clusters × columns, each row the sums of one cluster. ``statistic`` maps totals (replicates ×
    columns) to values (replicates), NaN where undefined. With one cluster, or where resampling changes
    nothing, there is a value without an interval; a ``share`` of 0 or 1 gets the exact one over clusters.
    """
    if n == 0:
        return Statistic.undefined("no data", 0, excluded)
    value = float(statistic(table.sum(axis=0).reshape(1, -1))[0])
    if np.isnan(value):
        return Statistic.undefined("no variation", n, excluded)
    clusters = table.shape[0]
    if clusters < 2:
        return Statistic(value, None, None, n, "one cluster only", excluded)
    if share and value in (0.0, 1.0):
        exact = clopper_pearson(round(value) * clusters, clusters, resampling.level)
        return Statistic(value, exact.low, exact.high, n, None, excluded)
    drawn = np.concatenate([statistic(totals) for totals in _replicates(table, resampling)])
    return _percentile(value, drawn, n, excluded, resampling.level)


def _percentile(value: float, drawn: Floats, n: int, excluded: int, level: float) -> Statistic:
    defined = drawn[~np.isnan(drawn)]
    if len(defined) < 0.9 * len(drawn) or np.ptp(defined) < _NEGLIGIBLE:
        return Statistic(value, None, None, n, "too little variation to resample", excluded)
    low, high = np.quantile(defined, [(1 - level) / 2, (1 + level) / 2])
    return Statistic(value, float(low), float(high), n, None, excluded)


def _replicates(table: Table, resampling: Resampling) -> Iterator[Floats]:
    """Chunks of totals (replicates × columns), the same whatever the order or the names of the clusters."""
    rows, sizes = _equal_rows(table)
    rng = np.random.default_rng(resampling.seed)
    few = 8 * len(sizes) < table.shape[0]  # a multinomial takes 70 ns a group, a plain draw 9 ns a cluster
    chunk = max(1, _CELLS // max(len(sizes) if few else table.shape[0], table.shape[1]))
    columns = rows.T.tocsr()
    for start in range(0, resampling.replicates, chunk):
        size = min(chunk, resampling.replicates - start)
        weights = _multinomial(rng, sizes, size) if few else _draws(rng, sizes, size)
        yield np.asarray(columns @ weights.T).T


def _equal_rows(table: Table) -> tuple[Table, Codes]:
    """The distinct rows of ``table`` in a canonical order, and how many clusters share each.

    Rows are told apart by two random projections: two that differ collide with a probability near 1e-25.
    """
    projection = np.random.default_rng(0).random((table.shape[1], 2))
    keys = np.ascontiguousarray(table @ projection).view(np.complex128).ravel()
    _, first, sizes = np.unique(keys, return_index=True, return_counts=True)
    return table[first], sizes.astype(np.int64)


def _multinomial(rng: np.random.Generator, sizes: Codes, replicates: int) -> Floats:
    total = int(sizes.sum())
    return rng.multinomial(total, sizes / total, size=replicates).astype(np.float64)


def _draws(rng: np.random.Generator, sizes: Codes, replicates: int) -> Floats:
    """The same distribution as ``_multinomial``, faster where nearly every cluster is a group of its own."""
    groups, total = len(sizes), int(sizes.sum())
    group_of = np.repeat(np.arange(groups), sizes)
    picked = group_of[rng.integers(0, total, size=(replicates, total))]
    picked += (np.arange(replicates) * groups)[:, None]
    counts = np.bincount(picked.ravel(), minlength=replicates * groups)
    return counts.reshape(replicates, groups).astype(np.float64)


def cluster_share(
    credits: Floats, clusters: Codes, *, excluded: int = 0, resampling: Resampling = DEFAULT
) -> Statistic:
    """Mean of ``credits`` (0 to 1, one a row) with its cluster bootstrap interval; n counts rows."""
    table = cluster_table(clusters, np.column_stack([credits, np.ones(len(credits))]))
    return cluster_bootstrap(
        table,
        lambda totals: totals[:, 0] / totals[:, 1],
        n=len(credits),
        excluded=excluded,
        resampling=resampling,
        share=True,
    )
