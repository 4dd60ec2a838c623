"""The same figures for each person and week: what their pages draw over time."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from alignment.statistics.people import GOLD, Answers, Mask
from alignment.statistics.verdicts import MISSING, Codes, Floats


class Weeks(NamedTuple):
    """One entry a person and week with an answer, in that order.

    ``answers`` given, ``without_verdict`` among them; ``gold_right`` of ``gold`` answers to gold items; ``same``, the
    mean share of the others who said the same on a pair of responses, over ``compared`` pairs; ``seconds``, the median
    of a verdict, NaN where unknown.
    """

    rater: Codes
    week: Codes
    answers: Codes
    without_verdict: Codes
    gold: Codes
    gold_right: Codes
    compared: Codes
    same: Floats
    seconds: Floats


def by_week(answers: Answers) -> Weeks:
    """The figures of every person for every week in which they answered."""
    first = int(answers.week.min(initial=0))
    span = int(answers.week.max(initial=0)) - first + 1
    cells, place = np.unique(answers.rater * span + answers.week - first, return_inverse=True)
    met = answers.met
    gold = (answers.item == GOLD) & (answers.verdict != MISSING) & (answers.known != MISSING)

    def count(mask: Mask) -> Codes:
        return np.bincount(place[mask], minlength=len(cells))

    compared = np.bincount(place[met.row], minlength=len(cells))
    same = np.bincount(place[met.row], 1 - met.differs, minlength=len(cells))
    return Weeks(
        rater=cells // span,
        week=cells % span + first,
        answers=count(np.ones(len(place), dtype=np.bool_)),
        without_verdict=count(answers.verdict == MISSING),
        gold=count(gold),
        gold_right=count(gold & (answers.verdict == answers.known)),
        compared=compared,
        same=np.where(compared > 0, same / np.maximum(compared, 1), np.nan),
        seconds=_medians(answers, place, len(cells)),
    )


def _medians(answers: Answers, place: Codes, cells: int) -> Floats:
    """The median seconds of the verdicts in each cell, by sorting once."""
    timed = ~np.isnan(answers.seconds) & (answers.verdict != MISSING)
    cell, seconds = place[timed], answers.seconds[timed]
    seconds = seconds[np.lexsort((seconds, cell))]
    count = np.bincount(cell, minlength=cells)
    start = np.cumsum(count) - count
    median = np.full(cells, np.nan)
    some = count > 0
    low, high = (start + (count - 1) // 2)[some], (start + count // 2)[some]
    median[some] = (seconds[low] + seconds[high]) / 2
    return median
