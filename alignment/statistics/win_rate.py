"""How often one model's responses are preferred to another's, in the evaluation that ends a run."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from alignment.statistics.intervals import DEFAULT, Resampling, cluster_share
from alignment.statistics.results import Statistic
from alignment.statistics.verdicts import MISSING, TIE, as_codes, same_length

_CREDIT = np.array([1.0, 0.0, 0.5])


def win_rate(verdicts: ArrayLike, clusters: ArrayLike, *, resampling: Resampling = DEFAULT) -> Statistic:
    """Share of comparisons won by the first side, ties counting half, with a cluster bootstrap interval.

    ``verdicts`` (rows): FIRST a win, SECOND a loss, TIE half, MISSING left out and counted as excluded.
    ``clusters`` (rows): the prompt of each. n counts the verdicts used.
    """
    given, groups = as_codes(verdicts, "verdicts"), as_codes(clusters, "clusters")
    same_length(verdicts=given, clusters=groups)
    if given.size and not MISSING <= given.min() <= given.max() <= TIE:
        raise ValueError("verdicts must be FIRST, SECOND, TIE or MISSING")
    kept = given != MISSING
    credits = _CREDIT[given[kept]]
    return cluster_share(credits, groups[kept], excluded=int((~kept).sum()), resampling=resampling)
