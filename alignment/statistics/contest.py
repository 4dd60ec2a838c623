"""A judge beside each person left out in turn: how well both agree with the other people, item by item.

What the alternative annotator test and the human ceiling are made of.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from alignment.statistics.verdicts import MISSING, Codes, Floats, as_codes, coded, no_missing, same_length

Scoring = Literal["accuracy", "neg_rmse"]
_MOST_CELLS = 1 << 27


class Contest(NamedTuple):
    """One row a person's rating that is left out: ``judge`` and ``person`` score how each agrees with the others.

    ``items`` (rows) and ``people`` (rows) say whose; ``people`` index ``raters``. ``excluded`` counts the items with
    people's ratings but too few of them, or no rating of the judge.
    """

    items: Codes
    people: Codes
    judge: Floats
    person: Floats
    raters: Codes
    excluded: int


def contest(
    items: ArrayLike,
    raters: ArrayLike,
    labels: ArrayLike,
    judge: ArrayLike,
    *,
    scoring: Scoring = "accuracy",
    values: ArrayLike | None = None,
    min_humans: int = 2,
) -> Contest:
    """Leave out each person's rating in turn (Calderon et al. 2025).

    People's ratings are rows: ``items`` (0 to n − 1), ``raters`` (any ids), ``labels`` (codes). ``judge`` (n) is the
    judge's code or MISSING. A score is the share of the others who say the same (accuracy), or minus the root mean
    square of the differences from them (neg_rmse), where ``values`` gives each code's number. Items with fewer than
    ``min_humans`` people, at least 2, do not count.
    """
    item, label = as_codes(items, "items"), as_codes(labels, "labels")
    verdict = as_codes(judge, "judge")
    names, person = coded(as_codes(raters, "raters"))
    same_length(items=item, raters=person, labels=label)
    no_missing(label)
    _refuse_doubles(item, person, len(verdict), len(names))
    people = np.bincount(item, minlength=len(verdict))
    enough = (people >= max(2, min_humans)) & (verdict != MISSING)
    excluded = int(((people > 0) & ~enough).sum())
    if excluded:
        kept = enough[item]
        item, label, person = item[kept], label[kept], person[kept]
    score = _shares if scoring == "accuracy" else _distances
    numbers = None if values is None else np.asarray(values, dtype=np.float64)
    by_judge, by_person = score(item, label, verdict, people, numbers)
    return Contest(item, person, by_judge, by_person, names.astype(np.int64), excluded)


def _refuse_doubles(item: Codes, person: Codes, items: int, people: int) -> None:
    key = item * people + person
    if items * people <= _MOST_CELLS:
        seen = np.zeros(items * people, dtype=np.bool_)
        seen[key] = True
        different = int(np.count_nonzero(seen))
    else:
        different = len(np.unique(key))
    if different < len(key):
        raise ValueError("a person must have one verdict an item")


def _shares(
    item: Codes, label: Codes, judge: Codes, people: Codes, _values: Floats | None
) -> tuple[Floats, Floats]:
    """The share of the other people who say the same as the judge, and as the person."""
    width = int(max(label.max(initial=0), judge.max(initial=0))) + 1
    votes = _Votes(item, label, len(judge), width)
    said = judge[item]
    others = (people[item] - 1).astype(np.float64)
    return (votes.of(item, said) - (said == label)) / others, (votes.of(item, label) - 1) / others


class _Votes:
    """How many people gave an item a label, for any number of labels."""

    def __init__(self, items: Codes, labels: Codes, count: int, width: int) -> None:
        self._width = width
        cells = items * width + labels
        self._dense = count * width <= max(16 * len(items), 1 << 16)
        if self._dense:
            self._counts = np.bincount(cells, minlength=count * width)
        else:
            self._cells, self._counts = np.unique(cells, return_counts=True)

    def of(self, items: Codes, labels: Codes) -> Codes:
        cells = items * self._width + labels
        if self._dense:
            return np.asarray(self._counts[cells])
        place = np.minimum(np.searchsorted(self._cells, cells), len(self._cells) - 1)
        return np.where(self._cells[place] == cells, self._counts[place], 0)


def _distances(
    item: Codes, label: Codes, judge: Codes, people: Codes, values: Floats | None
) -> tuple[Floats, Floats]:
    """Minus the root mean square of the differences from the other people, of the judge and of the person.

    Squares are added person by person, as the paper's code adds them, so that what ties there ties here.
    """
    if values is None:
        raise ValueError("neg_rmse needs the number that each label stands for")
    order = np.argsort(item, kind="stable")
    owner, given = item[order], values[label[order]]
    said = values[judge[owner]]
    size = people[owner]
    start = np.searchsorted(owner, owner)
    squares = np.zeros((2, len(owner)))
    own = np.arange(len(owner))
    for step in range(int(size.max(initial=0))):
        rows = np.flatnonzero((step < size) & (start + step != own))
        other = given[start[rows] + step]
        squares[0, rows] += np.square(said[rows] - other)
        squares[1, rows] += np.square(given[rows] - other)
    scores = np.empty_like(squares)
    scores[:, order] = -np.sqrt(squares / (size - 1))
    return scores[0], scores[1]
