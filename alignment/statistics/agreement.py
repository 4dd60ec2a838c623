"""Agreement between two raters, the measurement that decides whose verdicts the policy trusts.

``first`` and ``second`` hold one code a row, MISSING where there is no verdict; pass the rows that both were asked
about. Rows that lack one of the two are left out and counted as ``excluded``; n counts the rows used. Each interval
resamples ``clusters``, the prompt of each row. ``compare`` gives every statistic of two raters from one drawing.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from alignment.statistics import joint
from alignment.statistics.alpha import Level, alpha_of_two
from alignment.statistics.correlation import kendall_of_many
from alignment.statistics.intervals import (
    DEFAULT,
    Resampling,
    Totals,
    bootstrap_all,
    cell_sample,
    cluster_bootstrap,
    cluster_share,
    wilson,
)
from alignment.statistics.joint import Joint, Weights, chance_corrected
from alignment.statistics.results import Statistic
from alignment.statistics.verdicts import MISSING, TIE, Codes, Floats, as_codes, same_length

Ties = Literal["same", "left out", "half"]
NUMBERS_ONLY = "only for values that are numbers"


class _Paired(NamedTuple):
    first: Codes
    second: Codes
    clusters: Codes
    excluded: int


def _paired(first: ArrayLike, second: ArrayLike, clusters: ArrayLike, *, pairs: bool = False) -> _Paired:
    one, two = as_codes(first, "first"), as_codes(second, "second")
    groups = as_codes(clusters, "clusters")
    same_length(first=one, second=two, clusters=groups)
    if min(one.min(initial=0), two.min(initial=0)) < MISSING:
        raise ValueError("codes must be 0 or more, or MISSING")
    both = (one != MISSING) & (two != MISSING)
    rows = _Paired(one[both], two[both], groups[both], int((~both).sum()))
    if pairs and max(rows.first.max(initial=0), rows.second.max(initial=0)) > TIE:
        raise ValueError("this is for pairs: verdicts must be FIRST, SECOND, TIE or MISSING")
    return rows


def raw_agreement(
    first: ArrayLike,
    second: ArrayLike,
    clusters: ArrayLike,
    *,
    ties: Ties = "same",
    clustered: bool = True,
    resampling: Resampling = DEFAULT,
) -> Statistic:
    """Share of rows on which two raters give the same code.

    A tie is a code like any other ("same"); for verdicts on pairs, rows with a tie can be "left out" and counted as
    excluded, or a tie against a preference earns "half". Not ``clustered``, the interval is Wilson's over rows.
    """
    rows = _paired(first, second, clusters, pairs=ties != "same")
    credit = (rows.first == rows.second).astype(np.float64)
    one_tie = (rows.first == TIE) | (rows.second == TIE)
    if ties == "half":
        credit[one_tie & (credit == 0)] = 0.5
    kept = ~one_tie if ties == "left out" else np.ones(len(credit), dtype=np.bool_)
    credit, excluded = credit[kept], rows.excluded + int((~kept).sum())
    if clustered:
        return cluster_share(credit, rows.clusters[kept], excluded=excluded, resampling=resampling)
    found = wilson(float(credit.sum()), len(credit), resampling.level)
    return Statistic(found.value, found.low, found.high, found.n, found.reason, excluded)


def symmetric_kappa(
    first: ArrayLike, second: ArrayLike, clusters: ArrayLike, *, resampling: Resampling = DEFAULT
) -> Statistic:
    """Kappa for verdicts on pairs that does not depend on which response is called the first.

    κ = (po − pe) / (1 − pe) with pe = (1 − t₁)(1 − t₂)/2 + t₁t₂ and t the raters' tie rates: which side comes
    first is arbitrary, so by chance a rater who sees no tie picks either side equally often.
    """
    rows = _paired(first, second, clusters, pairs=True)
    same, tie, other = (rows.first == rows.second), (rows.first == TIE), (rows.second == TIE)
    kinds = same + 2 * tie + 4 * other  # all that may count: nothing else changes with the sides
    return cluster_bootstrap(
        cell_sample(rows.clusters, kinds, len(_KINDS)),
        _symmetric,
        n=len(kinds),
        excluded=rows.excluded,
        resampling=resampling,
    )


_KINDS = np.array([[kind & 1, (kind & 2) / 2, (kind & 4) / 4] for kind in range(8)])


def _symmetric(counts: Floats) -> Floats:
    agreed, ties, others = (counts @ _KINDS / counts.sum(axis=1, keepdims=True)).T
    expected = (1 - ties) * (1 - others) / 2 + ties * others
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
    return _measure(_table(rows), partial(joint.cohen, weights=weights), resampling)


def gwet_ac(
    first: ArrayLike,
    second: ArrayLike,
    clusters: ArrayLike,
    *,
    weights: Weights = "nominal",
    resampling: Resampling = DEFAULT,
) -> Statistic:
    """Gwet's AC1 (2008), and with weights AC2 (2014): chance agreement is what raters do who guess when unsure.

    The categories are those that the two raters gave; a gap between codes weighs 1 − |i − j|/(max − min) where linear,
    1 − (i − j)²/(max − min)² where quadratic.
    """
    rows = _paired(first, second, clusters)
    return _measure(_table(rows), partial(joint.gwet, weights=weights), resampling)


def _table(rows: _Paired) -> Joint:
    table = joint.joint(rows.first, rows.second, rows.clusters, used=np.ones(len(rows.first), dtype=np.bool_))
    return joint.with_excluded(table, rows.excluded)


def _measure(table: Joint, functional: joint.Functional, resampling: Resampling) -> Statistic:
    return cluster_bootstrap(
        table.sample,
        partial(functional, table),
        n=table.n,
        excluded=table.excluded,
        resampling=resampling,
    )


def compare_verdicts(
    first: ArrayLike, second: ArrayLike, clusters: ArrayLike, *, resampling: Resampling = DEFAULT
) -> dict[str, Statistic]:
    """``agreement``, ``cohen_kappa``, ``gwet_ac1`` and nominal ``krippendorff_alpha`` of two raters' codes, from one
    drawing; where all are verdicts on pairs, ``symmetric_kappa`` too."""
    table = _table(_paired(first, second, clusters))
    statistics: dict[str, Totals] = {
        "agreement": partial(joint.agreement, table),
        "cohen_kappa": partial(joint.cohen, table, weights="nominal"),
        "gwet_ac1": partial(joint.gwet, table, weights="nominal"),
        "krippendorff_alpha": partial(alpha_of_two, table, level="nominal"),
    }
    if len(table.levels) and table.levels.max() <= TIE:
        statistics["symmetric_kappa"] = partial(joint.symmetric, table)
    return bootstrap_all(
        table.sample,
        statistics,
        n=table.n,
        excluded=table.excluded,
        resampling=resampling,
        shares=("agreement",),
    )


def compare(
    first: Floats,
    second: Floats,
    clusters: Codes,
    *,
    level: Level,
    numeric: bool = True,
    resampling: Resampling = DEFAULT,
) -> dict[str, Statistic]:
    """Every statistic of two raters' values (rows, NaN for none) on the rows that both rated.

    Those that take values for numbers are undefined where they are not ``numeric``.
    """
    table = joint.joint(first, second, clusters)
    named: dict[str, joint.Functional] = {
        "agreement": joint.agreement,
        "cohen_kappa": partial(joint.cohen, weights="nominal"),
        "cohen_kappa_linear": partial(joint.cohen, weights="linear"),
        "cohen_kappa_quadratic": partial(joint.cohen, weights="quadratic"),
        "gwet_ac1": partial(joint.gwet, weights="nominal"),
        "krippendorff_alpha": partial(alpha_of_two, level=level),
        "spearman": joint.spearman,
        "kendall_tau_b": joint.kendall,
    }
    found = _of_numbers(table) if not numeric else {}
    if numeric and table.n and not joint.has_grid(table):
        both = ~(np.isnan(first) | np.isnan(second))
        found = {"kendall_tau_b": kendall_of_many(first[both], second[both], clusters[both], resampling)}
    statistics: Mapping[str, Totals] = {
        name: partial(functional, table) for name, functional in named.items() if name not in found
    }
    drawn = bootstrap_all(
        table.sample,
        statistics,
        n=table.n,
        excluded=table.excluded,
        resampling=resampling,
        shares=("agreement",),
    )
    return {name: found.get(name) or drawn[name] for name in named}


def _of_numbers(table: Joint) -> dict[str, Statistic]:
    undefined = Statistic.undefined(NUMBERS_ONLY, table.n, table.excluded)
    return dict.fromkeys(
        ("cohen_kappa_linear", "cohen_kappa_quadratic", "spearman", "kendall_tau_b"), undefined
    )
