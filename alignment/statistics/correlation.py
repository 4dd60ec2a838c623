"""Rank correlation of two raters' scores where values hardly repeat, and within each prompt.

Kendall's pairs are counted row by row in O(n log n); its interval is the delta method's over clusters, since no table
of counts is small enough to be drawn again and again.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

from alignment.statistics.intervals import DEFAULT, Resampling, cluster_mean, numbered
from alignment.statistics.results import Statistic
from alignment.statistics.verdicts import Codes, Floats, as_codes, coded, same_length


def kendall_of_many(
    first: Floats, second: Floats, clusters: Codes, resampling: Resampling = DEFAULT
) -> Statistic:
    """Kendall's tau-b (1945): Σ sign(Δx) sign(Δy) over every two rows, over √(pairs untied in x · untied in y).

    A row's influence is 2 sᵢ/√(UV) − τ (uᵢ/U + vᵢ/V), with s, u and v its own part of the three sums (Noether 1967).
    """
    one, two = coded(first)[1], coded(second)[1]
    n = len(one)
    untied_one, untied_two = _untied(one), _untied(two)
    below = float(np.sqrt(untied_one.sum()) * np.sqrt(untied_two.sum()))
    if not below:
        return Statistic.undefined("no variation" if n else "no data", n)
    signs = _signs(one, two)
    tau = float(signs.sum() / below)
    influence = 2 * signs / below - tau * (untied_one / untied_one.sum() + untied_two / untied_two.sum())
    group, width = numbered(clusters)
    moved = np.bincount(group, influence, minlength=width)[np.bincount(group, minlength=width) > 0]
    if len(moved) < 2:
        return Statistic(tau, None, None, n, "one cluster only")
    half = float(
        special.ndtri((1 + resampling.level) / 2) * np.sqrt((moved**2).sum() * len(moved) / (len(moved) - 1))
    )
    return Statistic(tau, max(-1.0, tau - half), min(1.0, tau + half), n)


def _untied(codes: Codes) -> Floats:
    """How many rows have another value, of each row."""
    return (len(codes) - np.bincount(codes, minlength=1)[codes]).astype(np.float64)


def _signs(one: Codes, two: Codes) -> Floats:
    """Σ sign(xᵢ − x) sign(yᵢ − y) over the other rows, of each row i."""
    back_one, back_two = -one, -two
    alike = _dominated(one, two) + _dominated(back_one, back_two)
    return (alike - _dominated(one, back_two) - _dominated(back_one, two)).astype(np.float64)


def _dominated(one: Codes, two: Codes) -> Codes:
    """How many rows are smaller in both, of each row: the pairs a merge sort meets, a level of it at a time."""
    n = len(one)
    place = np.empty(n, dtype=np.int64)
    place[np.lexsort((-two, one))] = np.arange(
        n
    )  # of equal x the larger y first: none of them is smaller in both
    found = np.zeros(n, dtype=np.int64)
    by_second = np.lexsort((-place, two))  # of equal y the later place first, so that it counts no equal
    for bit in range(max(1, n - 1).bit_length()):
        block = place[by_second] >> (bit + 1)
        order = by_second[np.argsort(block, kind="stable")]
        late = ((place[order] >> bit) & 1).astype(np.bool_)
        early = np.cumsum(~late)
        start = np.searchsorted(place[order] >> (bit + 1), place[order][late] >> (bit + 1))
        found[order[late]] += early[late] - np.where(start > 0, early[np.maximum(start - 1, 0)], 0)
    return found


Coefficient = Literal["spearman", "kendall_tau_b"]


def within_prompts(
    first: ArrayLike,
    second: ArrayLike,
    prompts: ArrayLike,
    *,
    coefficient: Coefficient,
    resampling: Resampling = DEFAULT,
) -> Statistic:
    """The mean over prompts of the rank correlation within each, every prompt counting alike.

    n counts the prompts in which both raters' values vary, ``excluded`` the others.
    """
    one, two = np.asarray(first, dtype=np.float64), np.asarray(second, dtype=np.float64)
    group, _ = numbered(as_codes(prompts, "prompts"))
    same_length(first=one, second=two, prompts=group)
    met, index = np.unique(group, return_inverse=True)
    found = {"spearman": _spearman_each, "kendall_tau_b": _kendall_each}[coefficient](one, two, index)
    defined = ~np.isnan(found)
    kept = found[defined]
    return cluster_mean(kept, met[defined], excluded=int((~defined).sum()), resampling=resampling)


def _spearman_each(one: Floats, two: Floats, group: Codes) -> Floats:
    ranks = [_ranks_within(values, group) for values in (one, two)]
    size = np.bincount(group).astype(np.float64)
    a, b = (rank - (np.bincount(group, rank) / size)[group] for rank in ranks)
    return _over(_sums(group, a * b), np.sqrt(_sums(group, a * a) * _sums(group, b * b)))


def _sums(group: Codes, values: Floats) -> Floats:
    return np.bincount(group, values).astype(np.float64)


def _over(above: Floats, below: Floats) -> Floats:
    return np.where(below > 1e-12, above / np.where(below > 1e-12, below, 1.0), np.nan)


def _ranks_within(values: Floats, group: Codes) -> Floats:
    """Mid-ranks of the values among those of the same group."""
    order = np.lexsort((values, group))
    ordered, owner = values[order], group[order]
    new = np.concatenate([[True], (ordered[1:] != ordered[:-1]) | (owner[1:] != owner[:-1])])
    run = np.cumsum(new) - 1
    start = np.flatnonzero(new)
    length = np.diff(np.append(start, len(values)))
    ranks = np.empty(len(values))
    ranks[order] = (start + (length - 1) / 2)[run]
    return ranks


def _kendall_each(one: Floats, two: Floats, group: Codes) -> Floats:
    order = np.argsort(group, kind="stable")
    owner, a, b = group[order], one[order], two[order]
    sums = np.zeros((3, int(owner[-1]) + 1 if len(owner) else 0))
    for lag in range(1, int(np.bincount(owner, minlength=1).max())):
        left = np.flatnonzero(owner[:-lag] == owner[lag:])
        x, y = np.sign(a[left] - a[left + lag]), np.sign(b[left] - b[left + lag])
        for row, values in zip(sums, (x * y, x * x, y * y), strict=True):
            row += np.bincount(owner[left], values, minlength=len(row))
    return _over(sums[0], np.sqrt(sums[1] * sums[2]))
