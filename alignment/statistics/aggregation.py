"""From several raters' verdicts on an item to one, for the policy: majority vote and one-coin Dawid–Skene.

Verdicts come as rows: ``items`` (codes 0 to n_items − 1), ``raters`` (codes 0 to n_raters − 1) and
``labels``; a missing verdict has no row.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from alignment.statistics.pair_verdicts import PairModel, PairVerdicts
from alignment.statistics.verdicts import (
    FIRST,
    MISSING,
    SECOND,
    TIE,
    Codes,
    Floats,
    Ranking,
    as_codes,
    no_missing,
    same_length,
)

_UNKNOWN_ACCURACY = 0.75  # of a rater whom nothing can be compared with: between chance and a good annotator
_PRIOR_LABELS = 4.0  # how many verdicts that assumption weighs
_POOLED_LABELS = 5.0  # how many verdicts of average accuracy each rater starts with
_TOLERANCE = 1e-7  # of the log-likelihood per label
_MAX_ITERATIONS = 500
_AS_LIKELY = 1e-9  # log chances this close are the same: what sets them apart is rounding


def majority_vote(items: ArrayLike, labels: ArrayLike, n_items: int) -> Codes:
    """The label (n_items) that more than half of an item's verdicts give, MISSING where none does."""
    item, label = as_codes(items, "items"), as_codes(labels, "labels")
    same_length(items=item, labels=label)
    no_missing(label)
    width = int(label.max(initial=0)) + 1
    cells, votes = np.unique(item * width + label, return_counts=True)
    totals = np.bincount(item, minlength=n_items)
    won = 2 * votes > totals[cells // width]
    majority = np.full(n_items, MISSING, dtype=np.int64)
    majority[cells[won] // width] = cells[won] % width
    return majority


@dataclass(frozen=True)
class OneCoin(PairModel):
    """One-coin Dawid–Skene for verdicts on pairs: what each rater's verdict is worth.

    ``accuracy`` (n_raters) is the chance that a rater's verdict is the true one. ``prior`` (3) is how often
    each verdict is true and ``given`` (3) how often each is given: a rater who errs gives another verdict in
    proportion to it, so that where ties are rare an error is nearly always the opposite. Both treat FIRST and
    SECOND alike, because the canonical order is arbitrary. ``log_likelihood`` is per label.
    """

    accuracy: Floats
    prior: Floats
    given: Floats
    log_likelihood: float

    def posterior_of(self, rows: PairVerdicts) -> Floats:
        """The prior where an item has no verdict."""
        return _expect(rows, self.accuracy, self.prior, _log_errors(self.given))[0]


def fit_one_coin(
    items: ArrayLike,
    raters: ArrayLike,
    labels: ArrayLike,
    n_raters: int,
    weights: Floats | None = None,
) -> OneCoin:
    """Accuracies by expectation maximisation started from the votes (Dawid and Skene 1979, one coin each).

    An accuracy is (right + 5 p) / (n + 5), with p the accuracy of all raters together, itself started from
    .75: a rater with few verdicts is taken for an average one. Only items with two verdicts or more count. ``weights``
    (rows) say how many verdicts each is worth, see ``dawid_skene.family_weights``.
    Stops when the observed log-likelihood per label moves by less than 1e-7.
    """
    given_items = as_codes(items, "items")
    every = PairVerdicts.of(given_items, raters, labels, int(given_items.max(initial=-1)) + 1, weights)
    given = _symmetric(float((every.labels == TIE).sum()) + 1, len(every.cells) + 3)
    rows, log_errors = every.informative(), _log_errors(given)
    votes = rows.votes()
    posterior = votes / votes.sum(axis=1, keepdims=True)
    likelihood = -np.inf
    for _ in range(_MAX_ITERATIONS):
        accuracy = _accuracy(rows, posterior, n_raters)
        prior = _symmetric(float(posterior[:, TIE].sum() + 3 * given[TIE]), rows.n_items + 3)
        posterior, total = _expect(rows, accuracy, prior, log_errors)
        before, likelihood = likelihood, total / max(1, len(rows.items))
        if abs(likelihood - before) < _TOLERANCE:
            break
    return OneCoin(accuracy, prior, given, likelihood)


def _symmetric(ties: float, n: float) -> Floats:
    return np.array([(n - ties) / 2, (n - ties) / 2, ties]) / n


def _log_errors(given: Floats) -> Floats:
    """Log chances (true × given) of each wrong verdict for a rater who errs; 0 on the diagonal."""
    errors = given[None, :] / (1 - given[:, None])
    np.fill_diagonal(errors, 1.0)
    return np.log(errors)


def _accuracy(rows: PairVerdicts, posterior: Floats, n_raters: int) -> Floats:
    right = np.bincount(rows.raters, rows.weights * posterior.ravel()[rows.cells], minlength=n_raters)
    labels = np.bincount(rows.raters, rows.weights, minlength=n_raters)
    pooled = (right.sum() + _PRIOR_LABELS * _UNKNOWN_ACCURACY) / (labels.sum() + _PRIOR_LABELS)
    smoothed: Floats = (right + _POOLED_LABELS * pooled) / (labels + _POOLED_LABELS)
    return smoothed


def _expect(rows: PairVerdicts, accuracy: Floats, prior: Floats, log_errors: Floats) -> tuple[Floats, float]:
    """The posterior (n_items × 3), and the log-likelihood of all rows."""
    wrong = np.log1p(-accuracy)
    evidence = rows.votes((np.log(accuracy) - wrong)[rows.raters]) + rows.votes() @ log_errors.T
    score = np.log(prior) + evidence
    peak = score.max(axis=1, keepdims=True)
    likelihood = np.exp(score - peak)
    mass = likelihood.sum(axis=1, keepdims=True)
    return likelihood / mass, float((peak + np.log(mass)).sum() + rows.weights @ wrong[rows.raters])


class PairRows(NamedTuple):
    """Rankings split into verdicts on pairs of responses: one row a ranking and pair.

    ``rows`` is the ranking it comes from, ``pairs`` numbers the pairs of all items, ``labels`` the verdict.
    """

    rows: Codes
    pairs: Codes
    labels: Codes
    n_pairs: int


def split_rankings(items: Codes, codes: Codes, rankings: list[Ranking], n_items: int) -> PairRows:
    """The n(n − 1)/2 verdicts on pairs in each ranking of n responses; a ranking of two is one verdict.

    ``items`` and ``codes`` (rows): the item ranked, and the ranking's index into ``rankings``. ValueError
    where two rankings of one item rank different numbers of responses.
    """
    verdicts = [_pair_labels(ranking) for ranking in rankings]
    sizes = np.array([len(labels) for labels in verdicts])
    row_sizes = sizes[codes]
    item_sizes = np.zeros(n_items, dtype=np.int64)
    item_sizes[items] = row_sizes
    if (item_sizes[items] != row_sizes).any():
        raise ValueError("the rankings of one comparison must rank the same number of responses")
    row = np.repeat(np.arange(len(codes)), row_sizes)
    within = np.arange(len(row)) - np.repeat(np.cumsum(row_sizes) - row_sizes, row_sizes)
    first_label, first_pair = np.cumsum(sizes) - sizes, np.cumsum(item_sizes) - item_sizes
    labels = np.concatenate(verdicts)[first_label[codes][row] + within]
    return PairRows(row, first_pair[items][row] + within, labels, int(item_sizes.sum()))


def _pair_labels(ranking: Ranking) -> Codes:
    ranks = np.array(ranking)
    left, right = np.triu_indices(len(ranks), 1)
    order = np.sign(ranks[right] - ranks[left])  # 1 where the left response is better, 0 a tie
    labels: Codes = np.array([TIE, FIRST, SECOND])[order]  # order −1 takes the last
    return labels


class Consensus(NamedTuple):
    """Per item, the likeliest of the rankings given (a code, or MISSING) and its chance to be right.

    ``tied`` where another of them is as likely, so that the code alone says which was taken.
    """

    codes: Codes
    confidence: Floats
    tied: NDArray[np.bool_]


def consensus(
    model: PairModel,
    items: Codes,
    raters: Codes,
    codes: Codes,
    split: PairRows,
    n_items: int,
    weights: Floats | None = None,
    able: NDArray[np.bool_] | None = None,
) -> Consensus:
    """The likeliest of each item's rankings, its confidence the product of its pairs' posteriors; of those that are
    ``able`` (rows) alone, where that is given.

    For a pair that is the posterior of its verdict. For longer rankings the product takes the pairs as
    independent, which makes it cautious: errors on one response's pairs go together.
    """
    weight = None if weights is None else weights[split.rows]
    posterior = model.posterior(split.pairs, raters[split.rows], split.labels, split.n_pairs, weight)
    chance = np.log(np.maximum(posterior[split.pairs, split.labels], np.finfo(np.float64).tiny))
    score: Floats = np.bincount(split.rows, chance, minlength=len(codes)).astype(np.float64)
    if able is not None:
        items, codes, score = items[able], codes[able], score[able]
    return likeliest(items, codes, score, n_items)


def likeliest(items: Codes, codes: Codes, score: Floats, n_items: int) -> Consensus:
    """Of the rankings given to each item (rows), that of the highest ``score``, the log of its chance."""
    result = Consensus(
        np.full(n_items, MISSING, dtype=np.int64), np.full(n_items, np.nan), np.zeros(n_items, dtype=np.bool_)
    )
    best = np.full(n_items, -np.inf)
    np.maximum.at(best, items, score)
    close = score >= best[items] - _AS_LIKELY
    lowest = np.full(n_items, np.iinfo(np.int64).max)
    np.minimum.at(lowest, items[close], codes[close])
    found = best > -np.inf
    result.codes[found] = lowest[found]
    result.confidence[found] = np.exp(best[found])
    result.tied[items[close & (codes != lowest[items])]] = True
    return result
