"""Logistic regression on few columns, with errors that take clusters for dependent: under rankings and calibration.

Newton's method on the penalised likelihood; covariance H⁻¹ (Σ_g s_g s_gᵀ) H⁻¹ with s_g the score of a cluster (the
sandwich; Liang and Zeger 1986), times G/(G − 1).
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from scipy import sparse, special

from alignment.statistics.intervals import Table, numbered, one_hot
from alignment.statistics.verdicts import Codes, Floats

_MAX_STEPS = 50
_TOLERANCE = 1e-10


class Logistic(NamedTuple):
    """``coefficients`` (columns) and their ``covariance``; ``converged`` is whether Newton's steps came to rest."""

    coefficients: Floats
    covariance: Floats
    converged: bool


def fit_logistic(
    design: Table | Floats, outcome: Floats, *, weights: Floats, clusters: Codes, penalty: Floats
) -> Logistic:
    """P(1) = 1 / (1 + exp(−x β)) for rows x of ``design`` (rows × columns).

    ``outcome`` (rows) lies between 0 and 1, a tie being .5. ``weights`` (rows) count how often a row occurs,
    ``penalty`` (columns × columns) costs βᵀ P β / 2. ``clusters`` (rows) are what is independent.
    """
    x = design
    beta = np.zeros(x.shape[1])
    moved, steps = np.inf, 0
    while moved > _TOLERANCE and steps < _MAX_STEPS:
        chance = special.expit(np.asarray(x @ beta))
        gradient = x.T @ (weights * (outcome - chance)) - penalty @ beta
        step = np.linalg.solve(_hessian(x, weights * chance * (1 - chance), penalty), gradient)
        moved, steps = float(np.abs(step).max(initial=0.0)), steps + 1
        beta = beta + step * min(
            1.0, 5.0 / moved if moved else 1.0
        )  # far from the top a whole step may overshoot
    chance = special.expit(np.asarray(x @ beta))
    inverse = np.linalg.inv(_hessian(x, weights * chance * (1 - chance), penalty))
    spread = _score_spread(x, outcome - chance, weights, clusters)
    return Logistic(beta, inverse @ spread @ inverse, moved <= _TOLERANCE)


def _hessian(x: Table | Floats, weights: Floats, penalty: Floats) -> Floats:
    return _dense(x.T @ _scaled(x, weights)) + penalty


def _scaled(x: Table | Floats, weights: Floats) -> Table | Floats:
    if isinstance(x, np.ndarray):
        return x * weights[:, None]
    return sparse.csr_array(x.multiply(weights[:, None]))


def _dense(product: Any) -> Floats:
    dense: Floats = product if isinstance(product, np.ndarray) else product.toarray()
    return dense


def _score_spread(x: Table | Floats, residual: Floats, weights: Floats, clusters: Codes) -> Floats:
    """Σ s sᵀ over clusters, times G/(G − 1). Each of ``weights`` rows alike is a cluster where no cluster repeats."""
    group, width = numbered(clusters)
    sizes = np.bincount(group, minlength=width)
    if sizes.max(initial=0) <= 1:
        scores: Any = _scaled(x, residual * np.sqrt(weights))
        count = float(weights.sum())
    else:
        scores = one_hot(group, width).T @ _scaled(x, residual * weights)
        count = float(np.count_nonzero(sizes))
    return _dense(scores.T @ scores) * (count / max(count - 1, 1))
