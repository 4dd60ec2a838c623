"""Whether confidence keeps its word: held against people who were kept out of it, and made to where it does not.

A posterior of .9 should be right nine times in ten. Rows are items that people judged without the confidence having
seen them: ``confidence`` (0 to 1) and ``right`` (0 or 1).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

from alignment.statistics.intervals import (
    DEFAULT,
    Resampling,
    bootstrap_all,
    cluster_share,
    cluster_table,
    numbered,
)
from alignment.statistics.logistic import fit_logistic
from alignment.statistics.results import Statistic
from alignment.statistics.verdicts import Codes, Floats, as_codes, same_length

_SURE = 1e-6  # confidence is taken to lie this far from 0 and 1, so that its log odds are finite


class Bin(NamedTuple):
    """Rows of like confidence, from ``low`` to ``high``: their mean ``confidence``, and how often they are
    ``right``."""

    low: float
    high: float
    confidence: float
    right: Statistic


class Reliability(NamedTuple):
    """The curve, the expected calibration error (mean gap between the two over its bins) and the Brier score (mean
    squared difference of confidence and outcome)."""

    bins: list[Bin]
    ece: Statistic
    brier: Statistic


def reliability(
    confidence: ArrayLike,
    right: ArrayLike,
    clusters: ArrayLike,
    *,
    bins: int = 10,
    resampling: Resampling = DEFAULT,
) -> Reliability:
    """In bins of equal number (Naeini et al. 2015 with equal mass; Brier 1950). Chance alone makes the error positive,
    and each replicate's more so: its interval says how large it may seem, not how small it may be."""
    chance, hit, group = _rows(confidence, right, clusters)
    if not len(chance):
        nothing = Statistic.undefined("no data", 0)
        return Reliability([], nothing, nothing)
    within = _bins(chance, bins)
    found = []
    for part in range(int(within.max()) + 1):
        rows = within == part
        share = cluster_share(hit[rows], group[rows], resampling=resampling)
        found.append(
            Bin(float(chance[rows].min()), float(chance[rows].max()), float(chance[rows].mean()), share)
        )
    return Reliability(found, *_errors(chance, hit, group, within, resampling))


def _rows(confidence: ArrayLike, right: ArrayLike, clusters: ArrayLike) -> tuple[Floats, Floats, Codes]:
    chance, hit = np.asarray(confidence, dtype=np.float64), np.asarray(right, dtype=np.float64)
    group = as_codes(clusters, "clusters")
    same_length(confidence=chance, right=hit, clusters=group)
    if len(chance) and not (chance.min() >= 0 and chance.max() <= 1):
        raise ValueError("confidence must lie between 0 and 1")
    return chance, hit, group


def _bins(chance: Floats, bins: int) -> Codes:
    """The bin of each row; equal confidences share one."""
    edges = np.unique(np.quantile(chance, np.linspace(0, 1, bins + 1)[1:-1]))
    within = np.searchsorted(edges, chance, side="right")
    return np.unique(within, return_inverse=True)[1]


def _errors(
    chance: Floats, hit: Floats, group: Codes, within: Codes, resampling: Resampling
) -> tuple[Statistic, Statistic]:
    width = int(within.max()) + 1
    gaps = np.zeros((len(chance), width))
    gaps[np.arange(len(chance)), within] = hit - chance
    features = np.column_stack([gaps, np.square(hit - chance), np.ones(len(chance))])
    drawn = bootstrap_all(
        cluster_table(group, features),
        {
            "ece": lambda totals: np.abs(totals[:, :width]).sum(axis=1) / totals[:, -1],
            "brier": lambda totals: totals[:, width] / totals[:, -1],
        },
        n=len(chance),
        resampling=resampling,
    )
    return drawn["ece"], drawn["brier"]


class Calibrator(NamedTuple):
    """p = 1 / (1 + exp(−intercept − slope · log odds of the confidence)) (Platt 1999)."""

    intercept: float
    slope: float

    def apply(self, confidence: ArrayLike) -> Floats:
        calibrated: Floats = special.expit(self.intercept + self.slope * _log_odds(confidence))
        return calibrated


def _log_odds(confidence: ArrayLike) -> Floats:
    odds: Floats = special.logit(np.clip(np.asarray(confidence, dtype=np.float64), _SURE, 1 - _SURE))
    return odds


def fit_calibrator(confidence: ArrayLike, right: ArrayLike) -> Calibrator:
    """The calibrator most likely to have given these outcomes, drawn towards leaving confidence as it is by the weight
    of one row or so, so that a handful of rows does not carry it away."""
    chance, hit, _ = _rows(confidence, right, np.arange(len(np.asarray(right))))
    # The prior as rows of its own: a few confidences that come true just as often as they say.
    anchors = np.array([0.55, 0.7, 0.85, 0.95])
    _, rows, count = np.unique(chance + 2 * hit, return_index=True, return_counts=True)  # many are alike
    odds = _log_odds(np.concatenate([chance[rows], anchors]))
    outcome = np.concatenate([hit[rows], anchors])
    weights = np.concatenate([count.astype(np.float64), np.full(len(anchors), 0.25)])
    design = np.column_stack([np.ones(len(odds)), odds])
    fitted = fit_logistic(
        design, outcome, weights=weights, clusters=np.arange(len(odds)), penalty=1e-6 * np.eye(2)
    )
    return Calibrator(*fitted.coefficients.tolist())


def cross_fitted(
    confidence: ArrayLike, right: ArrayLike, clusters: ArrayLike, *, folds: int = 5, seed: int = 0
) -> Floats:
    """The confidence of each row, calibrated on the other folds: no prompt has a say in its own."""
    chance, hit, group = _rows(confidence, right, clusters)
    index, width = numbered(group)
    fold = np.random.default_rng(seed).permutation(width)[index] % folds
    calibrated = np.empty(len(chance))
    for part in range(folds):
        held = fold == part
        calibrated[held] = fit_calibrator(chance[~held], hit[~held]).apply(chance[held])
    return calibrated
