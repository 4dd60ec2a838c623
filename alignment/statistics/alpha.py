"""Krippendorff's alpha: agreement between any number of raters, whoever answered what.

In O(n): each level of measurement has sums a unit from which alpha follows, for the whole and for each
replicate of the cluster bootstrap alike. Krippendorff (2011), "Computing Krippendorff's Alpha-Reliability".
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import ArrayLike
from scipy import sparse

from alignment.statistics.agreement import chance_corrected
from alignment.statistics.intervals import (
    DEFAULT,
    Resampling,
    Table,
    Totals,
    cluster_bootstrap,
    cluster_table,
    one_hot,
    side_by_side,
)
from alignment.statistics.results import Statistic
from alignment.statistics.verdicts import Codes, Floats, as_codes, same_length

Level = Literal["nominal", "ordinal", "interval", "ratio"]
_BLOCK = 512  # values of ratio alpha's cost that are held at a time


def krippendorff_alpha(
    units: ArrayLike,
    values: ArrayLike,
    clusters: ArrayLike,
    *,
    level: Level,
    resampling: Resampling = DEFAULT,
) -> Statistic:
    """Krippendorff's alpha (2011) for any number of raters and missing values: 1 − Do / De.

    One row a rating: the unit it is about, its value (a number; any code where nominal), its unit's cluster.
    n counts units with two ratings or more, ``excluded`` units with one, which say nothing of agreement.
    """
    unit, group = as_codes(units, "units"), as_codes(clusters, "clusters")
    value = np.asarray(values, dtype=np.float64)
    same_length(units=unit, values=value, clusters=group)
    if not np.isfinite(value).all():
        raise ValueError("values must be finite numbers: a missing rating must be left out")
    _, first, index, sizes = np.unique(unit, return_index=True, return_inverse=True, return_counts=True)
    if (group != group[first][index]).any():
        raise ValueError("a unit must lie in one cluster")
    pairable = sizes > 1
    excluded = int((~pairable).sum())
    if not pairable.any():
        return Statistic.undefined("no unit has two ratings", 0, excluded)
    kept = pairable[index]
    renumbered = np.cumsum(pairable) - 1
    features, alpha = _LEVELS[level](renumbered[index[kept]], value[kept])
    table = cluster_table(group[first][pairable], features)
    return cluster_bootstrap(table, alpha, n=int(pairable.sum()), excluded=excluded, resampling=resampling)


def _interval(unit: Codes, value: Floats) -> tuple[Table | Floats, Totals]:
    """Do = (2/n) Σ (mQ − S²)/(m − 1) over units, De = 2(nQ − S²)/(n(n − 1)) over all, S = Σx, Q = Σx²."""
    centred = value - np.median(value)
    m, s, q = (np.bincount(unit, weights) for weights in (np.ones(len(unit)), centred, centred**2))
    features = np.column_stack([(m * q - s * s) / (m - 1), m, s, q])

    def alpha(totals: Floats) -> Floats:
        spread, n, s, q = totals.T
        expected = n * q - s * s
        expected = np.where(expected > 1e-12 * n * q, expected, 0.0)  # below that it is rounding
        return chance_corrected(spread * (n - 1), expected)

    return features, alpha


def _counts(unit: Codes, value: Floats) -> Table:
    """How often each unit (rows) got each distinct value (columns, ascending)."""
    levels, code = np.unique(value, return_inverse=True)
    units = int(unit.max()) + 1
    counts: Table = sparse.csr_array(one_hot(unit, units).T @ one_hot(code, len(levels)))
    counts.sort_indices()
    return counts


def _nominal(unit: Codes, value: Floats) -> tuple[Table | Floats, Totals]:
    """Do = (1/n) Σ (m² − Σc²)/(m − 1) over units, De = (n² − Σn_v²)/(n(n − 1)); c, n_v count a value."""
    counts = _counts(unit, value)
    m: Floats = np.asarray(counts.sum(axis=1))
    squares: Floats = np.asarray(counts.power(2).sum(axis=1))
    features = side_by_side(((m * m - squares) / (m - 1))[:, None], counts)

    def alpha(totals: Floats) -> Floats:
        spread, margins = totals[:, 0], totals[:, 1:]
        n = margins.sum(axis=1)
        return chance_corrected(spread * (n - 1), n * n - (margins**2).sum(axis=1))

    return features, alpha


def _ordinal(unit: Codes, value: Floats) -> tuple[Table | Floats, Totals]:
    """The interval formula on mid-ranks, which every replicate takes anew from its own margins.

    Do needs, for each two values c < k that meet in a unit, Σ n_c n_k / (m − 1): the coincidences of
    Krippendorff's matrix, of which only those that occur are held.
    """
    counts = _counts(unit, value)
    width = counts.shape[1]
    owner, low, high, mass = _coincidences(counts)
    pairs, column = np.unique(low * width + high, return_inverse=True)
    met = sparse.csr_array((mass, (owner, column)), shape=(counts.shape[0], len(pairs)))
    low, high = pairs // width, pairs % width

    def alpha(totals: Floats) -> Floats:
        margins, met = totals[:, :width], totals[:, width:]
        n = margins.sum(axis=1)
        rank = np.cumsum(margins, axis=1) - (margins + n[:, None]) / 2  # mid-ranks, centred on n/2
        spread = (met * (rank[:, high] - rank[:, low]) ** 2).sum(axis=1)
        s, q = (margins * rank).sum(axis=1), (margins * rank**2).sum(axis=1)
        return chance_corrected(spread * (n - 1), n * q - s * s)

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


def _ratio(unit: Codes, value: Floats) -> tuple[Table | Floats, Totals]:
    """A disagreement between values c and k costs ((c − k)/(c + k))²; two zeros agree. ValueError: a negative value.

    Not a sum of squares, so De goes over every two distinct values: V² for V of them, where the others take V.
    """
    if value.size and value.min() < 0:
        raise ValueError("ratio alpha is for values from 0")
    levels = np.unique(value)
    counts = _counts(unit, value)
    owner, low, high, mass = _coincidences(counts)
    paid = 2 * mass * _ratio_cost(levels[low], levels[high])
    spread = np.bincount(owner, paid, minlength=counts.shape[0]).astype(np.float64)

    def alpha(totals: Floats) -> Floats:
        spread, margins = totals[:, 0], totals[:, 1:]
        n = margins.sum(axis=1)
        expected = np.zeros(len(totals))
        for start in range(0, len(levels), _BLOCK):
            part = slice(start, start + _BLOCK)
            cost = _ratio_cost(levels[:, None], levels[None, part])
            expected += ((margins @ cost) * margins[:, part]).sum(axis=1)
        return chance_corrected(spread * (n - 1), expected)

    return side_by_side(spread[:, None], counts), alpha


def _ratio_cost(one: Floats, two: Floats) -> Floats:
    whole = one + two
    return np.square((one - two) / np.where(whole == 0, 1.0, whole))


_LEVELS = {"nominal": _nominal, "ordinal": _ordinal, "interval": _interval, "ratio": _ratio}
