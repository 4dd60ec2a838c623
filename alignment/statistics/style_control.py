"""A win rate with length taken out of it: what one model would win against the other at equal length."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

from alignment.statistics.intervals import Resampling
from alignment.statistics.ranking import bradley_terry
from alignment.statistics.results import Statistic
from alignment.statistics.verdicts import MISSING, as_codes, same_length

SEPARATED = 12.0  # log odds beyond which a coefficient only says that nothing bounds it


def style_controlled_win_rate(
    verdicts: ArrayLike,
    clusters: ArrayLike,
    lengths: ArrayLike,
    other_lengths: ArrayLike,
    *,
    level: float = 0.95,
) -> Statistic:
    """From rows: FIRST, SECOND, TIE or MISSING, the prompt, and both responses' lengths in any unit, more than 0.

    A Bradley–Terry fit of two models with (l₁ − l₂)/(l₁ + l₂) as covariate (Chatbot Arena's style control; Li et al.
    2024); the rate is 1 / (1 + exp(−2θ)) at a difference of 0. Undefined where verdicts or lengths do not vary, or
    where length alone tells who wins.
    """
    given, group = as_codes(verdicts, "verdicts"), as_codes(clusters, "clusters")
    ours, theirs = np.asarray(lengths, dtype=np.float64), np.asarray(other_lengths, dtype=np.float64)
    same_length(verdicts=given, clusters=group, lengths=ours, other_lengths=theirs)
    kept = given != MISSING
    n, excluded = int(kept.sum()), int((~kept).sum())
    if not n:
        return Statistic.undefined("no data", 0, excluded)
    total = ours + theirs
    difference = np.divide(ours - theirs, total, out=np.zeros(len(total)), where=total > 0)
    if len(np.unique(given[kept])) < 2:
        return Statistic.undefined("no variation", n, excluded)
    if np.ptp(difference[kept]) == 0:
        return Statistic.undefined("the lengths do not vary", n, excluded)
    first = np.zeros(len(given), dtype=np.int64)
    try:
        ranked = bradley_terry(
            first,
            first + 1,
            given,
            group,
            n_models=2,
            styles=difference[:, None],
            resampling=Resampling(level=level),
        )
    except np.linalg.LinAlgError:
        return Statistic.undefined("length alone tells who wins", n, excluded)
    strength, style = ranked.strengths[0], ranked.styles[0]
    coefficients = [strength.value, style.value]
    if any(value is None or not abs(value) < SEPARATED for value in coefficients):
        return Statistic.undefined("length alone tells who wins", n, excluded)
    value, low, high = (
        None if part is None else float(special.expit(2 * part))
        for part in (strength.value, strength.low, strength.high)
    )
    return Statistic(value, low, high, n, None, excluded)
