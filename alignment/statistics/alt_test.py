"""The alternative annotator test: may a judge stand in for a person? What certifies a judge for the policy.

Calderon, Reichart and Dror (2025), "The Alternative Annotator Test for LLM-as-a-Judge". Each person in turn
is left out; the judge may replace them if it agrees with the others at least as often, less a margin ε.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats

from alignment.statistics.intervals import (
    DEFAULT,
    Resampling,
    cluster_bootstrap,
    cluster_table,
    one_hot,
    side_by_side,
)
from alignment.statistics.results import Statistic
from alignment.statistics.verdicts import MISSING, Codes, Floats, as_codes, no_missing, same_length

MIN_PEOPLE = 3  # the paper's: with two, the one left out is compared with a single person
T_TEST_FROM = 30  # items, from which the paper takes the t-test to hold; below, Wilcoxon's signed-rank test

FEW_PEOPLE = "fewer than three people"
FEW_ITEMS = "too few items"


class AnnotatorTest(NamedTuple):
    """One person's test on ``n`` items: the judge may replace them if ``rejected``; no ``p`` with too few."""

    rater: int
    n: int
    p: float | None
    rejected: bool


@dataclass(frozen=True)
class AltTest:
    """``winning_rate``: the share of people whom the judge may replace; it passes at .5.

    ``advantage_probability``: how often the judge does at least as well as a person left out. Its n counts
    the items used, its ``excluded`` those with people's verdicts but no second person or no verdict of the
    judge. Where undecided, ``winning_rate`` is None, ``reason`` says why, and ``missing`` is how many more
    items the third person needs.
    """

    winning_rate: float | None
    advantage_probability: Statistic
    annotators: tuple[AnnotatorTest, ...]
    epsilon: float
    reason: str | None = None
    missing: int = 0

    def as_json(self) -> dict[str, Any]:
        """Everything above, the advantage probability as ``Statistic.as_json`` gives it."""
        return {
            "winning_rate": self.winning_rate,
            "advantage_probability": self.advantage_probability.as_json(),
            "annotators": [person._asdict() for person in self.annotators],
            "epsilon": self.epsilon,
            "reason": self.reason,
            "missing": self.missing,
        }


class _Contest(NamedTuple):
    """One row a person's verdict to compare: did the judge do at least as well, did the person?"""

    items: Codes
    person: Codes  # index into ``raters``
    judge_wins: Floats
    person_wins: Floats
    raters: Codes
    excluded: int


def alt_test(
    items: ArrayLike,
    raters: ArrayLike,
    labels: ArrayLike,
    judge: ArrayLike,
    clusters: ArrayLike,
    *,
    epsilon: float = 0.2,
    q: float = 0.05,
    min_items: int = 30,
    resampling: Resampling = DEFAULT,
) -> AltTest:
    """Test one judge against people. ``q`` bounds the false discovery rate over people (Benjamini–Yekutieli).

    People's verdicts are rows: ``items`` (0 to n − 1), ``raters`` (any ids), ``labels``. ``judge`` (n) is
    the judge's label of each item or MISSING, ``clusters`` (n) its prompt. ε is .2 for experts, .15 for
    skilled annotators and .1 for a crowd. People with fewer than ``min_items`` items are listed, not tested.
    """
    contest = _contest(items, raters, labels, judge, clusters)
    counts = np.bincount(contest.person, minlength=len(contest.raters))
    tested = counts >= max(min_items, 2)
    if tested.sum() < MIN_PEOPLE:
        return _undecided(contest, counts, epsilon, min_items)
    p = _p_values(contest, counts, tested, epsilon)
    rejected = np.zeros(len(tested), dtype=bool)
    rejected[tested] = stats.false_discovery_control(p[tested], method="by") <= q
    advantage = _advantage(contest, tested, as_codes(clusters, "clusters"), resampling)
    columns = (contest.raters, counts, p, tested, rejected)
    people = tuple(
        AnnotatorTest(rater, n, chance if enough else None, won)
        for rater, n, chance, enough, won in zip(*(column.tolist() for column in columns), strict=True)
    )
    return AltTest(float(rejected[tested].mean()), advantage, people, epsilon)


def _contest(
    items: ArrayLike, raters: ArrayLike, labels: ArrayLike, judge: ArrayLike, clusters: ArrayLike
) -> _Contest:
    """S(p) counts the other people who agree with p; W = 1[S(judge) ≥ S(person)], the person's likewise."""
    item, label = as_codes(items, "items"), as_codes(labels, "labels")
    names, person = np.unique(as_codes(raters, "raters"), return_inverse=True)
    verdict = as_codes(judge, "judge")
    same_length(items=item, raters=person, labels=label)
    same_length(judge=verdict, clusters=as_codes(clusters, "clusters"))
    no_missing(label)
    if len(np.unique(item * len(names) + person)) < len(item):
        raise ValueError("a person must have one verdict an item")
    people = np.bincount(item, minlength=len(verdict))
    kept = (people[item] > 1) & (verdict[item] != MISSING)
    excluded = len(np.unique(item)) - len(np.unique(item[kept]))
    item, label, person = item[kept], label[kept], person[kept]
    votes = _Votes(item, label)
    with_person = votes.of(item, label) - 1
    with_judge = votes.of(item, verdict[item]) - (verdict[item] == label)
    wins = (with_judge >= with_person).astype(np.float64), (with_person >= with_judge).astype(np.float64)
    return _Contest(item, person, *wins, names, excluded)


class _Votes:
    """How many people gave an item a label, for any number of labels."""

    def __init__(self, items: Codes, labels: Codes) -> None:
        self._width = int(labels.max(initial=0)) + 1
        self._cells, self._counts = np.unique(items * self._width + labels, return_counts=True)

    def of(self, items: Codes, labels: Codes) -> Codes:
        known = labels < self._width  # a label that no person gave to any item has no cell
        cells = items * self._width + np.minimum(labels, self._width - 1)
        place = np.minimum(np.searchsorted(self._cells, cells), len(self._cells) - 1)
        return np.where(known & (self._cells[place] == cells), self._counts[place], 0)


def _undecided(contest: _Contest, counts: Codes, epsilon: float, min_items: int) -> AltTest:
    enough_people = len(counts) >= MIN_PEOPLE
    third = int(np.sort(counts)[-MIN_PEOPLE]) if enough_people else 0
    reason = FEW_ITEMS if enough_people else FEW_PEOPLE
    people = tuple(
        AnnotatorTest(rater, n, None, False)
        for rater, n in zip(contest.raters.tolist(), counts.tolist(), strict=True)
    )
    n = len(np.unique(contest.items))
    advantage = Statistic.undefined(reason, n, contest.excluded)
    return AltTest(None, advantage, people, epsilon, reason, max(min_items, 2) - third)


def _p_values(contest: _Contest, counts: Codes, tested: np.ndarray, epsilon: float) -> Floats:
    """One-sided p that mean d < ε, d = W(person) − W(judge); without variance 0 where it is, else 1."""
    d = contest.person_wins - contest.judge_wins
    n = np.maximum(counts, 2)
    mean = np.bincount(contest.person, d, minlength=len(n)) / n
    variance = np.maximum(np.bincount(contest.person, d * d, minlength=len(n)) - n * mean**2, 0) / (n - 1)
    constant = variance < 1e-12
    error = np.sqrt(np.where(constant, 1.0, variance) / n)
    p = np.where(constant, np.where(mean < epsilon, 0.0, 1.0), stats.t.cdf((mean - epsilon) / error, n - 1))
    for person in np.flatnonzero(tested & ~constant & (counts < T_TEST_FROM)):
        p[person] = stats.wilcoxon(d[contest.person == person] - epsilon, alternative="less").pvalue
    return p


def _advantage(contest: _Contest, tested: np.ndarray, clusters: Codes, resampling: Resampling) -> Statistic:
    """Mean over people of the mean of W(judge), as the paper takes it; n counts items."""
    rows = tested[contest.person]
    item = contest.items[rows]
    person = (np.cumsum(tested) - 1)[contest.person[rows]]
    people = one_hot(person, int(tested.sum()))
    width = people.shape[1]
    wins = one_hot(person, width)
    wins.data = contest.judge_wins[rows]
    table = cluster_table(clusters[item], side_by_side(wins, people))

    def advantage(totals: Floats) -> Floats:
        wins, n = totals[:, :width], totals[:, width:]
        seen = n > 0  # a replicate may leave a person out
        mean: Floats = (wins / np.where(seen, n, 1)).sum(axis=1) / seen.sum(axis=1)
        return mean

    n_items = len(np.unique(item))
    return cluster_bootstrap(
        table, advantage, n=n_items, excluded=contest.excluded, resampling=resampling, share=True
    )
