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

from alignment.statistics.pair_verdicts import VERDICTS, PairModel, PairVerdicts
from alignment.statistics.verdicts import TIE, Codes, Floats, as_codes, no_missing

_MAX_STEPS = 50
_TOLERANCE = 1e-10


@dataclass(frozen=True)
class Weighing(PairModel):
    """``weight`` (n_raters) and ``tie``: log odds that a rater's verdict, and that a tie as such, adds."""

    weight: Floats
    tie: float

    def posterior_of(self, rows: PairVerdicts) -> Floats:
        score = rows.votes(self.weight[rows.raters])
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
    right = as_codes(truth, "truth")
    rows = PairVerdicts.of(items, raters, labels, len(right), weights)
    no_missing(right)
    if right.max(initial=0) > TIE:
        raise ValueError("truth must be FIRST, SECOND or TIE: split longer rankings into pairs")
    present, column = np.unique(rows.raters, return_inverse=True)
    beta = _fit(*_alike(rows, column, right, len(present)))
    weight = np.zeros(n_raters)
    weight[present] = beta[:-1]
    return Weighing(weight, float(beta[-1]))


def _alike(verdicts: PairVerdicts, column: Codes, right: Codes, width: int) -> tuple[Codes, Floats, Floats]:
    """The different rows of (verdict of each rater, or −1; right verdict), as how many each verdict counts there, and
    how often each row occurs: there are few."""
    rows = np.full((len(right), 2 * width + 1), -1.0)
    rows[verdicts.items, column] = verdicts.labels
    rows[verdicts.items, width + column] = verdicts.weights
    rows[:, -1] = right
    alike, count = np.unique(rows, axis=0, return_counts=True)
    said = alike[:, [*range(width), 2 * width]].astype(np.int64)
    return said, alike[:, width : 2 * width], count.astype(np.float64)


def _fit(said: Codes, worth: Floats, count: Floats) -> Floats:
    right = said[:, -1]
    features = np.stack(
        [
            np.column_stack([(said[:, :-1] == verdict) * worth, np.full(len(said), float(verdict == TIE))])
            for verdict in range(VERDICTS)
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
