"""What sways a rater besides the content: where a response stands, how long it is, who wrote it, and how lenient the
rater is. Verdicts are by canonical position; every interval resamples ``clusters``, the prompt of each row.
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
    cluster_mean,
    cluster_share,
    cluster_table,
    numbered,
)
from alignment.statistics.logistic import fit_logistic
from alignment.statistics.results import Statistic
from alignment.statistics.verdicts import FIRST, MISSING, SECOND, TIE, Codes, Floats, as_codes, same_length

_CREDIT = np.array([1.0, 0.0, 0.5, np.nan])  # of the first response, by verdict; MISSING is the last


def _credit(verdicts: ArrayLike, name: str) -> Floats:
    codes = as_codes(verdicts, name)
    if codes.size and not MISSING <= codes.min() <= codes.max() <= TIE:
        raise ValueError(f"{name} must be FIRST, SECOND, TIE or MISSING")
    return _CREDIT[codes]


class PositionBias(NamedTuple):
    """``consistency``: how often both orders give one verdict. ``first_shown``: how often the response shown first is
    preferred, ties half, .5 without bias. ``p``: of a sign test over prompts that both sides are liked alike, with the
    prompts that lean to the first (``primacy``) and to the second (``recency``)."""

    consistency: Statistic
    first_shown: Statistic
    primacy: int
    recency: int
    p: float | None


def position_bias(
    as_given: ArrayLike, turned: ArrayLike, clusters: ArrayLike, *, resampling: Resampling = DEFAULT
) -> PositionBias:
    """A judge's verdicts on the same pairs in two orders: ``as_given`` with the canonical first response shown first,
    ``turned`` with it shown second; both are verdicts on the canonical responses. Pairs without both are excluded."""
    given, other = _credit(as_given, "as_given"), _credit(turned, "turned")
    group = as_codes(clusters, "clusters")
    same_length(as_given=given, turned=other, clusters=group)
    both = ~np.isnan(given + other)
    given, other, group = given[both], other[both], group[both]
    excluded = int((~both).sum())
    consistency = cluster_share(
        (given == other).astype(np.float64), group, excluded=excluded, resampling=resampling
    )
    first = (given + 1 - other) / 2
    index, width = numbered(group)
    lean = np.bincount(index, 2 * first - 1, minlength=width)
    primacy, recency = int((lean > 1e-9).sum()), int((lean < -1e-9).sum())
    return PositionBias(
        consistency,
        cluster_share(first, group, excluded=excluded, resampling=resampling),
        primacy,
        recency,
        sign_test(primacy, recency),
    )


def sign_test(more: int, less: int) -> float | None:
    """Exact two-sided p that both are as likely (Arbuthnott 1710); None where nothing was seen."""
    n = more + less
    return min(1.0, 2 * float(special.bdtr(min(more, less), n, 0.5))) if n else None


class LengthBias(NamedTuple):
    """``longer``: how often the longer response is preferred, ties half. ``slope``: the log odds of being preferred
    that doubling the length relative to the other brings. ``curve``: (least, most, share) with the response between so
    many and so many times as long, in classes of equal number."""

    longer: Statistic
    slope: Statistic
    curve: list[tuple[float, float, Statistic]]


def length_bias(
    verdicts: ArrayLike,
    first_length: ArrayLike,
    second_length: ArrayLike,
    clusters: ArrayLike,
    *,
    classes: int = 5,
    resampling: Resampling = DEFAULT,
) -> LengthBias:
    """Preference against length, in any unit above 0. Rows without a verdict or with equal lengths are excluded.

    This is not bias yet: longer answers can be better. Held against the people's on the same rows (``credit_gap``), or
    as a covariate of ``bradley_terry``, it is.
    """
    credit, group = _credit(verdicts, "verdicts"), as_codes(clusters, "clusters")
    one, two = (np.asarray(length, dtype=np.float64) for length in (first_length, second_length))
    same_length(verdicts=credit, first_length=one, second_length=two, clusters=group)
    if one.size and min(one.min(), two.min()) <= 0:
        raise ValueError("lengths must be more than 0")
    kept = ~np.isnan(credit) & (one != two)
    ratio = np.log2(one[kept] / two[kept])
    longer = np.where(ratio > 0, credit[kept], 1 - credit[kept])
    group, times = group[kept], np.abs(ratio)
    excluded = int((~kept).sum())
    share = cluster_share(longer, group, excluded=excluded, resampling=resampling)
    slope = _slope(ratio, credit[kept], group, resampling.level)
    return LengthBias(share, slope, _curve(times, longer, group, classes, resampling))


def _slope(ratio: Floats, credit: Floats, clusters: Codes, level: float) -> Statistic:
    n = len(ratio)
    if len(np.unique(clusters)) < 2 or len(np.unique(credit)) < 2:
        return Statistic.undefined("no variation" if n else "no data", n)
    fitted = fit_logistic(
        ratio[:, None], credit, weights=np.ones(n), clusters=clusters, penalty=np.full((1, 1), 1e-6)
    )
    value = float(fitted.coefficients[0])
    half = float(special.ndtri((1 + level) / 2) * np.sqrt(fitted.covariance[0, 0]))
    return Statistic(value, value - half, value + half, n)


def _curve(
    times: Floats, longer: Floats, clusters: Codes, classes: int, resampling: Resampling
) -> list[tuple[float, float, Statistic]]:
    if not len(times):
        return []
    bounds = np.unique(np.quantile(times, np.linspace(0, 1, classes + 1)))
    within = np.clip(np.searchsorted(bounds, times, side="right") - 1, 0, max(len(bounds) - 2, 0))
    found = []
    for part in np.unique(within):
        rows = within == part
        share = cluster_share(longer[rows], clusters[rows], resampling=resampling)
        found.append((float(2 ** times[rows].min()), float(2 ** times[rows].max()), share))
    return found


class Gap(NamedTuple):
    """How often the ``judge`` and the ``people`` prefer what is asked about, ties half, and the ``difference``."""

    judge: Statistic
    people: Statistic
    difference: Statistic


def credit_gap(
    judge: ArrayLike,
    people: ArrayLike,
    favoured: ArrayLike,
    clusters: ArrayLike,
    *,
    resampling: Resampling = DEFAULT,
) -> Gap:
    """Whether a judge prefers something more than people do on the same rows, drawn together.

    ``favoured`` (rows): FIRST or SECOND, the response asked about (the longer one, the one of the judge's own family),
    or MISSING where neither or both is. ``judge`` and ``people`` (rows) are verdicts, people's for instance their
    majority.
    """
    side, group = as_codes(favoured, "favoured"), as_codes(clusters, "clusters")
    by_judge, by_people = _credit(judge, "judge"), _credit(people, "people")
    same_length(favoured=side, judge=by_judge, people=by_people, clusters=group)
    kept = ((side == FIRST) | (side == SECOND)) & ~np.isnan(by_judge + by_people)
    first = side[kept] == FIRST
    ours, theirs = (np.where(first, credit[kept], 1 - credit[kept]) for credit in (by_judge, by_people))
    table = cluster_table(group[kept], np.column_stack([ours, theirs, np.ones(len(ours))]))
    drawn = bootstrap_all(
        table,
        {
            "judge": lambda totals: totals[:, 0] / totals[:, 2],
            "people": lambda totals: totals[:, 1] / totals[:, 2],
            "difference": lambda totals: (totals[:, 0] - totals[:, 1]) / totals[:, 2],
        },
        n=len(ours),
        excluded=int((~kept).sum()),
        resampling=resampling,
        shares=("judge", "people"),
    )
    return Gap(**drawn)


def own_family(judge_family: str, first: list[str], second: list[str]) -> Codes:
    """``favoured`` for ``credit_gap``: the response of the judge's own family, where exactly one of the two is."""
    sides = {(True, False): FIRST, (False, True): SECOND}
    owns = ((one == judge_family, two == judge_family) for one, two in zip(first, second, strict=True))
    return np.array([sides.get(own, MISSING) for own in owns], dtype=np.int64)


def leniency(
    judge: ArrayLike,
    people: ArrayLike,
    criteria: ArrayLike,
    clusters: ArrayLike,
    *,
    resampling: Resampling = DEFAULT,
) -> dict[int, Statistic]:
    """By criterion, the mean of the judge's score less the people's mean score of the same response.

    One row a response and criterion; NaN where either gave none, which is counted as excluded.
    """
    gap = np.asarray(judge, dtype=np.float64) - np.asarray(people, dtype=np.float64)
    criterion, group = as_codes(criteria, "criteria"), as_codes(clusters, "clusters")
    same_length(judge=gap, criteria=criterion, clusters=group)
    known = ~np.isnan(gap)
    found = {}
    for code in np.unique(criterion).tolist():
        rows = criterion == code
        kept = rows & known
        found[code] = cluster_mean(
            gap[kept], group[kept], excluded=int((rows & ~known).sum()), resampling=resampling
        )
    return found
