"""Intervals for the agreement stage: exact and score intervals for shares, a cluster bootstrap for the rest.

The bootstrap resamples clusters (prompts), because comparisons of one prompt are not independent. It works on a
table with a row of sums a cluster, from which each statistic follows: a replicate is a weighted sum of rows. Where
clusters have few distinct rows, one multinomial draws them all. Ten thousand clusters or more, hardly two alike, are
put at random into five hundred groups which are drawn as clusters are: the interval's width is then right to 3 %.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import sparse, special

from alignment.statistics.results import Statistic
from alignment.statistics.verdicts import Codes, Floats

Table = sparse.csr_array[np.float64]
Totals = Callable[[Floats], Floats]

_CELLS = 1 << 20  # numbers held at a time while drawing: 8 MB
_NEGLIGIBLE = 1e-12
_FEW_ROWS = 600  # distinct rows up to which drawing them, 70 ns each, is quick enough whatever the clusters
_MANY_CLUSTERS = 10_000  # from which they are put into groups
_GROUPS = 500  # whose sums' spread then has an error of 1 / √(2 · 500)
_DENSE = 1 << 22  # cells up to which a table of clusters is an array


@dataclass(frozen=True)
class Resampling:
    """How intervals are drawn: how many replicates, the level, and the seed that makes them repeatable."""

    replicates: int = 1000
    level: float = 0.95
    seed: int = 0


DEFAULT = Resampling()


@dataclass(frozen=True)
class Sample:
    """``clusters`` as what is drawn: ``sizes`` says how many of them have each of the sums in ``rows``."""

    rows: Table | Floats
    sizes: Codes
    clusters: int

    @property
    def totals(self) -> Floats:
        """The sums over every cluster (1 × columns)."""
        return np.asarray(self.sizes.astype(np.float64) @ self.rows).reshape(1, -1)


def wilson(successes: float, n: int, level: float = 0.95) -> Statistic:
    """Score interval of a share of ``n`` independent trials (Wilson 1927); half a success is half credit."""
    if (refused := _refuse(successes, n)) is not None:
        return refused
    z = float(special.ndtri((1 + level) / 2))
    share = successes / n
    centre = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * float(np.sqrt(share * (1 - share) / n + z * z / (4 * n * n)))
    return Statistic(share, max(0.0, centre - half), min(1.0, centre + half), n)


def clopper_pearson(successes: int, n: int, level: float = 0.95) -> Statistic:
    """Exact interval of a share of ``n`` independent trials (Clopper and Pearson 1934)."""
    if (refused := _refuse(successes, n)) is not None:
        return refused
    tail = (1 - level) / 2
    low = 0.0 if successes == 0 else float(special.betaincinv(successes, n - successes + 1, tail))
    high = 1.0 if successes == n else float(special.betaincinv(successes + 1, n - successes, 1 - tail))
    return Statistic(successes / n, low, high, n)


def _refuse(successes: float, n: int) -> Statistic | None:
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


def numbered(codes: Codes) -> tuple[Codes, int]:
    """Codes from 0, and how many there are at most: ``codes`` themselves where they are dense, else renumbered."""
    if not len(codes):
        return codes, 0
    if codes.min() >= 0 and codes.max() < 4 * len(codes) + 1024:
        return codes, int(codes.max()) + 1
    names, index = np.unique(codes, return_inverse=True)
    return index, len(names)


def all_different(codes: Codes) -> bool:
    """Whether every row is a cluster of its own."""
    dense, _ = numbered(codes)
    return bool(np.bincount(dense).max(initial=0) <= 1)


def cluster_table(clusters: Codes, features: Table | Floats) -> Table | Floats:
    """Sums of ``features`` (rows × columns) by cluster: clusters × columns. Codes may be any numbers."""
    index, width = numbered(clusters)
    counts = np.bincount(index, minlength=width)
    if counts.max(initial=0) <= 1:
        return features
    sums = _sums(index, width, features)
    return sums if counts.all() else sums[counts > 0]


def _sums(index: Codes, width: int, features: Table | Floats) -> Table | Floats:
    if isinstance(features, np.ndarray):
        return np.column_stack([np.bincount(index, column, minlength=width) for column in features.T])
    table: Table = sparse.csr_array(one_hot(index, width).T @ features)
    table.sort_indices()
    return table


def cell_sample(clusters: Codes, cells: Codes, width: int) -> Sample:
    """A sample whose columns count the rows in each of ``width`` cells; ``cells`` (rows) names the cell of each."""
    index, count = numbered(clusters)
    rows = np.bincount(index, minlength=count)
    found = int(np.count_nonzero(rows))
    if rows.max(initial=0) <= 1:
        each = np.eye(width) if width <= _FEW_ROWS else sparse.csr_array(sparse.eye_array(width))
        return Sample(each, np.bincount(cells, minlength=width), found)
    if found >= _MANY_CLUSTERS:
        index, count = _group_of(count)[index], _GROUPS
    if count * width <= _DENSE:
        counts = np.bincount(index * width + cells, minlength=count * width).reshape(count, width)
        table: Table | Floats = counts.astype(np.float64)
    else:
        table = _sums(index, count, one_hot(cells, width))
    if found >= _MANY_CLUSTERS:
        return Sample(table, _ones(count), found)
    return sample_of(table if found == count else table[rows > 0])


def _group_of(clusters: int) -> Codes:
    """A group for each cluster, at random but always the same one for the same number."""
    return np.random.default_rng(0).permutation(clusters) % _GROUPS


def sample_of(table: Table | Floats) -> Sample:
    """The clusters of ``table`` (rows) as what is drawn, whatever their order."""
    return in_groups(distinct_rows(table))


def distinct_rows(table: Table | Floats) -> Sample:
    """The distinct rows of ``table`` in a canonical order, so that the clusters' own order does not matter.

    Rows are told apart by a random projection: two that differ collide with a probability near 1e-15.
    """
    keys = _keys(table)
    distinct, sizes = np.unique(keys, return_counts=True)
    first = np.empty(len(distinct), dtype=np.int64)
    first[np.searchsorted(distinct, keys)] = np.arange(len(keys))
    return Sample(table[first], sizes.astype(np.int64), len(keys))


def in_groups(sample: Sample) -> Sample:
    """Very many clusters of many kinds as groups; others as they are."""
    kinds = len(sample.sizes)
    if sample.clusters < _MANY_CLUSTERS or kinds <= _FEW_ROWS:
        return sample
    members = one_hot(np.repeat(np.arange(kinds), sample.sizes), kinds)
    return Sample(
        _sums(_group_of(sample.clusters), _GROUPS, _product(members, sample.rows)),
        _ones(_GROUPS),
        sample.clusters,
    )


def _product(one: Table, two: Table | Floats) -> Table | Floats:
    product: Any = one @ two
    return product if isinstance(two, np.ndarray) else sparse.csr_array(product)


def _ones(count: int) -> Codes:
    return np.ones(count, dtype=np.int64)


def _keys(table: Table | Floats) -> Floats:
    weights: list[float] = np.random.default_rng(0).random(size=(table.shape[1],)).tolist()
    if not isinstance(table, np.ndarray):
        return np.asarray(table @ np.array(weights))
    keys = np.zeros(len(table))
    for column, weight in zip(table.T, weights, strict=True):  # no product: its rounding depends on the row
        keys += weight * column
    return keys


def cluster_bootstrap(
    table: Table | Floats | Sample,
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
    shares = ("",) if share else ()
    return bootstrap_all(
        table, {"": statistic}, n=n, excluded=excluded, resampling=resampling, shares=shares
    )[""]


def bootstrap_all(
    table: Table | Floats | Sample,
    statistics: Mapping[str, Totals],
    *,
    n: int,
    excluded: int = 0,
    resampling: Resampling = DEFAULT,
    shares: tuple[str, ...] = (),
) -> dict[str, Statistic]:
    """Several statistics of the same totals, each on the same replicates; what is said of one holds for each."""
    if n == 0:
        return {name: Statistic.undefined("no data", 0, excluded) for name in statistics}
    sample = table if isinstance(table, Sample) else sample_of(table)
    values = {name: float(statistic(sample.totals)[0]) for name, statistic in statistics.items()}
    settled = {
        name: _without_drawing(value, sample.clusters, n, excluded, name in shares, resampling.level)
        for name, value in values.items()
    }
    waiting = {name: statistics[name] for name, known in settled.items() if known is None}
    drawn: dict[str, list[Floats]] = {name: [] for name in waiting}
    for totals in _replicates(sample, resampling) if waiting else ():
        for name, statistic in waiting.items():
            drawn[name].append(statistic(totals))
    return {
        name: known or _percentile(values[name], np.concatenate(drawn[name]), n, excluded, resampling.level)
        for name, known in settled.items()
    }


def _without_drawing(
    value: float, clusters: int, n: int, excluded: int, share: bool, level: float
) -> Statistic | None:
    if np.isnan(value):
        return Statistic.undefined("no variation", n, excluded)
    if clusters < 2:
        return Statistic(value, None, None, n, "one cluster only", excluded)
    if share and value in (0.0, 1.0):
        exact = clopper_pearson(round(value) * clusters, clusters, level)
        return Statistic(value, exact.low, exact.high, n, None, excluded)
    return None


def _percentile(value: float, drawn: Floats, n: int, excluded: int, level: float) -> Statistic:
    defined = drawn[~np.isnan(drawn)]
    if len(defined) < 0.9 * len(drawn) or np.ptp(defined) < _NEGLIGIBLE:
        return Statistic(value, None, None, n, "too little variation to resample", excluded)
    low, high = np.quantile(defined, [(1 - level) / 2, (1 + level) / 2])
    return Statistic(value, float(low), float(high), n, None, excluded)


def _replicates(sample: Sample, resampling: Resampling) -> Iterator[Floats]:
    """Chunks of totals (replicates × columns)."""
    groups, columns = sample.rows.shape
    drawn = int(sample.sizes.sum())
    rng = np.random.default_rng(resampling.seed)
    few = 8 * groups < drawn  # a multinomial takes 70 ns a group, a plain draw 9 ns a cluster
    chunk = max(1, _CELLS // max(columns, groups if few else drawn))
    for start in range(0, resampling.replicates, chunk):
        size = min(chunk, resampling.replicates - start)
        weights = _multinomial(rng, sample.sizes, size) if few else _draws(rng, sample.sizes, size)
        yield np.asarray(weights @ sample.rows)


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
    return cluster_mean(credits, clusters, excluded=excluded, resampling=resampling, share=True)


def cluster_mean(
    values: Floats,
    clusters: Codes,
    *,
    excluded: int = 0,
    resampling: Resampling = DEFAULT,
    share: bool = False,
) -> Statistic:
    """Mean of ``values`` (one a row) with its cluster bootstrap interval; n counts rows."""
    table = cluster_table(clusters, np.column_stack([values, np.ones(len(values))]))
    return cluster_bootstrap(
        table,
        lambda totals: totals[:, 0] / totals[:, 1],
        n=len(values),
        excluded=excluded,
        resampling=resampling,
        share=share,
    )
