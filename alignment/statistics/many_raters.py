"""Chance-corrected agreement of many raters by categories: Fleiss' kappa and Gwet's AC1 and AC2, ratings missing or
not.

Beside Krippendorff's alpha, for those whose field reports them. Gwet (2014), "Handbook of Inter-Rater Reliability",
chapters 2 and 5, for units with different numbers of ratings.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike

from alignment.statistics.intervals import (
    DEFAULT,
    Resampling,
    cluster_bootstrap,
    cluster_table,
    numbered,
    sample_of,
)
from alignment.statistics.joint import Weights, agreement_weights, chance_corrected
from alignment.statistics.results import Statistic
from alignment.statistics.verdicts import Floats, as_codes, coded, same_length

_MOST_LEVELS = 200


def fleiss_kappa(
    units: ArrayLike, values: ArrayLike, clusters: ArrayLike, *, resampling: Resampling = DEFAULT
) -> Statistic:
    """Fleiss' kappa (1971): pe = Σ π², π a category's mean share over units.

    One row a rating. n counts the units with two ratings or more, ``excluded`` those with one, which count for π only.
    """
    return _of_many(units, values, clusters, "nominal", lambda share, _: (share**2).sum(axis=1), resampling)


def gwet_ac_of_many(
    units: ArrayLike,
    values: ArrayLike,
    clusters: ArrayLike,
    *,
    weights: Weights = "nominal",
    resampling: Resampling = DEFAULT,
) -> Statistic:
    """Gwet's AC1 (nominal) and AC2: pe = Σ w / (q(q − 1)) · Σ π(1 − π), q the categories that occur."""

    def by_chance(share: Floats, total: float) -> Floats:
        q = share.shape[1]
        scale = total / (q * (q - 1)) if q > 1 else np.nan
        expected: Floats = scale * (share * (1 - share)).sum(axis=1)
        return expected

    return _of_many(units, values, clusters, weights, by_chance, resampling)


def _of_many(
    units: ArrayLike,
    values: ArrayLike,
    clusters: ArrayLike,
    weights: Weights,
    by_chance: Callable[[Floats, float], Floats],
    resampling: Resampling,
) -> Statistic:
    """(pa − pe) / (1 − pe), pa the mean over units of the weighted share of its pairs of ratings that agree."""
    unit, group = as_codes(units, "units"), as_codes(clusters, "clusters")
    value = np.asarray(values, dtype=np.float64)
    same_length(units=unit, values=value, clusters=group)
    if not len(unit):
        return Statistic.undefined("no data", 0)
    levels, code = coded(value)
    if len(levels) > _MOST_LEVELS:
        raise ValueError(
            f"these are statistics of categories, at most {_MOST_LEVELS}, not of {len(levels)} values"
        )
    index, width = numbered(unit)
    counts = np.bincount(index * len(levels) + code, minlength=width * len(levels)).reshape(width, -1)
    cluster = np.zeros(width, dtype=np.int64)
    cluster[index] = group
    rated = counts.any(axis=1)
    weigh, total = agreement_weights(levels, weights)
    features = _features(counts[rated].astype(np.float64), weigh(levels[:, None] - levels))
    several = int(features[:, 1].sum())
    k = len(levels)

    def statistic(totals: Floats) -> Floats:
        observed = totals[:, 0] / np.where(totals[:, 1] > 0, totals[:, 1], np.nan)
        share = totals[:, 3:] / totals[:, 2:3]
        return chance_corrected(1 - observed, 1 - by_chance(share, total))

    if k < 2 or not several:
        return Statistic.undefined("no variation" if several else "no unit has two ratings", several)
    sample = sample_of(cluster_table(cluster[rated], features))
    return cluster_bootstrap(
        sample, statistic, n=several, excluded=int(rated.sum()) - several, resampling=resampling
    )


def _features(counts: Floats, weights: Floats) -> Floats:
    """By unit: weighted share of agreeing pairs, whether there is a pair, one, and each category's share."""
    m = counts.sum(axis=1)
    several = m > 1
    pairs = (counts * (counts @ weights - 1)).sum(axis=1) / np.where(several, m * (m - 1), 1)
    columns = [np.where(several, pairs, 0.0), several, np.ones(len(m)), *(counts / m[:, None]).T]
    return np.column_stack(columns)
