"""Whether one model does no worse than another where it must not: a one-sided test with a margin."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

from alignment.statistics.intervals import numbered
from alignment.statistics.results import Statistic
from alignment.statistics.verdicts import as_codes, same_length

EVEN = 0.5  # the win rate of two models that are equally good
NOT_WORSE, WORSE, UNDECIDED = "not_worse", "worse", "undecided"


class NotWorse(NamedTuple):
    """``verdict``: NOT_WORSE where the win rate is surely above one half less the margin, WORSE where it is surely
    below one half, else UNDECIDED. ``win_rate`` has the bounds of both one-sided tests; ``p_worse`` is how likely so
    low a rate is between equals, ``p_not_worse`` how likely so high a one is where the margin is just used up."""

    verdict: str
    win_rate: Statistic
    p_worse: float | None
    p_not_worse: float | None
    margin: float


def not_worse(
    credits: ArrayLike, clusters: ArrayLike, *, margin: float = 0.05, alpha: float = 0.05, excluded: int = 0
) -> NotWorse:
    """Test ``credits`` (rows: 1 a win, 0 a loss, ½ a tie) of ``clusters`` (rows: the prompt of each).

    t = (mean − bound) / s with s from the sums by cluster, G − 1 degrees of freedom. Two tests, each at ``alpha``, and
    as they can not both reject wrongly, the verdict as a whole is: the bounds are a 1 − 2α interval.
    """
    if not 0 <= margin < EVEN or not 0 < alpha < EVEN:
        raise ValueError("margin must lie from 0 to below 0.5 and alpha between 0 and 0.5")
    won, group = np.asarray(credits, dtype=np.float64), as_codes(clusters, "clusters")
    same_length(credits=won, clusters=group)
    if not len(won):
        return NotWorse(UNDECIDED, Statistic.undefined("no data", 0, excluded), None, None, margin)
    index, width = numbered(group)
    sizes = np.bincount(index, minlength=width)
    found = int(np.count_nonzero(sizes))
    mean = float(won.mean())
    if found < 2:
        return NotWorse(
            UNDECIDED, Statistic(mean, None, None, len(won), "one cluster only", excluded), None, None, margin
        )
    sums = np.bincount(index, won - mean, minlength=width)
    error = float(np.sqrt((sums**2).sum() * found / (found - 1)) / len(won))
    if error == 0:
        return _without_variation(mean, found, len(won), margin, alpha, excluded)
    freedom = found - 1
    reach = float(special.stdtrit(freedom, 1 - alpha)) * error
    low, high = max(0.0, mean - reach), min(1.0, mean + reach)
    p_worse = float(special.stdtr(freedom, (mean - EVEN) / error))
    p_not_worse = float(special.stdtr(freedom, (EVEN - margin - mean) / error))
    verdict = WORSE if p_worse < alpha else NOT_WORSE if p_not_worse < alpha else UNDECIDED
    return NotWorse(
        verdict, Statistic(mean, low, high, len(won), None, excluded), p_worse, p_not_worse, margin
    )


def _without_variation(
    mean: float, clusters: int, n: int, margin: float, alpha: float, excluded: int
) -> NotWorse:
    """Every prompt says the same: a sign test, in which so many equal signs have the chance ½ to that power."""
    chance = 0.5**clusters
    p_worse, p_not_worse = (chance, None) if mean < EVEN else (None, chance)
    verdict = UNDECIDED if chance >= alpha else WORSE if mean < EVEN else NOT_WORSE
    constant = Statistic(mean, None, None, n, "no variation", excluded)
    return NotWorse(verdict, constant, p_worse, p_not_worse, margin)
