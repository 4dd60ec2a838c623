"""Whether a share has changed: a judge's agreement with people before and after something, for the policy."""

from __future__ import annotations

from functools import reduce
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import special

from alignment.statistics.verdicts import Codes, Floats


class Change(NamedTuple):
    """``before`` and ``after`` are shares of ``n_before`` and ``n_after`` trials, in the strata that have trials on
    both sides; ``before`` is weighted by the strata's trials after, so that both are of one mixture. ``p`` is two-sided
    and exact, that in no stratum the share has changed."""

    before: float
    n_before: int
    after: float
    n_after: int
    p: float


def change(hits: NDArray[np.bool_], after: NDArray[np.bool_], stratum: Codes) -> Change | None:
    """Of each trial whether it hit, whether it came after, and its stratum. None where no stratum has both sides.

    In each stratum, given its margins, the hits after are hypergeometric where nothing has changed; p is the chance of
    a sum of them over the strata that is no likelier than the one seen (Zelen 1971; in one stratum Fisher's test).
    """
    if not len(hits) == len(after) == len(stratum):
        raise ValueError("hits, after and stratum must be as long as each other")
    width = int(stratum.max(initial=-1)) + 1
    n, n_after = np.bincount(stratum, minlength=width), np.bincount(stratum[after], minlength=width)
    kept = (n_after > 0) & (n_after < n)
    if not kept.any():
        return None
    all_hits = np.bincount(stratum[hits], minlength=width)[kept]
    seen = np.bincount(stratum[hits & after], minlength=width)[kept]
    n, n_after = n[kept], n_after[kept]
    chances = reduce(np.convolve, map(_hypergeometric, all_hits, n, n_after))
    observed = chances[seen.sum() - np.maximum(0, all_hits - (n - n_after)).sum()]
    share_before = (all_hits - seen) / (n - n_after)
    return Change(
        float((share_before * n_after).sum() / n_after.sum()),
        int((n - n_after).sum()),
        float(seen.sum() / n_after.sum()),
        int(n_after.sum()),
        float(min(1.0, chances[chances <= observed * (1 + 1e-7)].sum() / chances.sum())),
    )


def _hypergeometric(hits: int, n: int, drawn: int) -> Floats:
    """The chance of each number of hits among the drawn, from the least that is possible to the most."""
    possible = np.arange(max(0, hits - (n - drawn)), min(hits, drawn) + 1)
    logs = _log_choose(drawn, possible) + _log_choose(n - drawn, hits - possible) - _log_choose(n, hits)
    chances: Floats = np.exp(logs)
    return chances


def _log_choose(n: int, k: Codes | int) -> Floats:
    return np.asarray(special.gammaln(n + 1) - special.gammaln(k + 1) - special.gammaln(n - k + 1))
