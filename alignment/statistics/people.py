"""What a person's answers say of them: against gold, the other people and themselves, by side, speed and week.

The unit of analysis is the preference over each pair of responses: a ranking of n responses is n(n − 1)/2 verdicts
FIRST, SECOND or TIE, so comparisons of two responses and rankings are measured alike. Against gold the whole ranking
must be right. Intervals resample prompts, except that shares of single answers (gold, skips) have Wilson's.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from alignment.statistics.aggregation import PairRows, split_rankings
from alignment.statistics.intervals import (
    DEFAULT,
    Resampling,
    cluster_bootstrap,
    cluster_share,
    cluster_table,
    wilson,
)
from alignment.statistics.joint import chance_corrected
from alignment.statistics.results import Statistic
from alignment.statistics.verdicts import MISSING, Codes, Floats, Ranking

Mask = NDArray[np.bool_]
Order = tuple[int, ...]
Credit = Callable[[int, int], float]

WORK, GOLD, ATTENTION, REPEAT = range(4)  # what an item is for


@dataclass(frozen=True)
class Answers:
    """People's answers as columns, one row an answer; a person answers a comparison once.

    ``rater``, ``comparison`` and ``prompt`` count from 0, ``item`` is what the comparison is for. ``verdict`` and
    ``known`` (the answer of a gold or attention item) index ``rankings``, ``shown`` indexes ``orders``; each is
    MISSING where there is none. ``original`` is the comparison that a repeat repeats. ``seconds`` and ``words`` to
    read are NaN where unknown. ``week`` counts Mondays.
    """

    raters: int
    comparisons: int
    rankings: list[Ranking]
    orders: list[Order]
    rater: Codes
    comparison: Codes
    prompt: Codes
    item: Codes
    verdict: Codes
    known: Codes
    shown: Codes
    original: Codes
    seconds: Floats
    words: Floats
    week: Codes

    @cached_property
    def met(self) -> Met:
        """Each verdict on a pair of responses that other people gave a verdict on too."""
        return _met(self)

    @property
    def work(self) -> Mask:
        work: Mask = (self.item == WORK) | (self.item == REPEAT)
        return work


@dataclass(frozen=True)
class Met:
    """One row for each person's verdict on a pair of responses and what the others said there.

    ``row`` is the answer, ``differs`` the share of the others who say otherwise, ``margins`` (rows × 3) how often
    the person and one other, drawn at random, give each verdict.
    """

    row: Codes
    differs: Floats
    margins: Floats


def _met(answers: Answers) -> Met:
    rows = np.flatnonzero((answers.item == WORK) & (answers.verdict != MISSING))
    if not len(rows):
        return Met(rows, np.zeros(0), np.zeros((0, 3)))
    split = split_rankings(
        answers.comparison[rows], answers.verdict[rows], answers.rankings, answers.comparisons
    )
    own = np.eye(3)[split.labels]
    others = _votes(split)[split.pairs] - own
    count = others.sum(axis=1)
    shared = count > 0
    mix = others[shared] / count[shared, None]
    differs = 1 - (mix * own[shared]).sum(axis=1)
    return Met(rows[split.rows[shared]], differs, own[shared] + mix)


def _votes(split: PairRows) -> Floats:
    """How many people gave each verdict (columns) on each pair (rows)."""
    votes = np.bincount(split.pairs * 3 + split.labels, minlength=split.n_pairs * 3)
    return votes.reshape(split.n_pairs, 3).astype(np.float64)


def alpha_with_others(answers: Answers, *, resampling: Resampling = DEFAULT) -> list[Statistic]:
    """By person, Krippendorff's nominal alpha between them and one other person drawn at random for each pair.

    Do is the mean share of the others who differ, De = (n² − Σ n_v²)/(n(n − 1)) where n_v counts the person's
    verdicts v and the others' (each a share of one), n = 2 × pairs. Where there is always one other, this is the
    alpha of two observers. n counts comparisons that somebody else judged too.
    """
    met = answers.met
    features = np.column_stack([met.differs, met.margins])
    found = []
    for rows in _by_person(answers.rater[met.row], answers.raters):
        table = cluster_table(answers.prompt[met.row[rows]], features[rows])
        n = len(np.unique(met.row[rows]))
        found.append(cluster_bootstrap(table, _alpha, n=n, resampling=resampling))
    return found


def _alpha(totals: Floats) -> Floats:
    differs, margins = totals[:, 0], totals[:, 1:]
    n = margins.sum(axis=1)
    expected = n * n - (margins**2).sum(axis=1)
    expected = np.where(expected > 1e-9 * n * n, expected, 0.0)  # below that it is rounding
    return chance_corrected(2 * differs * (n - 1), expected)


def agreement_with_known(answers: Answers, item: int) -> list[Statistic]:
    """By person, the share of their verdicts on GOLD or ATTENTION items that are the known answer, rank for rank."""
    rows = (answers.item == item) & (answers.verdict != MISSING) & (answers.known != MISSING)
    right = rows & (answers.verdict == answers.known)
    return _wilson(answers, right, rows)


def agreement_with_self(answers: Answers, *, resampling: Resampling = DEFAULT) -> list[Statistic]:
    """By person, the share of pairs of responses on which they said the same when a comparison came again."""
    repeats = np.flatnonzero((answers.item == REPEAT) & (answers.verdict != MISSING))
    before = _answers_to(answers, answers.rater[repeats], answers.original[repeats])
    both = before != MISSING
    both[both] = answers.verdict[before[both]] != MISSING
    repeats, before = repeats[both], before[both]
    same = _by_combination(
        answers.verdict[repeats],
        answers.verdict[before],
        lambda one, two: _same_pairs(answers.rankings[one], answers.rankings[two]),
    )
    alike = ~np.isnan(same)
    return _shares(answers, repeats[alike], same[alike], resampling)


def _answers_to(answers: Answers, rater: Codes, comparison: Codes) -> Codes:
    """The row of each person's answer to each comparison, or MISSING."""
    if not len(rater):
        return np.zeros(0, dtype=np.int64)
    keys = answers.rater * answers.comparisons + answers.comparison
    order = np.argsort(keys)
    wanted = rater * answers.comparisons + comparison
    place = np.minimum(np.searchsorted(keys[order], wanted), len(keys) - 1)
    row = order[place]
    return np.where((comparison != MISSING) & (keys[row] == wanted), row, MISSING).astype(np.int64)


def first_shown_preferred(answers: Answers, *, resampling: Resampling = DEFAULT) -> list[Statistic]:
    """By person, how often the response shown earlier wins, over the pairs they see no tie in; .5 is no side bias.

    An answer counts by the share of its own pairs; one that is all ties, or whose order is not known, does not count.
    """
    rows = np.flatnonzero((answers.item == WORK) & (answers.verdict != MISSING) & (answers.shown != MISSING))
    credit = _by_combination(
        answers.verdict[rows],
        answers.shown[rows],
        lambda verdict, shown: _earlier_wins(answers.rankings[verdict], answers.orders[shown]),
    )
    decided = ~np.isnan(credit)
    return _shares(answers, rows[decided], credit[decided], resampling)


def skips(answers: Answers) -> list[Statistic]:
    """By person, the share of the items given for work that they answered with no verdict."""
    return _wilson(answers, answers.work & (answers.verdict == MISSING), answers.work)


def median_seconds(answers: Answers) -> list[tuple[float | None, float | None]]:
    """By person, the median seconds of a verdict, and the median for each 100 words of the responses."""
    verdicts = answers.verdict != MISSING
    by_words = 100 * answers.seconds / np.where(answers.words > 0, answers.words, np.nan)
    found = []
    for rows in _by_person(answers.rater, answers.raters):
        kept = rows[verdicts[rows]]
        found.append((_median(answers.seconds[kept]), _median(by_words[kept])))
    return found


def _median(values: Floats) -> float | None:
    known = values[~np.isnan(values)]
    return float(np.median(known)) if len(known) else None


def _wilson(answers: Answers, hits: Mask, rows: Mask) -> list[Statistic]:
    n = np.bincount(answers.rater[rows], minlength=answers.raters)
    hit = np.bincount(answers.rater[hits], minlength=answers.raters)
    return [wilson(int(one), int(all_of)) for one, all_of in zip(hit, n, strict=True)]


def _shares(answers: Answers, rows: Codes, credit: Floats, resampling: Resampling) -> list[Statistic]:
    """By person, the mean credit of these rows with its interval over prompts."""
    prompts = answers.prompt[rows]
    parts = _by_person(answers.rater[rows], answers.raters)
    return [cluster_share(credit[part], prompts[part], resampling=resampling) for part in parts]


def _by_person(rater: Codes, raters: int) -> list[Codes]:
    """The rows of each person."""
    order = np.argsort(rater, kind="stable")
    return np.split(order, np.searchsorted(rater[order], np.arange(1, raters)))


def _by_combination(one: Codes, two: Codes, credit: Credit) -> Floats:
    """``credit`` of each row's two codes, found once for each combination that occurs: there are few."""
    if not len(one):
        return np.zeros(0)
    width = int(two.max()) + 1
    met, place = np.unique(one * width + two, return_inverse=True)
    found = [credit(int(code) // width, int(code) % width) for code in met]
    return np.array(found, dtype=np.float64)[place]


def _same_pairs(one: Ranking, two: Ranking) -> float:
    if len(one) != len(two):
        return float("nan")
    pairs = list(combinations(range(len(one)), 2))
    return sum(_sign(one, pair) == _sign(two, pair) for pair in pairs) / len(pairs)


def _earlier_wins(ranking: Ranking, shown: Order) -> float:
    if sorted(shown) != list(range(len(ranking))):
        return float("nan")
    signs = [sign for pair in combinations(shown, 2) if (sign := _sign(ranking, pair))]
    return sum(sign < 0 for sign in signs) / len(signs) if signs else float("nan")


def _sign(ranking: Ranking, pair: tuple[int, int]) -> int:
    """−1 where the first of the pair is better, 1 where the second is, 0 for a tie."""
    left, right = ranking[pair[0]], ranking[pair[1]]
    return (left > right) - (left < right)
