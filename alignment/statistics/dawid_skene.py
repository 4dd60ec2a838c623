"""Many raters' labels to one a item, each rater with a confusion matrix of their own (Dawid and Skene 1979).

The general model, for any number of classes; ``aggregation`` has the one-coin model that the policy uses on pairs.
Labels come as rows: ``items`` (0 to n_items − 1), ``raters`` and ``labels`` (0 to n_classes − 1); a missing label has
no row. ``weights`` (rows) say how much each counts: ``family_weights`` keeps judges of one family from outvoting all.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy import sparse

from alignment.statistics.intervals import one_hot
from alignment.statistics.verdicts import MISSING, Codes, Floats, as_codes, no_missing, same_length

_TOLERANCE = 1e-7  # of the observed log-likelihood per label
_MAX_ITERATIONS = 500
_FLOOR = 1e-12  # of a chance, so that a label that a rater never gave does not rule a class out for good


@dataclass(frozen=True)
class DawidSkene:
    """``posterior`` (items × classes); ``prior`` (classes); ``confusion`` (raters × classes × labels): the chance that
    a rater gives a label where a class is true. ``log_likelihood`` is per label, ``converged`` whether it had
    settled."""

    posterior: Floats
    prior: Floats
    confusion: Floats
    log_likelihood: float
    iterations: int
    converged: bool


def family_weights(items: ArrayLike, families: ArrayLike, *, most: float = 1.0) -> Floats:
    """A weight for each row, so that the raters of one family count for at most ``most`` together on an item.

    Judges made from one base model err alike: five of them are hardly more evidence than one. ``families`` (rows) names
    each rater's; give every person a family of their own. ``most`` 1 merges a family into one voice.
    """
    item, family = as_codes(items, "items"), as_codes(families, "families")
    same_length(items=item, families=family)
    if most <= 0:
        raise ValueError("a family must be allowed some weight, more than 0")
    _, place, size = np.unique(
        item * (int(family.max(initial=0)) + 1) + family, return_inverse=True, return_counts=True
    )
    weights: Floats = np.minimum(1.0, most / size[place])
    return weights


def fit_dawid_skene(
    items: ArrayLike,
    raters: ArrayLike,
    labels: ArrayLike,
    *,
    n_items: int,
    n_raters: int,
    n_classes: int,
    weights: ArrayLike | None = None,
    gold: ArrayLike | None = None,
    smoothing: float = 1.0,
) -> DawidSkene:
    """Expectation maximisation, started from the votes, until the log-likelihood per label moves by less than 1e-7.

    Every rater starts with ``smoothing`` labels as all raters together gave them, so that who labelled little is taken
    for an average rater; 0 is the model of 1979. ``gold`` (n_items) fixes the class of items that are known, MISSING
    elsewhere. An item without labels has the prior.
    """
    item, rater, label = as_codes(items, "items"), as_codes(raters, "raters"), as_codes(labels, "labels")
    weight = np.ones(len(item)) if weights is None else np.asarray(weights, dtype=np.float64)
    same_length(items=item, raters=rater, labels=label, weights=weight)
    no_missing(label)
    if label.max(initial=0) >= n_classes:
        raise ValueError(f"labels must be below n_classes, {n_classes}")
    known = np.full(n_items, MISSING, dtype=np.int64) if gold is None else as_codes(gold, "gold")
    if (item[1:] < item[:-1]).any():
        order = np.argsort(item, kind="stable")
        item, rater, label, weight = item[order], rater[order], label[order], weight[order]
    ends = np.concatenate([[0], np.cumsum(np.bincount(item, minlength=n_items))])
    table = sparse.csr_array((weight, rater * n_classes + label, ends), shape=(n_items, n_raters * n_classes))
    return _Fit(table, known, n_classes, smoothing).run()


class _Fit:
    """Items with the same labels are one row (patterns × raters·classes) that counts as often as it occurs."""

    def __init__(self, table: sparse.csr_array, known: Codes, classes: int, smoothing: float) -> None:
        anchors = one_hot(known + 1, classes + 1)[:, 1:] if (known >= 0).any() else None
        whole = table if anchors is None else sparse.csr_array(sparse.hstack([table, anchors], format="csr"))
        self.pattern, self.sizes, rows = _patterns(whole)
        self.table = sparse.csr_array(rows[:, : table.shape[1]])
        self.turned = self.table.T
        self.anchor = None if anchors is None else rows[:, table.shape[1] :].toarray()
        self.classes, self.smoothing = classes, smoothing
        self.labels = float(table.sum())
        self.given = self.table @ np.tile(np.eye(classes), (table.shape[1] // classes, 1))
        self.counted = self.sizes * ((self.given @ np.ones(classes) > 0) if self.labels else 1)

    def run(self) -> DawidSkene:
        mass = (self.given @ np.ones(self.classes))[:, None]
        overall = self.sizes @ self.given
        posterior = np.where(mass > 0, self.given, overall) / np.where(
            mass > 0, mass, max(overall.sum(), 1.0)
        )
        posterior = self._anchored(posterior)
        before, iterations, moved = -np.inf, 0, np.inf
        while iterations < _MAX_ITERATIONS and moved > _TOLERANCE:
            prior, confusion = self._maximise(posterior)
            posterior, likelihood = self._expect(prior, confusion)
            before, moved = likelihood, abs(likelihood - before)
            iterations += 1
        return DawidSkene(posterior[self.pattern], prior, confusion, before, iterations, moved <= _TOLERANCE)

    def _anchored(self, posterior: Floats) -> Floats:
        if self.anchor is None:
            return posterior
        return np.where(self.anchor.any(axis=1, keepdims=True), self.anchor, posterior)

    def _maximise(self, posterior: Floats) -> tuple[Floats, Floats]:
        prior = self.counted @ posterior / self.counted.sum()
        flat = self.turned @ (posterior * self.counted[:, None])
        seen = flat.reshape(-1, self.classes, self.classes)  # raters × labels × classes
        pooled = _chances(seen.sum(axis=0))
        confusion = _chances(seen + self.smoothing * prior * pooled)
        return prior, confusion.transpose(0, 2, 1)

    def _expect(self, prior: Floats, confusion: Floats) -> tuple[Floats, float]:
        logs = np.log(np.maximum(confusion, _FLOOR)).transpose(0, 2, 1).reshape(-1, self.classes)
        score = self.table @ logs + np.log(np.maximum(prior, _FLOOR))
        if self.anchor is not None:
            score = np.where(self.anchor.any(axis=1, keepdims=True) & (self.anchor == 0), -np.inf, score)
        peak = score[:, 0].copy()
        for column in score.T[1:]:  # five times as fast as a reduction along the short axis
            np.maximum(peak, column, out=peak)
        score -= peak[:, None]
        chance = np.exp(score, out=score)
        mass = chance @ np.ones(self.classes)
        total = float(self.sizes @ (peak + np.log(mass)))
        chance /= mass[:, None]
        return chance, total / max(self.labels, 1.0)


def _chances(counts: Floats) -> Floats:
    """Of each label (next to last axis) for each class (last); alike where nothing was seen."""
    whole = counts.sum(axis=-2, keepdims=True)
    return np.where(whole > 0, counts / np.where(whole > 0, whole, 1.0), 1 / counts.shape[-1])


def _patterns(table: sparse.csr_array) -> tuple[Codes, Floats, sparse.csr_array]:
    """The pattern of each item, how often each occurs, and its row; items as they are where few are alike."""
    keys = table @ np.random.default_rng(0).random(table.shape[1])
    distinct, sizes = np.unique(keys, return_counts=True)
    if 2 * len(distinct) > len(keys):
        return np.arange(len(keys)), np.ones(len(keys)), table
    pattern = np.searchsorted(distinct, keys)
    first = np.empty(len(distinct), dtype=np.int64)
    first[pattern] = np.arange(len(keys))
    return pattern, sizes.astype(np.float64), table[first]
