"""A share with its interval where the observations come in clusters, from sums that a database can make.

The room to the right has the bootstrap for agreement; this is the closed form, for figures on every page
view.
"""

import math
from typing import Any, NamedTuple

Z = 1.959963984540054  # 97.5th percentile of the normal distribution: 95 % intervals


class Clusters(NamedTuple):
    """Sums over clusters, each with ``hits`` of ``n``: their number, Σhits, Σn, Σhits², Σhits·n, Σn²."""

    clusters: int
    hits_sum: int
    n_sum: int
    hits_hits: int
    hits_n: int
    n_n: int


def share_statistic(sums: Clusters) -> dict[str, Any]:
    """p = Σhits / Σn with Wilson's interval for an effective n = p(1−p) / var(p).

    var(p) = m/(m−1) · Σ(hits − p·n)² / (Σn)² over m clusters, the linearised variance of a ratio; Wilson's
    interval at the effective size is Korn and Graubard's idea (1998). Where p is 0 or 1, or m is 1, a
    cluster counts once.
    """
    if not sums.n_sum:
        return {"value": None, "reason": "nothing asked yet"}
    share = sums.hits_sum / sums.n_sum
    low, high = _wilson(share, _effective_size(sums, share))
    return {"value": share, "low": low, "high": high, "n": sums.n_sum}


def _effective_size(sums: Clusters, share: float) -> float:
    if sums.hits_sum in (0, sums.n_sum) or sums.clusters == 1:
        return sums.clusters
    squares = sums.hits_hits - 2 * share * sums.hits_n + share * share * sums.n_n
    variance = sums.clusters / (sums.clusters - 1) * max(squares, 0.0) / sums.n_sum**2
    return min(sums.n_sum, share * (1 - share) / variance) if variance > 0 else sums.n_sum


def _wilson(share: float, n: float) -> tuple[float, float]:
    centre = (share + Z * Z / (2 * n)) / (1 + Z * Z / n)
    half = Z / (1 + Z * Z / n) * math.sqrt(share * (1 - share) / n + Z * Z / (4 * n * n))
    return max(0.0, centre - half), min(1.0, centre + half)
