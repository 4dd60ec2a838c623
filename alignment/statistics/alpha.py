"""Krippendorff's alpha: agreement between any number of raters, whoever answered what.

α = 1 − (n − 1) · Σ_units [Σ_pairs δ² / (m − 1)] / Σ_all pairs δ², with δ² what two ratings' difference costs, m the
ratings of a unit and n of all units with two or more. Both sums follow, in O(n), from how often each unit got each
value, for the whole and for each replicate of the cluster bootstrap alike. Krippendorff (2011), "Computing
Krippendorff's Alpha-Reliability".
"""

from __future__ import annotations

from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy import sparse

from alignment.statistics.intervals import (
    DEFAULT,
    Resampling,
    Sample,
    Table,
    Totals,
    all_different,
    cluster_bootstrap,
    cluster_table,
    distinct_rows,
    in_groups,
    numbered,
    one_hot,
    sample_of,
    side_by_side,
)
from alignment.statistics.joint import Joint, chance_corrected, mid_ranks
from alignment.statistics.results import Statistic
from alignment.statistics.verdicts import Codes, Floats, as_codes, coded, same_length

Level = Literal["nominal", "ordinal", "interval", "ratio"]
LEVELS: tuple[Level, ...] = ("nominal", "ordinal", "interval", "ratio")
_BLOCK = 512  # values of ratio alpha's cost that are held at a time
_DENSE = 8  # cells of units × values a rating, up to which they are counted in one array
_ROUNDING = 1e-12


class _Units(NamedTuple):
    """Ratings by unit, for units with two or more; ``cluster`` (units)."""

    unit: Codes
    value: Floats
    cluster: Codes
    excluded: int


def krippendorff_alpha(
    units: ArrayLike,
    values: ArrayLike,
    clusters: ArrayLike,
    *,
    level: Level,
    resampling: Resampling = DEFAULT,
) -> Statistic:
    """Krippendorff's alpha (2011) for any number of raters and missing values.

    One row a rating: the unit it is about, its value (a number; any code where nominal), its unit's cluster.
    n counts units with two ratings or more, ``excluded`` units with one, which say nothing of agreement.
    """
    rated = _pairable(units, values, clusters)
    n = len(rated.cluster)
    if not n:
        return Statistic.undefined("no unit has two ratings", 0, rated.excluded)
    if level == "ratio" and rated.value.min() < 0:
        raise ValueError("ratio alpha is for values from 0")
    levels, code = coded(rated.value)
    if level == "interval" and len(levels) > _DENSE * len(code) / n:
        sample, alpha = _interval_sums(rated)
    else:
        sample, alpha = _counted(rated, levels, code, level)
    return cluster_bootstrap(sample, alpha, n=n, excluded=rated.excluded, resampling=resampling)


def _pairable(units: ArrayLike, values: ArrayLike, clusters: ArrayLike) -> _Units:
    unit, width = numbered(as_codes(units, "units"))
    group, value = as_codes(clusters, "clusters"), np.asarray(values, dtype=np.float64)
    same_length(units=unit, values=value, clusters=group)
    if not np.isfinite(value).all():
        raise ValueError("values must be finite numbers: a missing rating must be left out")
    cluster = np.zeros(width, dtype=np.int64)
    cluster[unit] = group
    if (cluster[unit] != group).any():
        raise ValueError("a unit must lie in one cluster")
    sizes = np.bincount(unit, minlength=width)
    enough = sizes > 1
    if enough.all():
        return _Units(unit, value, cluster, 0)
    kept = enough[unit]
    renumbered = np.cumsum(enough) - 1
    return _Units(renumbered[unit[kept]], value[kept], cluster[enough], int((sizes == 1).sum()))


def _counted(rated: _Units, levels: Floats, code: Codes, level: Level) -> tuple[Sample, Totals]:
    """From how often each unit got each value; units that are clusters of their own, once for equal counts."""
    counts = _counts(rated.unit, code, len(rated.cluster), len(levels))
    if all_different(rated.cluster):
        alike = distinct_rows(counts)
        met, alpha = _met(sparse.csr_array(alike.rows), levels, level)
        return in_groups(Sample(met, alike.sizes, alike.clusters)), alpha
    met, alpha = _met(sparse.csr_array(counts), levels, level)
    return sample_of(cluster_table(rated.cluster, met)), alpha


def _counts(unit: Codes, code: Codes, units: int, width: int) -> Table | Floats:
    """How often each unit (rows) got each distinct value (columns, ascending)."""
    if units * width <= _DENSE * len(unit):
        counts = np.bincount(unit * width + code, minlength=units * width)
        return counts.reshape(units, width).astype(np.float64)
    table: Table = sparse.csr_array(one_hot(unit, units).T @ one_hot(code, width))
    table.sort_indices()
    return table


def _interval_sums(rated: _Units) -> tuple[Sample, Totals]:
    """Within a unit Σ δ² = mQ − S², S = Σx, Q = Σx²: no value needs a count of its own."""
    centred = rated.value - np.median(rated.value)
    unit = rated.unit
    m, s, q = (np.bincount(unit, weights) for weights in (np.ones(len(unit)), centred, centred**2))
    features = np.column_stack([(m * q - s * s) / (m - 1), m, s, q])

    def alpha(totals: Floats) -> Floats:
        spread, n, s, q = totals.T
        return chance_corrected(spread * (n - 1), _without_rounding(n * q - s * s, n * q))

    return sample_of(cluster_table(rated.cluster, features)), alpha


def _met(counts: Table, levels: Floats, level: Level) -> tuple[Table, Totals]:
    """The counts, and beside them what was met within units: Σ δ² / (m − 1), but for the ordinal level, whose
    δ a replicate's own margins decide, Σ n_c n_k / (m − 1) of each two values c < k that met."""
    width = len(levels)
    owner, low, high, mass = _coincidences(counts)
    if level == "ordinal":
        pairs, column = np.unique(low * width + high, return_inverse=True)
        low, high = pairs // width, pairs % width
        met = sparse.csr_array((mass, (owner, column)), shape=(counts.shape[0], len(pairs)))
    else:
        paid = mass * cost(levels[low], levels[high], level)
        met = sparse.csr_array(np.bincount(owner, paid, minlength=counts.shape[0])[:, None])

    def alpha(totals: Floats) -> Floats:
        margins, met = totals[:, :width], totals[:, width:]
        n = margins.sum(axis=1)
        if level == "ordinal":
            ranks = mid_ranks(margins)
            spread = (met * (ranks[:, high] - ranks[:, low]) ** 2).sum(axis=1)
        else:
            spread = met[:, 0]
        return chance_corrected(spread * (n - 1), expected(levels, margins, level))

    return side_by_side(counts, met), alpha


def _coincidences(counts: Table) -> tuple[Codes, Codes, Codes, Floats]:
    """For every two values met in a unit: unit, lower value's code, higher value's, n_c n_k / (m − 1)."""
    owner = np.repeat(np.arange(counts.shape[0]), np.diff(counts.indptr))
    code, count = counts.indices.astype(np.int64), counts.data
    met = []
    for lag in range(1, int(np.diff(counts.indptr).max())):
        left = np.flatnonzero(owner[:-lag] == owner[lag:])
        met.append(np.column_stack([left, left + lag]))
    left, right = np.concatenate([np.zeros((0, 2), np.int64), *met]).T
    others = np.asarray(counts.sum(axis=1))[owner[left]] - 1
    return owner[left], code[left], code[right], count[left] * count[right] / others


def cost(one: Floats, two: Floats, level: Level) -> Floats:
    """δ² of values: 1 where nominal, (x − y)² where interval (and of ranks), ((x − y)/(x + y))² where ratio."""
    if level == "nominal":
        return np.asarray(one != two, dtype=np.float64)
    if level != "ratio":
        return np.square(one - two)
    whole = one + two  # two zeros agree
    return np.square((one - two) / np.where(whole == 0, 1.0, whole))


def expected(levels: Floats, margins: Floats, level: Level) -> Floats:
    """Σ δ² over every two ratings of all (replicates), from how often each value was given (replicates × values)."""
    n = margins.sum(axis=1)
    if level == "nominal":
        return np.asarray(n * n - (margins**2).sum(axis=1)) / 2
    if level == "ratio":
        return _expected_ratio(levels, margins)
    ranks = (
        mid_ranks(margins) if level == "ordinal" else np.broadcast_to(levels - levels.mean(), margins.shape)
    )
    s, q = (margins * ranks).sum(axis=1), (margins * ranks**2).sum(axis=1)
    return _without_rounding(n * q - s * s, n * q)


def _without_rounding(found: Floats, scale: Floats) -> Floats:
    return np.where(found > _ROUNDING * scale, found, 0.0)


def _expected_ratio(levels: Floats, margins: Floats) -> Floats:
    """Not a sum of squares, so over every two distinct values: V² for V of them, where the others take V."""
    found = np.zeros(len(margins))
    for start in range(0, len(levels), _BLOCK):
        part = slice(start, start + _BLOCK)
        found += ((margins @ cost(levels[:, None], levels[None, part], "ratio")) * margins[:, part]).sum(
            axis=1
        )
    return found / 2


def alpha_of_two(table: Joint, counts: Floats, level: Level) -> Floats:
    """Alpha of two raters who both rated every unit, from their joint table (a functional of it)."""
    one, two = table.margins(counts)
    margins = one + two
    if level == "ordinal":
        ranks = mid_ranks(margins)
        spread = (counts * (ranks[:, table.first] - ranks[:, table.second]) ** 2).sum(axis=1)
    else:
        spread = counts @ cost(table.levels[table.first], table.levels[table.second], level)
    return chance_corrected(spread * (margins.sum(axis=1) - 1), expected(table.levels, margins, level))
