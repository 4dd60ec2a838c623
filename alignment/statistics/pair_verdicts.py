"""Raters' verdicts on pairs as rows, and what every model of them gives: the chance of each verdict to be right."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from alignment.statistics.verdicts import TIE, Codes, Floats, as_codes, no_missing, same_length

VERDICTS = 3  # FIRST, SECOND, TIE


class PairVerdicts(NamedTuple):
    """Checked rows of verdicts, with as how many each one counts."""

    items: Codes
    raters: Codes
    cells: Codes  # item × 3 + label
    n_items: int
    weights: Floats

    @classmethod
    def of(
        cls, items: ArrayLike, raters: ArrayLike, labels: ArrayLike, n_items: int, weights: Floats | None
    ) -> PairVerdicts:
        item, rater = as_codes(items, "items"), as_codes(raters, "raters")
        label = as_codes(labels, "labels")
        same_length(items=item, raters=rater, labels=label)
        no_missing(label)
        if label.max(initial=0) > TIE:
            raise ValueError("labels must be FIRST, SECOND or TIE: split longer rankings into pairs")
        weight = np.ones(len(item)) if weights is None else weights
        same_length(items=item, weights=weight)
        return cls(item, rater, item * VERDICTS + label, n_items, weight)

    @property
    def labels(self) -> Codes:
        return self.cells % VERDICTS

    def informative(self) -> PairVerdicts:
        """The rows of items with two verdicts or more: a lone verdict says nothing about its rater."""
        shared = np.bincount(self.items, minlength=self.n_items)[self.items] > 1
        kept, item = np.unique(self.items[shared], return_inverse=True)
        label = self.labels[shared]
        return PairVerdicts(
            item, self.raters[shared], item * VERDICTS + label, len(kept), self.weights[shared]
        )

    def votes(self, worth: Floats | None = None) -> Floats:
        """Sums of the rows' weights (n_items × 3), each times what it is ``worth``."""
        shape = (self.n_items, VERDICTS)
        given = self.weights if worth is None else self.weights * worth
        sums: Floats = np.bincount(self.cells, given, minlength=shape[0] * shape[1]).astype(np.float64)
        return sums.reshape(shape)


class PairModel(ABC):
    """What raters' verdicts are worth."""

    def posterior(
        self,
        items: ArrayLike,
        raters: ArrayLike,
        labels: ArrayLike,
        n_items: int,
        weights: Floats | None = None,
    ) -> Floats:
        """The chance (n_items × 3) of each verdict to be right. ``weights`` (rows): as how many each one counts."""
        return self.posterior_of(PairVerdicts.of(items, raters, labels, n_items, weights))

    @abstractmethod
    def posterior_of(self, rows: PairVerdicts) -> Floats: ...
