"""Models ranked by who is preferred to whom: Bradley–Terry with ties, intervals and what style adds.

Bradley and Terry (1952). The chance that i is preferred to j is 1 / (1 + exp(θ_j − θ_i)); a tie is half a win for each
(as is usual since Glickman 1999). Strengths sum to 0. A small ridge keeps them finite where a model won or lost
everything; models that no chain of comparisons connects have no common scale and are refused.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy import sparse, special
from scipy.sparse.csgraph import connected_components

from alignment.statistics.intervals import DEFAULT, Resampling, Table, all_different, side_by_side
from alignment.statistics.logistic import Logistic, fit_logistic
from alignment.statistics.results import Statistic
from alignment.statistics.verdicts import MISSING, TIE, Codes, Floats, as_codes, same_length

_CREDIT = np.array([1.0, 0.0, 0.5])
RIDGE = 1e-8
_DENSE = 1 << 22  # numbers of a design that is held whole
ELO = 400 / np.log(10)  # points of the Elo scale a unit of strength


class Disconnected(ValueError):
    """No chain of comparisons leads from some models to others; ``parts`` holds the models of each part."""

    def __init__(self, parts: list[list[int]]) -> None:
        super().__init__(
            f"the models fall into {len(parts)} parts that were never compared with each other: {parts}"
        )
        self.parts = parts


@dataclass(frozen=True)
class Ranking:
    """``strengths`` (models): θ with its interval, n its comparisons; ``styles``: of each covariate, the same.

    ``covariance`` is of the strengths. ``order`` names the models from the strongest; ``best`` and ``worst`` (models)
    are the ranks between which each surely lies: one plus how many are surely stronger, and so on.
    """

    strengths: list[Statistic]
    styles: list[Statistic]
    covariance: Floats
    order: list[int]
    best: list[int]
    worst: list[int]

    def chance(self, one: int, other: int) -> float:
        """How often ``one`` is preferred to ``other``."""
        strengths = [self.strengths[model].value or 0.0 for model in (one, other)]
        return float(special.expit(strengths[0] - strengths[1]))


def bradley_terry(
    first: ArrayLike,
    second: ArrayLike,
    verdicts: ArrayLike,
    clusters: ArrayLike,
    *,
    n_models: int,
    styles: ArrayLike | None = None,
    ridge: float = RIDGE,
    resampling: Resampling = DEFAULT,
) -> Ranking:
    """Rank models from rows: the models compared, FIRST, SECOND, TIE or MISSING, and the prompt.

    ``styles`` (rows × covariates) are differences, first less second, of what may please whatever the content, such as
    length: each gets a coefficient of its own, per standard deviation, and the strengths are what is left without it
    (style control as in Chatbot Arena; Li et al. 2024). Intervals are normal ones from the clustered covariance.
    Raises Disconnected.
    """
    one, two = as_codes(first, "first"), as_codes(second, "second")
    verdict, group = as_codes(verdicts, "verdicts"), as_codes(clusters, "clusters")
    same_length(first=one, second=two, verdicts=verdict, clusters=group)
    if len(verdict) and not MISSING <= verdict.min() <= verdict.max() <= TIE:
        raise ValueError("verdicts must be FIRST, SECOND, TIE or MISSING")
    kept = (verdict != MISSING) & (one != two)
    one, two, verdict, group = one[kept], two[kept], verdict[kept], group[kept]
    _connected(one, two, n_models)
    style = np.zeros((len(one), 0)) if styles is None else _scaled(np.asarray(styles, dtype=np.float64)[kept])
    fitted = _fit(one, two, verdict, group, style, n_models, ridge)
    games = np.bincount(one, minlength=n_models) + np.bincount(two, minlength=n_models)
    return _ranking(fitted, games, n_models, style.shape[1], resampling.level)


def _connected(one: Codes, two: Codes, n_models: int) -> None:
    graph = sparse.coo_array((np.ones(len(one)), (one, two)), shape=(n_models, n_models))
    count, part = connected_components(graph, directed=False)
    if count > 1:
        raise Disconnected([np.flatnonzero(part == index).tolist() for index in range(count)])


def _scaled(style: Floats) -> Floats:
    spread = style.std(axis=0)
    scaled: Floats = style / np.where(spread > 0, spread, 1.0)
    return scaled


def _fit(
    one: Codes, two: Codes, verdict: Codes, group: Codes, style: Floats, n_models: int, ridge: float
) -> Logistic:
    """By rows, or where nothing but the models tells rows apart, by how often each outcome of each two occurs."""
    weights = np.ones(len(one))
    if not style.shape[1] and all_different(group):
        cells = np.bincount((one * n_models + two) * 3 + verdict, minlength=3 * n_models**2)
        met = np.flatnonzero(cells)
        weights, group = cells[met].astype(np.float64), np.arange(len(met))
        one, two, verdict, style = met // 3 // n_models, met // 3 % n_models, met % 3, np.zeros((len(met), 0))
    rows = len(one)
    signs = np.repeat([1.0, -1.0], rows)
    places = (np.tile(np.arange(rows), 2), np.concatenate([one, two]))
    models: Table = sparse.csr_array((signs, places), shape=(rows, n_models))
    if rows * (n_models + style.shape[1]) <= _DENSE:
        design: Table | Floats = np.column_stack([models.toarray(), style])
    else:
        design = side_by_side(models, style)
    penalty = ridge * np.eye(design.shape[1])
    penalty[:n_models, :n_models] += 1  # the sum, which is free, is held at 0
    return fit_logistic(design, _CREDIT[verdict], weights=weights, clusters=group, penalty=penalty)


def _ranking(fitted: Logistic, games: Codes, n_models: int, covariates: int, level: float) -> Ranking:
    z = float(special.ndtri((1 + level) / 2))
    centre = np.eye(n_models + covariates)
    centre[:n_models, :n_models] -= 1 / n_models
    theta, spread = centre @ fitted.coefficients, centre @ fitted.covariance @ centre.T
    error = z * np.sqrt(np.maximum(np.diag(spread), 0))
    total = int(games.sum()) // 2
    n = [*games.tolist(), *[total] * covariates]
    found = [
        Statistic(value, value - half, value + half, count)
        for value, half, count in zip(theta.tolist(), error.tolist(), n, strict=True)
    ]
    covariance = spread[:n_models, :n_models]
    variance = np.diag(covariance)
    apart = z * np.sqrt(np.maximum(variance[:, None] + variance - 2 * covariance, 0))
    ahead = theta[:n_models, None] - theta[:n_models] > apart  # surely stronger than
    np.fill_diagonal(ahead, False)
    return Ranking(
        strengths=found[:n_models],
        styles=found[n_models:],
        covariance=covariance,
        order=np.argsort(-theta[:n_models], kind="stable").tolist(),
        best=(1 + ahead.sum(axis=0)).tolist(),
        worst=(n_models - ahead.sum(axis=1)).tolist(),
    )
