"""Several raters' verdicts on a comparison become one ranking and the chance that it is right."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from alignment.policy.document import PolicyDocument
from alignment.policy.verdicts import Mask, RaterFacts, Verdicts
from alignment.statistics.aggregation import (
    Consensus,
    OneCoin,
    consensus,
    fit_one_coin,
    likeliest,
    split_rankings,
)
from alignment.statistics.dawid_skene import family_weights
from alignment.statistics.verdicts import MISSING, Codes, Floats, Ranking
from alignment.statistics.weighing import Weighing, fit_weighing

# Comparisons that accuracies are learnt from at the most, evenly chosen: they are then right to a thousandth or two.
LEARNT_FROM = 50_000


class Counted(NamedTuple):
    """The verdicts that count, by comparison and rater. ``weights``: as how many votes each is taken; ``able``: may
    its ranking be the label, or does it only tell how sure another is?"""

    comparison: Codes
    rater: Codes
    verdict: Codes
    person: Mask
    judgment: Codes
    weights: Floats
    able: Mask

    @property
    def voice(self) -> Codes:
        voice: Codes = voice_of(self.rater, self.able)
        return voice

    def where(self, kept: Mask) -> Counted:
        return Counted(
            self.comparison[kept],
            self.rater[kept],
            self.verdict[kept],
            self.person[kept],
            self.judgment[kept],
            self.weights[kept],
            self.able[kept],
        )

    def beside(self, other: Counted) -> Counted:
        """Both, in the order of comparison; no comparison may be in both."""
        order = np.argsort(np.concatenate([self.comparison, other.comparison]), kind="stable")
        return Counted(*(np.concatenate(both)[order] for both in zip(self, other, strict=True)))


def voice_of(rater: Codes | int, trusted: Mask | bool) -> Any:
    """Whose word it is: a judge where it is trusted and the same judge where it is not are two, as its word may be
    worth more in the one place than in the other."""
    return 2 * rater + trusted


def families_of(facts: Sequence[RaterFacts]) -> Codes:
    """A number for each rater's family; who has none is a family of their own."""
    names = [facts.family or number for number, facts in enumerate(facts)]
    place = {name: index for index, name in enumerate(dict.fromkeys(names))}
    return np.array([place[name] for name in names], dtype=np.int64)


def count(
    document: PolicyDocument, verdicts: Verdicts, rows: Mask, families: Codes, able: Mask | None = None
) -> Counted:
    """The verdicts under the mask, in the order of comparison and rater, judges of one family capped; all of them
    ``able`` (judgments) where that is left out."""
    chosen = np.flatnonzero(rows)
    comparison, rater = verdicts.comparison[chosen], verdicts.rater[chosen]
    key = comparison * len(verdicts.people) + rater
    if (key[1:] < key[:-1]).any():
        order = np.argsort(key)
        chosen, comparison, rater = chosen[order], comparison[order], rater[order]
    most = document.max_family_votes
    if most is None or len(np.unique(families)) == len(families):
        weights = np.ones(len(chosen))
    else:
        weights = family_weights(comparison, families[rater], most=most)
    return Counted(
        comparison,
        rater,
        verdicts.verdict[chosen],
        verdicts.people[rater],
        verdicts.judgment_ids[chosen],
        weights,
        np.ones(len(chosen), dtype=np.bool_) if able is None else able[chosen],
    )


def learn_accuracies(counted: Counted, where: Mask, rankings: list[Ranking], n_raters: int) -> OneCoin:
    """One-coin Dawid–Skene on the comparisons ``where`` people's verdicts count.

    Where judges alone speak they could only confirm each other: what they have in common would be taken for the truth.
    """
    chosen = _evenly(where)
    part = counted.where(chosen[counted.comparison])
    item = (np.cumsum(chosen) - 1)[part.comparison]
    split = split_rankings(item, part.verdict, rankings, int(chosen.sum()))
    return fit_one_coin(split.pairs, part.rater[split.rows], split.labels, n_raters, part.weights[split.rows])


def learn_weights(counted: Counted, reference: Codes, rankings: list[Ranking], n_raters: int) -> Weighing:
    """What the judges' verdicts are worth together, by ``voice``, learnt where people's ``reference`` (comparisons, or
    MISSING) is known."""
    judged = np.bincount(counted.comparison, minlength=len(reference)) > 0
    chosen = _evenly(judged & (reference != MISSING))
    part, known = counted.where(chosen[counted.comparison]), np.flatnonzero(chosen)
    item = (np.cumsum(chosen) - 1)[part.comparison]
    split = split_rankings(
        np.concatenate([item, np.arange(len(known))]),
        np.concatenate([part.verdict, reference[known]]),
        rankings,
        len(known),
    )
    given = split.rows < len(item)
    truth = np.empty(split.n_pairs, dtype=np.int64)
    truth[split.pairs[~given]] = split.labels[~given]
    voice = part.voice[split.rows[given]]
    weights = part.weights[split.rows[given]]
    return fit_weighing(split.pairs[given], voice, split.labels[given], truth, 2 * n_raters, weights)


def _evenly(where: Mask) -> Mask:
    """The comparisons under the mask, LEARNT_FROM of them at the most."""
    found = np.flatnonzero(where)
    if len(found) > LEARNT_FROM:
        found = found[np.linspace(0, len(found) - 1, LEARNT_FROM).astype(np.int64)]
    chosen = np.zeros(len(where), dtype=np.bool_)
    chosen[found] = True
    return chosen


def combine(model: OneCoin | Weighing | None, counted: Counted, rankings: list[Ranking], n: int) -> Consensus:
    """By comparison the likeliest ranking of those that are able, and its posterior; without a model by a count.

    A count's posterior is (v + ½)/(V + 1), v of V votes: more than ½ exactly for a majority.
    """
    if model is not None:
        split = split_rankings(counted.comparison, counted.verdict, rankings, n)
        rater = counted.voice if isinstance(model, Weighing) else counted.rater
        return consensus(
            model, counted.comparison, rater, counted.verdict, split, n, counted.weights, counted.able
        )
    cell = counted.comparison * len(rankings) + counted.verdict
    found, index = np.unique(cell, return_inverse=True)
    votes = np.bincount(index, counted.weights, minlength=len(found))
    item = found // len(rankings)
    total = np.bincount(item, votes, minlength=n)
    return likeliest(item, found % len(rankings), np.log((votes + 0.5) / (total[item] + 1)), n)
