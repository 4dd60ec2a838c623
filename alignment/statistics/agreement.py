"""Agreement between raters, the measurement that decides whose verdicts the policy trusts.

Two raters: ``first`` and ``second`` hold one code a row, MISSING where there is no verdict; pass the rows
that both were asked about. Rows that lack one of the two are left out and counted as ``excluded``; n counts
the rows used. Each interval resamples ``clusters``, the prompt of each row.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy import sparse

from alignment.statistics.intervals import (
    DEFAULT,
    Resampling,
    Table,
    Totals,
    cluster_bootstrap,
    cluster_share,
    cluster_table,
    one_hot,
    side_by_side,
)
from alignment.statistics.results import Statistic
from alignment.statistics.verdicts import MISSING, TIE, Codes, Floats, as_codes, same_length

Weights = Literal["nominal", "linear", "quadratic"]
Level = Literal["nominal", "ordinal", "interval"]


class _Paired(NamedTuple):
    first: Codes
    second: Codes
    clusters: Codes
    excluded: int


def _paired(first: ArrayLike, second: ArrayLike, clusters: ArrayLike) -> _Paired:
    one, two = as_codes(first, "first"), as_codes(second, "second")
    groups = as_codes(clusters, "clusters")
    same_length(first=one, second=two, clusters=groups)
    if min(one.min(initial=0), two.min(initial=0)) < MISSING:
        raise ValueError("codes must be 0 or more, or MISSING")
    both = (one != MISSING) & (two != MISSING)
    return _Paired(one[both], two[both], groups[both], int((~both).sum()))


def raw_agreement(
    first: ArrayLike, second: ArrayLike, clusters: ArrayLike, *, resampling: Resampling = DEFAULT
) -> Statistic:
    """Share of rows on which two raters give the same code, a tie being a code like any other."""
    rows = _paired(first, second, clusters)
    same = (rows.first == rows.second).astype(np.float64)
    return cluster_share(same, rows.clusters, excluded=rows.excluded, resampling=resampling)


def symmetric_kappa(
    first: ArrayLike, second: ArrayLike, clusters: ArrayLike, *, resampling: Resampling = DEFAULT
) -> Statistic:
    """Kappa for verdicts on pairs that does not depend on which response is called the first.

    κ = (po − pe) / (1 − pe) with pe = (1 − t₁)(1 − t₂)/2 + t₁t₂ and t the raters' tie rates: which side comes
    first is arbitrary, so by chance a rater who sees no tie picks either side equally often.
    """
    rows = _paired(first, second, clusters)
    if max(rows.first.max(initial=0), rows.second.max(initial=0)) > TIE:
        raise ValueError("symmetric kappa is for pairs: verdicts must be FIRST, SECOND, TIE or MISSING")
    features = np.column_stack(
        [rows.first == rows.second, np.ones(len(rows.first)), rows.first == TIE, rows.second == TIE]
    ).astype(np.float64)
    return _bootstrap(rows, features, _symmetric, resampling)


def _symmetric(totals: Floats) -> Floats:
    agreed, ties_first, ties_second = (totals[:, column] / totals[:, 1] for column in (0, 2, 3))
    expected = (1 - ties_first) * (1 - ties_second) / 2 + ties_first * ties_second
    return _chance_corrected(1 - agreed, 1 - expected)


def cohen_kappa(
    first: ArrayLike,
    second: ArrayLike,
    clusters: ArrayLike,
    *,
    weights: Weights = "nominal",
    resampling: Resampling = DEFAULT,
) -> Statistic:
    """Cohen's kappa (1960; weighted, 1968): 1 − observed over expected disagreement.

    A disagreement between codes i and j costs 1 (nominal), |i − j| (linear) or (i − j)² (quadratic).
    """
    rows = _paired(first, second, clusters)
    width = int(max(rows.first.max(initial=0), rows.second.max(initial=0))) + 1
    cost = _costs(np.arange(width)[:, None] - np.arange(width), weights)
    paid = np.column_stack([_costs(rows.first - rows.second, weights), np.ones(len(rows.first))])
    features = side_by_side(paid, one_hot(rows.first, width), one_hot(rows.second, width))

    def kappa(totals: Floats) -> Floats:
        margin_first, margin_second = totals[:, 2 : 2 + width], totals[:, 2 + width :]
        expected = ((margin_first @ cost) * margin_second).sum(axis=1)
        return _chance_corrected(totals[:, 0] * totals[:, 1], expected)

    return _bootstrap(rows, features, kappa, resampling)


def _costs(distance: Codes, weights: Weights) -> Floats:
    power = {"nominal": 0, "linear": 1, "quadratic": 2}[weights]
    return np.where(distance == 0, 0.0, np.abs(distance).astype(np.float64) ** power)


def _chance_corrected(observed: Floats, expected: Floats) -> Floats:
    """1 − observed / expected disagreement, NaN where chance alone never disagrees."""
    defined = expected > 0
    return np.where(defined, 1 - observed / np.where(defined, expected, 1.0), np.nan)


def _bootstrap(
    rows: _Paired, features: Table | Floats, statistic: Totals, resampling: Resampling
) -> Statistic:
    return cluster_bootstrap(
        cluster_table(rows.clusters, features),
        statistic,
        n=len(rows.first),
        excluded=rows.excluded,
        resampling=resampling,
    )


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
        return _chance_corrected(spread * (n - 1), expected)

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
        return _chance_corrected(spread * (n - 1), n * n - (margins**2).sum(axis=1))

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
        return _chance_corrected(spread * (n - 1), n * q - s * s)

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


_LEVELS = {"nominal": _nominal, "ordinal": _ordinal, "interval": _interval}
