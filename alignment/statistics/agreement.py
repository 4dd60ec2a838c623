"""Agreement between raters, the measurement that decides whose verdicts the policy trusts.

Two raters: ``first`` and ``second`` hold one code a row, MISSING where there is no verdict; pass the rows
that both were asked about. Rows that lack one of the two are left out and counted as ``excluded``; n counts
the rows used. Each interval resamples ``clusters``, the prompt of each row.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

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
    return chance_corrected(1 - agreed, 1 - expected)


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
        return chance_corrected(totals[:, 0] * totals[:, 1], expected)

    return _bootstrap(rows, features, kappa, resampling)


def _costs(distance: Codes, weights: Weights) -> Floats:
    power = {"nominal": 0, "linear": 1, "quadratic": 2}[weights]
    return np.where(distance == 0, 0.0, np.abs(distance).astype(np.float64) ** power)


def chance_corrected(observed: Floats, expected: Floats) -> Floats:
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
