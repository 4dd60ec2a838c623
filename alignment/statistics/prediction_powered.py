"""Prediction-powered estimates: people's labels for validity, judges' for precision (PPI++).

Angelopoulos, Duchi and Zrnic (2023), "PPI++: Efficient Prediction-Powered Inference". A judge who errs widens the
interval, never moves its centre: the people's labels correct it.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

from alignment.statistics.intervals import numbered
from alignment.statistics.results import Statistic
from alignment.statistics.verdicts import Codes, Floats, as_codes, same_length


class PredictionPowered(NamedTuple):
    """``estimate`` uses both kinds of label, ``people_only`` the people's; ``tuning`` is λ, the trust in the judge
    from 0 to 1. ``effective_n`` people's labels alone would have given as narrow an interval."""

    estimate: Statistic
    people_only: Statistic
    tuning: float
    effective_n: float | None


def prediction_powered_mean(
    people: ArrayLike,
    judge: ArrayLike,
    clusters: ArrayLike,
    judge_only: ArrayLike,
    judge_only_clusters: ArrayLike,
    *,
    level: float = 0.95,
    bounds: tuple[float, float] = (0.0, 1.0),
) -> PredictionPowered:
    """The mean of what people would say, for instance a win rate with credits 1, ½ and 0.

    ``people`` and ``judge`` (n): both on the same items, a random sample of all; ``judge_only`` (N): the judge's on the
    others. θ = mean_N(λf) + mean_n(Y − λf) with λ = C / (V_n + V_N) cut to 0 to 1, C and V the covariance and variances
    of the means with clusters taken for dependent; without clusters that is cov(Y, f) / ((1 + n/N) var f).
    """
    said, guessed, others = (np.asarray(part, dtype=np.float64) for part in (people, judge, judge_only))
    group, other_group = as_codes(clusters, "clusters"), as_codes(judge_only_clusters, "judge_only_clusters")
    same_length(people=said, judge=guessed, clusters=group)
    same_length(judge_only=others, judge_only_clusters=other_group)
    n = len(said)
    if not n or len(np.unique(group)) < 2:
        undefined = Statistic.undefined("no data" if not n else "one cluster only", n)
        return PredictionPowered(undefined, undefined, 0.0, None)
    spread = _mean_covariance(np.column_stack([said, guessed]), group)
    elsewhere = len(others) > 0 and len(np.unique(other_group)) > 1
    far = float(_mean_covariance(others[:, None], other_group)[0, 0]) if elsewhere else np.inf
    whole = spread[1, 1] + far
    tuning = float(np.clip(spread[0, 1] / whole, 0, 1)) if 0 < whole < np.inf else 0.0
    value = float(said.mean()) + (tuning * float(others.mean() - guessed.mean()) if tuning else 0.0)
    variance = float(spread[0, 0] - 2 * tuning * spread[0, 1] + (tuning**2 * whole if tuning else 0.0))
    effective = n * float(spread[0, 0]) / variance if variance > 0 else None
    return PredictionPowered(
        _normal(value, variance, n + (len(others) if tuning else 0), level, bounds),
        _normal(float(said.mean()), float(spread[0, 0]), n, level, bounds),
        tuning,
        effective,
    )


def _mean_covariance(values: Floats, clusters: Codes) -> Floats:
    """The covariance of the columns' means, from the sums by cluster of what lies above them."""
    group, width = numbered(clusters)
    centred = values - values.mean(axis=0)
    sums = np.column_stack([np.bincount(group, column, minlength=width) for column in centred.T])
    count = int(np.count_nonzero(np.bincount(group, minlength=width)))
    covariance: Floats = sums.T @ sums / len(values) ** 2 * count / (count - 1)
    return covariance


def _normal(value: float, variance: float, n: int, level: float, bounds: tuple[float, float]) -> Statistic:
    if variance <= 0:
        return Statistic(value, None, None, n, "no variation")
    half = float(special.ndtri((1 + level) / 2)) * variance**0.5
    return Statistic(value, max(bounds[0], value - half), min(bounds[1], value + half), n)


class Mix(NamedTuple):
    """``people`` labels and ``judge`` labels (which the items that people label need too), and what they cost."""

    people: int
    judge: int
    cost: float
    people_only_cost: float


def cheapest_mix(
    *,
    variance: float,
    correlation: float,
    half_width: float,
    person_cost: float,
    judge_cost: float,
    level: float = 0.95,
) -> Mix:
    """The labels that give an interval of ± ``half_width`` for the least money.

    ``variance`` is a person's label's, ``correlation`` the judge's with it. With n people's labels and m judge's, n of
    them on the same items, the best tuning leaves a variance σ²(1 − ρ²)/n + σ²ρ²/m. Its cheapest point for A/n + B/m =
    V is n = √(A/c)·S/V, m = √(B/d)·S/V, S = √(Ac) + √(Bd); where that has m < n, people alone are cheaper.
    """
    if half_width <= 0 or variance <= 0 or person_cost <= 0 or judge_cost < 0:
        raise ValueError("half_width, variance and person_cost must be more than 0, judge_cost not less")
    allowed = (half_width / float(special.ndtri((1 + level) / 2))) ** 2
    alone = int(np.ceil(variance / allowed))
    rest, explained = variance * (1 - correlation**2), variance * correlation**2
    price = max(judge_cost, 1e-9 * person_cost)
    whole = (rest * person_cost) ** 0.5 + (explained * price) ** 0.5
    people = int(np.ceil((rest / person_cost) ** 0.5 * whole / allowed))
    judge = int(np.ceil((explained / price) ** 0.5 * whole / allowed))
    cost = people * person_cost + judge * judge_cost
    if judge <= people or cost >= alone * person_cost:
        return Mix(alone, 0, alone * person_cost, alone * person_cost)
    return Mix(people, judge, cost, alone * person_cost)
