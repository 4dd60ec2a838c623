"""How good the best of n samples is, where one score picks it and another says how good it was.

The gap between the two as n grows shows a reward model that is over-optimised (Gao, Schulman and Hilton 2023).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

from alignment.statistics.intervals import DEFAULT, Resampling, cluster_mean
from alignment.statistics.results import Statistic
from alignment.statistics.verdicts import Floats


class BestOf(NamedTuple):
    """``picked`` is the mean picking score of the best of ``n``, ``gold`` the mean of the other; ``kl`` is how far
    picking moves from the model, in nats: log n − (n − 1)/n."""

    n: int
    kl: float
    picked: Statistic
    gold: Statistic | None


def best_of_n(
    picking: ArrayLike, gold: ArrayLike | None = None, *, resampling: Resampling = DEFAULT
) -> list[BestOf]:
    """For n = 1, 2, 4, … up to the samples, from ``picking`` and ``gold`` (prompts × samples), prompts being clusters.

    Without drawing: sorted by ``picking``, the k-th of m from below is the best of a random n of them with the chance
    C(k − 1, n − 1) / C(m, n). A prompt in which a score is NaN is left out and counted. Equal scores are picked alike.
    """
    scores = np.atleast_2d(np.asarray(picking, dtype=np.float64))
    other = scores if gold is None else np.atleast_2d(np.asarray(gold, dtype=np.float64))
    if scores.shape != other.shape:
        raise ValueError("picking and gold must have the same shape, prompts by samples")
    kept = ~(np.isnan(scores).any(axis=1) | np.isnan(other).any(axis=1))
    excluded, samples = int((~kept).sum()), scores.shape[1]
    ranked = np.sort(scores[kept], axis=1)
    means = _tied_means(scores[kept], other[kept])
    found = []
    for n in _powers(samples):
        chance = _chances(n, samples)
        picked = _mean(ranked @ chance, excluded, resampling)
        found.append(
            BestOf(
                n,
                float(np.log(n) - (n - 1) / n),
                picked,
                None if gold is None else _mean(means @ chance, excluded, resampling),
            )
        )
    return found


def _powers(samples: int) -> list[int]:
    found = [1]
    while found[-1] * 2 <= samples:
        found.append(found[-1] * 2)
    return found if found[-1] == samples else [*found, samples]


def _chances(n: int, samples: int) -> Floats:
    """By place from below: the chance to be the best of n."""
    places = np.arange(1, samples + 1)
    return np.asarray(special.binom(places - 1, n - 1) / special.binom(samples, n), dtype=np.float64)


def _tied_means(scores: Floats, other: Floats) -> Floats:
    """``other`` in the order of ``scores``, with the mean of it where scores are equal."""
    order = np.argsort(scores, axis=1, kind="stable")
    means = np.empty(scores.shape)
    for row, places in enumerate(order):
        ranked, gold = scores[row, places], other[row, places]
        alike = (ranked[:, None] == ranked).astype(np.float64)
        means[row] = alike @ gold / alike.sum(axis=1)
    return means


def _mean(values: Floats, excluded: int, resampling: Resampling) -> Statistic:
    if not len(values):
        return Statistic.undefined("no data", 0, excluded)
    return cluster_mean(values, np.arange(len(values)), excluded=excluded, resampling=resampling)
