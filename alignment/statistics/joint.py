"""Two raters' ratings of the same rows as a table of the joint cells that occur: what their agreement is made of.

Each functional maps the cells' counts (replicates × cells) to a value a replicate, NaN where it is undefined, so one
drawing of the table gives every statistic of the two raters its interval.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from alignment.statistics.intervals import Sample, Table, cell_sample, one_hot
from alignment.statistics.verdicts import TIE, Codes, Floats, coded

Weights = Literal["nominal", "linear", "quadratic"]
Functional = Callable[["Joint", Floats], Floats]
_MOST_GRID = 1 << 16  # cells of the full table up to which Kendall's pairs are counted on it


def mid_ranks(margins: Floats) -> Floats:
    """The mid-rank of each value from how often each was given (replicates × values), less the mean rank."""
    ranks: Floats = np.cumsum(margins, axis=1) - (margins + margins.sum(axis=1, keepdims=True)) / 2
    return ranks


def chance_corrected(observed: Floats, expected: Floats) -> Floats:
    """1 − observed / expected disagreement, NaN where chance alone never disagrees."""
    defined = expected > 0
    return np.where(defined, 1 - observed / np.where(defined, expected, 1.0), np.nan)


@dataclass(frozen=True)
class Joint:
    """``levels`` (K, ascending): the values that occur; ``first`` and ``second`` (cells): the level each rater gave.

    ``sample`` holds the cells' counts by cluster; ``n`` rows were used, ``excluded`` lacked one of the two.
    """

    levels: Floats
    first: Codes
    second: Codes
    sample: Sample
    n: int
    excluded: int

    @cached_property
    def same(self) -> Floats:
        return np.asarray(self.first == self.second, dtype=np.float64)

    @cached_property
    def sides(self) -> tuple[Table, Table]:
        """Indicators (levels × cells) of what each rater gave."""
        one, two = (one_hot(codes, len(self.levels)).T.tocsr() for codes in (self.first, self.second))
        return one, two

    def margins(self, counts: Floats) -> tuple[Floats, Floats]:
        """How often each rater gave each level (replicates × levels)."""
        one, two = self.sides
        return np.asarray(one @ counts.T).T, np.asarray(two @ counts.T).T


def joint(
    first: ArrayLike, second: ArrayLike, clusters: ArrayLike, *, used: ArrayLike | None = None
) -> Joint:
    """The joint table of two raters' values (rows): finite numbers, or NaN for none.

    ``used`` (rows) marks those that count where others, asked of both, are to be left out.
    """
    one, two = np.asarray(first, dtype=np.float64), np.asarray(second, dtype=np.float64)
    groups = np.asarray(clusters)
    both = ~(np.isnan(one) | np.isnan(two)) if used is None else np.asarray(used, dtype=np.bool_)
    n = int(both.sum())
    excluded = len(one) - n
    levels, codes = coded(np.concatenate([one[both], two[both]]) if excluded else np.concatenate([one, two]))
    width = len(levels)
    cells = codes[:n] * width + codes[n:]
    if width * width <= _MOST_GRID:
        return _joint_of(
            levels, cells, np.arange(width * width), groups[both] if excluded else groups, n, excluded
        )
    met, place = np.unique(cells, return_inverse=True)
    return _joint_of(levels, place, met, groups[both], n, excluded)


def _joint_of(levels: Floats, cells: Codes, met: Codes, clusters: Codes, n: int, excluded: int) -> Joint:
    width = max(1, len(levels))
    sample = (
        cell_sample(clusters, cells, len(met))
        if n
        else Sample(np.zeros((0, len(met))), np.zeros(0, np.int64), 0)
    )
    return Joint(levels, met // width, met % width, sample, n, excluded)


def with_excluded(table: Joint, excluded: int) -> Joint:
    """The same table, of raters who lacked a verdict on so many rows more."""
    return replace(table, excluded=table.excluded + excluded)


def agreement(table: Joint, counts: Floats) -> Floats:
    """The share of rows on which both gave the same level."""
    shares: Floats = counts @ table.same / counts.sum(axis=1)
    return shares


def cohen(table: Joint, counts: Floats, weights: Weights) -> Floats:
    """Kappa: a disagreement costs 1, |x − y| or (x − y)²; expected is what it costs where the two are independent."""
    gap = table.levels[table.first] - table.levels[table.second]
    observed = counts @ _cost(gap, weights)
    one, two = table.margins(counts)
    n = counts.sum(axis=1)
    return chance_corrected(observed * n, _EXPECTED[weights](table.levels, one, two, n))


def _cost(gap: Floats, weights: Weights) -> Floats:
    if weights == "nominal":
        return np.asarray(gap != 0, dtype=np.float64)
    return np.abs(gap) if weights == "linear" else gap * gap


def _expected_nominal(_levels: Floats, one: Floats, two: Floats, n: Floats) -> Floats:
    expected: Floats = n * n - (one * two).sum(axis=1)
    return expected


def _expected_linear(levels: Floats, one: Floats, two: Floats, n: Floats) -> Floats:
    """Σ |x − y| over every two rows, by how many lie on either side of each gap between levels."""
    below, under = np.cumsum(one, axis=1)[:, :-1], np.cumsum(two, axis=1)[:, :-1]
    whole = n[:, None]
    expected: Floats = (below * (whole - under) + under * (whole - below)) @ np.diff(levels)
    return expected


def _expected_quadratic(levels: Floats, one: Floats, two: Floats, n: Floats) -> Floats:
    centred = levels - levels.mean()
    squares = n * ((one + two) @ centred**2)
    expected: Floats = squares - 2 * (one @ centred) * (two @ centred)
    return np.where(expected > _ROUNDING * squares, expected, 0.0)


_ROUNDING = 1e-12
_EXPECTED = {"nominal": _expected_nominal, "linear": _expected_linear, "quadratic": _expected_quadratic}


def symmetric(table: Joint, counts: Floats) -> Floats:
    """Symmetric kappa of verdicts on pairs: pe = (1 − t₁)(1 − t₂)/2 + t₁t₂, t the tie rates."""
    n = counts.sum(axis=1)
    ties, others = (counts @ (table.levels[side] == TIE) / n for side in (table.first, table.second))
    expected = (1 - ties) * (1 - others) / 2 + ties * others
    return chance_corrected(1 - counts @ table.same / n, 1 - expected)


def gwet(table: Joint, counts: Floats, weights: Weights) -> Floats:
    """AC1 (nominal) and AC2: pe = Σ w / (q(q − 1)) · Σ π(1 − π), π a level's mean share, q the levels that occur."""
    weigh, total = agreement_weights(table.levels, weights)
    q = len(table.levels)
    n = counts.sum(axis=1)
    observed = counts @ weigh(table.levels[table.first] - table.levels[table.second]) / n
    one, two = table.margins(counts)
    share = (one + two) / (2 * n[:, None])
    if q < 2:
        return np.full(len(counts), np.nan)
    expected = total / (q * (q - 1)) * (share * (1 - share)).sum(axis=1)
    return chance_corrected(1 - observed, 1 - expected)


def agreement_weights(levels: Floats, weights: Weights) -> tuple[Callable[[Floats], Floats], float]:
    """How much a gap between two levels still agrees, 1 for none and 0 for the widest, and the sum over all levels²."""
    span = float(np.ptp(levels)) if len(levels) > 1 else 1.0
    widest = span if weights == "linear" else span * span

    def weigh(gap: Floats) -> Floats:
        return 1 - _cost(gap, weights) / (1.0 if weights == "nominal" else widest)

    if weights == "nominal":
        return weigh, float(len(levels))
    total = sum(float(weigh(levels - level).sum()) for level in levels)
    return weigh, total


def spearman(table: Joint, counts: Floats) -> Floats:
    """Pearson's correlation of mid-ranks, which every replicate takes anew from its own margins."""
    margin_one, margin_two = table.margins(counts)
    one, two = mid_ranks(margin_one), mid_ranks(margin_two)
    spread = (margin_one * one**2).sum(axis=1) * (margin_two * two**2).sum(axis=1)
    shared = (counts * one[:, table.first] * two[:, table.second]).sum(axis=1)
    return _ratio(shared, np.sqrt(spread))


def _ratio(above: Floats, below: Floats) -> Floats:
    defined = below > 0
    return np.where(defined, above / np.where(defined, below, 1.0), np.nan)


def has_grid(table: Joint) -> bool:
    """Whether the table holds every cell of levels × levels, in order, as ``kendall`` needs it."""
    return len(table.first) == len(table.levels) ** 2


def kendall(table: Joint, counts: Floats) -> Floats:
    """Tau-b: (concordant − discordant) / √(pairs not tied by the one · pairs not tied by the other)."""
    width = len(table.levels)
    grid = counts.reshape(-1, width, width)
    below = np.cumsum(np.cumsum(grid, axis=1), axis=2)
    concordant = (grid[:, 1:, 1:] * below[:, :-1, :-1]).sum(axis=(1, 2))
    right = np.cumsum(np.cumsum(grid, axis=1)[:, :, ::-1], axis=2)[:, :, ::-1]
    discordant = (grid[:, 1:, :-1] * right[:, :-1, 1:]).sum(axis=(1, 2))
    n = counts.sum(axis=1)
    untied = [(n * n - (margin**2).sum(axis=1)) / 2 for margin in table.margins(counts)]
    return _ratio(concordant - discordant, np.sqrt(np.maximum(untied[0] * untied[1], 0)))
