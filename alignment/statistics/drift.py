"""Whether a share has changed: a judge's agreement with people before and after something, for the policy."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy import special

from alignment.statistics.verdicts import Floats


class Change(NamedTuple):
    """``hits`` of ``n`` before and after, and the two-sided p of Fisher's exact test (1935) that both shares are
    one."""

    hits_before: int
    n_before: int
    hits_after: int
    n_after: int
    p: float

    @property
    def before(self) -> float:
        return self.hits_before / self.n_before

    @property
    def after(self) -> float:
        return self.hits_after / self.n_after


def change(hits_before: int, n_before: int, hits_after: int, n_after: int) -> Change | None:
    """None where one side has no trial. p sums the tables with the same margins that are no likelier than this one."""
    if not n_before or not n_after:
        return None
    hits, n = hits_before + hits_after, n_before + n_after
    possible = np.arange(max(0, hits - n_after), min(hits, n_before) + 1)
    logs = _log_choose(n_before, possible) + _log_choose(n_after, hits - possible)
    chances = np.exp(logs - logs.max())
    observed = chances[hits_before - possible[0]]
    p = float(chances[chances <= observed * (1 + 1e-7)].sum() / chances.sum())
    return Change(hits_before, n_before, hits_after, n_after, min(1.0, p)) if n else None


def _log_choose(n: int, k: np.ndarray) -> Floats:
    chosen: Floats = special.gammaln(n + 1) - special.gammaln(k + 1) - special.gammaln(n - k + 1)
    return chosen
