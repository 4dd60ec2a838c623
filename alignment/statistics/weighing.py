"""What several raters' verdicts on a pair are worth together, learnt where the right verdict is known.

The conditional logit (McFadden 1974): P(y) ∝ exp(Σ weight of the raters who say y, and ``tie`` where y is a tie). FIRST
and SECOND are alike, because the canonical order is arbitrary. Raters that err together share one weight among them,
one that tells nothing gets none, and one whose word speaks for the contrary a negative one. Every number has the
standard normal as its prior, so that a rater about whom little is known counts little.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

from alignment.statistics.verdicts import TIE, Codes, Floats, as_codes, no_missing, same_length

_VERDICTS = 3  # FIRST, SECOND, TIE
_MAX_STEPS = 50
_TOLERANCE = 1e-10


@dataclass(frozen=True)
class Weighing:
    """``weight`` (n_raters) and ``tie``: log odds that a rater's verdict, and that a tie as such, adds."""

    weight: Floats
    tie: float

    def posterior(
        self,
        items: ArrayLike,
        raters: ArrayLike,
        labels: ArrayLike,
        n_items: int,
        weights: Floats | None = None,
    ) -> Floats:
        """The chance (n_items × 3) of each verdict to be right. ``weights`` (rows): as how many each one counts."""
        item, rater, label = as_codes(items, "items"), as_codes(raters, "raters"), as_codes(labels, "labels")
        worth = self.weight[rater] if weights is None else self.weight[rater] * weights
        votes = np.bincount(item * _VERDICTS + label, worth, minlength=n_items * _VERDICTS)
        score: Floats = votes.astype(np.float64).reshape(n_items, _VERDICTS)
        score[:, TIE] += self.tie
        chance: Floats = special.softmax(score, axis=1)
        return chance


def fit_weighing(
    items: ArrayLike,
    raters: ArrayLike,
    labels: ArrayLike,
    truth: ArrayLike,
    n_raters: int,
    weights: Floats | None = None,
) -> Weighing:
    """The likeliest weights, given the right verdict of each item (``truth``, n_items), by Newton's method.

    ``weights`` (rows): as how many each one counts, here as in ``Weighing.posterior``.
    """
    item, rater, label = as_codes(items, "items"), as_codes(raters, "raters"), as_codes(labels, "labels")
    right = as_codes(truth, "truth")
    same_length(items=item, raters=rater, labels=label)
    no_missing(label)
    no_missing(right)
    if max(label.max(initial=0), right.max(initial=0)) > TIE:
        raise ValueError("verdicts must be FIRST, SECOND or TIE: split longer rankings into pairs")
    present, column = np.unique(rater, return_inverse=True)
    counted = np.ones(len(item)) if weights is None else weights
    said, worth, count = _alike(item, column, label, counted, right, len(present))
    beta = _fit(said, worth, count)
    weight = np.zeros(n_raters)
    weight[present] = beta[:-1]
    return Weighing(weight, float(beta[-1]))


def _alike(
    item: Codes, column: Codes, label: Codes, weight: Floats, right: Codes, width: int
) -> tuple[Codes, Floats, Floats]:
    """The different rows of (verdict of each rater, or −1; right verdict), as how many each verdict counts there, and
    how often each row occurs: there are few."""
    rows = np.full((len(right), 2 * width + 1), -1.0)
    rows[item, column] = label
    rows[item, width + column] = weight
    rows[:, -1] = right
    alike, count = np.unique(rows, axis=0, return_counts=True)
    said = alike[:, [*range(width), 2 * width]].astype(np.int64)
    return said, alike[:, width : 2 * width], count.astype(np.float64)


def _fit(said: Codes, worth: Floats, count: Floats) -> Floats:
    right = said[:, -1]
    features = np.stack(
        [
            np.column_stack([(said[:, :-1] == verdict) * worth, np.full(len(said), float(verdict == TIE))])
            for verdict in range(_VERDICTS)
        ]
    )
    taken = features[right, np.arange(len(said))]
    beta = np.zeros(features.shape[2])
    moved, steps = np.inf, 0
    while moved > _TOLERANCE and steps < _MAX_STEPS:
        chance = special.softmax(features @ beta, axis=0)
        mean = np.einsum("vn,vnp->np", chance, features)
        gradient = count @ (taken - mean) - beta
        curved = sum(
            each.T @ (each * (count * of)[:, None]) for each, of in zip(features, chance, strict=True)
        )
        hessian = curved - mean.T @ (mean * count[:, None]) + np.eye(len(beta))
        step = np.linalg.solve(hessian, gradient)
        moved, steps = float(np.abs(step).max()), steps + 1
        beta = beta + step * min(1.0, 5.0 / moved if moved else 1.0)  # a whole step may overshoot
    return beta
