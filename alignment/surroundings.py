"""Reads of what surrounds a project's judgments: when they were given, in which order, on how long texts of whom.

Everything is numbered as ``queries.Judgments`` numbers it, and holds no primary key, so that the same judgments have
the same surroundings on every database.
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import chain
from typing import NamedTuple

import numpy as np
from django.db.models import TextField
from django.db.models.functions import Cast, Length

from alignment.facts import grounds_of
from alignment.judge_answers import Orders, Served, orders_of, served_by
from alignment.policy.verdicts import Ground, Mask
from alignment.queries import OUTCOMES, Judgments
from alignment.statistics.families import family_of
from alignment.statistics.verdicts import MISSING, Codes, Floats
from alignment.weeks import Week
from feedback.hashing import canonical_json
from feedback.models import Outcome, Project, Purpose, RaterKind, Response, Score, Slot
from feedback.queries.columns import columns
from feedback.queries.judgments import current_judgments
from judges.models import Judge

_SCORE = np.dtype([(name, np.int64) for name in ("judgment", "criterion", "position", "value")])
_SEEN_FIRST = {"0,1": 0, "1,0": 1}


class Scores(NamedTuple):
    """One row a level given: the comparison, the rater, the criterion (by ``criteria``), the response and the level."""

    criteria: list[str]
    comparison: Codes
    rater: Codes
    criterion: Codes
    position: Codes
    value: Codes

    def kept(self, mask: Mask) -> "Scores":
        """Those of the comparisons under the mask, which are numbered anew."""
        rows = mask[self.comparison]
        rest = (column[rows] for column in self[2:])
        return Scores(self.criteria, (np.cumsum(mask) - 1)[self.comparison[rows]], *rest)


@dataclass(frozen=True)
class Surroundings:
    """By judgment: ``week`` (see ``Week``) and ``shown``, the canonical position seen first; MISSING for people's
    and where unknown. By comparison: ``lengths`` (× 2, characters, NaN where it has not two responses), ``source``
    (× 2, an index into ``sources``, or MISSING) and ``doubtful``, whether people were asked about it for that. By
    rater: ``families``, the maker of its model or "", and ``twice``, whether it was asked about each comparison in both
    orders. ``orders`` and ``served`` by rater.
    """

    week: Codes
    shown: Codes
    lengths: Floats
    sources: list[str]
    source: Codes
    doubtful: Mask
    families: list[str]
    twice: Mask
    orders: dict[int, Orders]
    served: dict[int, list[Served]]
    scores: Scores

    @cached_property
    def makers(self) -> list[str]:
        """The maker of each source's model, "" where it is not known."""
        return [family_of(name) for name in self.sources]

    def within(self, judgments: Judgments, slice_name: str) -> "Surroundings":
        """What surrounds ``judgments.within(slice_name)``."""
        mask = judgments.mask(slice_name)
        rows = mask[judgments.comparison]
        return replace(
            self,
            week=self.week[rows],
            shown=self.shown[rows],
            lengths=self.lengths[mask],
            source=self.source[mask],
            doubtful=self.doubtful[mask],
            orders={rater: orders.kept(mask) for rater, orders in self.orders.items()},
            scores=self.scores.kept(mask),
        )

    def sha256(self) -> str:
        """The content of all this."""
        texts = {
            "sources": self.sources,
            "families": self.families,
            "criteria": self.scores.criteria,
            "served": [[rater, *served] for rater, rows in sorted(self.served.items()) for served in rows],
            "orders": [[rater, orders.asked] for rater, orders in sorted(self.orders.items())],
        }
        digest = hashlib.sha256(canonical_json(texts).encode())
        columns = [
            self.week,
            self.shown,
            self.lengths,
            self.source,
            self.doubtful,
            self.twice,
            *self.scores[1:],
        ]
        drawn = chain.from_iterable(orders[:3] for _rater, orders in sorted(self.orders.items()))
        for column in (*columns, *drawn):
            digest.update(np.nan_to_num(column, nan=MISSING).astype("<i8").tobytes())
        return digest.hexdigest()


def load_surroundings(
    project: Project, judgments: Judgments, alive: Callable[[], None] = lambda: None
) -> Surroundings:
    """All that surrounds these judgments of the project; ``alive`` is called between its reads."""
    place = _Places(judgments)
    week, shown = _given(project, place)
    alive()
    sources, source, lengths = _responses(project, place)
    alive()
    scores = _scores(project, place)
    alive()
    judges = {
        place.rater[judge.pk]: judge
        for judge in Judge.objects.filter(project=project).select_related("rubric")
        if judge.pk in place.rater
    }
    orders = {number: orders_of(judge, number, judgments) for number, judge in sorted(judges.items())}
    alive()
    return Surroundings(
        week=week,
        shown=shown,
        lengths=lengths,
        sources=sources,
        source=source,
        doubtful=grounds_of(project, judgments.comparison_ids) == Ground.GAIN,
        families=[_family(judges.get(number), name) for number, name in enumerate(judgments.names)],
        twice=_twice(judges, judgments),
        orders={number: found for number, found in orders.items() if len(found.comparison)},
        served=served_by(project, place.rater),
        scores=scores,
    )


class _Places:
    """Primary keys to the numbers that ``Judgments`` gave them."""

    def __init__(self, judgments: Judgments) -> None:
        self.judgments = judgments
        self.rater = {rater.pk: number for number, rater in enumerate(judgments.raters)}
        self._by_judgment = np.argsort(judgments.judgment_ids)
        self._by_comparison = np.argsort(judgments.comparison_ids)

    def judgment(self, keys: Codes) -> Codes:
        return _place(keys, self.judgments.judgment_ids, self._by_judgment)

    def comparison(self, keys: Codes) -> Codes:
        return _place(keys, self.judgments.comparison_ids, self._by_comparison)


def _place(keys: Codes, known: Codes, order: Codes) -> Codes:
    """Where each key stands in ``known``, which ``order`` sorts, or MISSING."""
    if not len(known):
        return np.full(len(keys), MISSING, dtype=np.int64)
    found = order[np.minimum(np.searchsorted(known, keys, sorter=order), len(known) - 1)]
    return np.where(known[found] == keys, found, MISSING).astype(np.int64)


def _given(project: Project, place: _Places) -> tuple[Codes, Codes]:
    """Week and position shown first of every machine's judgment."""
    said = current_judgments(project).exclude(rater__kind=RaterKind.HUMAN)
    given = columns(
        said.annotate(week=Week("at"), order=Cast("shown", TextField())),
        keys=("week", "order"),
        numbers=("pk",),
    )
    codes = [(int(week), _SEEN_FIRST.get(order, MISSING)) for week, order in given.keys]
    week, shown = (np.full(len(place.judgments.judgment_ids), MISSING, dtype=np.int64) for _ in range(2))
    at = place.judgment(given.numbers[0])
    known = at != MISSING
    week[at[known]], shown[at[known]] = np.array(codes, dtype=np.int64).reshape(-1, 2)[given.key[known]].T
    return week, shown


def _responses(project: Project, place: _Places) -> tuple[list[str], Codes, Floats]:
    """The names of sources, ascending; source and characters of both responses, where there are just two.

    Texts are measured on their own: in a join PostgreSQL would carry them along.
    """
    written = Response.objects.filter(prompt__project=project).annotate(length=Length("text"))
    texts = columns(written, keys=("source",), numbers=("pk", "length"))
    within = Slot.objects.filter(comparison__project=project, comparison__purpose=Purpose.TRAIN)
    slots = columns(within, keys=("position",), numbers=("comparison_id", "response_id"))
    position = np.array([int(name) for (name,) in slots.keys], dtype=np.int64)[slots.key]
    at = place.comparison(slots.numbers[0])
    responses = np.bincount(at[at != MISSING], minlength=place.judgments.count)
    pairs = (at != MISSING) & (responses[at] == 2)
    at, position = at[pairs], position[pairs]
    text = _place(slots.numbers[1][pairs], texts.numbers[0], np.argsort(texts.numbers[0]))
    source = np.full((place.judgments.count, 2), MISSING, dtype=np.int64)
    lengths = np.full((place.judgments.count, 2), np.nan)
    source[at, position], lengths[at, position] = texts.key[text], texts.numbers[1][text]
    names = sorted(texts.keys[key][0] for key in np.unique(source[source != MISSING]).tolist())
    number = {name: index for index, name in enumerate(names)}
    numbers = [number.get(name, MISSING) for (name,) in texts.keys]
    return names, np.array([*numbers, MISSING], dtype=np.int64)[source], lengths


def _scores(project: Project, place: _Places) -> Scores:
    """Every level given, by people and machines alike, where a machine gave any."""
    said = Score.objects.filter(judgment__in=current_judgments(project).order_by()).order_by()
    met: dict[str, int] = {}
    rows = np.zeros(0, dtype=_SCORE)
    if said.exclude(judgment__rater__kind=RaterKind.HUMAN).exists():
        found = said.values_list("judgment_id", "criterion__name", "position", "value")
        rows = np.fromiter(
            ((pk, met.setdefault(name, len(met)), *rest) for pk, name, *rest in found.iterator(20_000)),
            dtype=_SCORE,
        )
    names, renamed = _sorted_names(met)
    at = place.judgment(rows["judgment"])
    rows, at = rows[at != MISSING], at[at != MISSING]
    columns = (
        place.judgments.comparison[at],
        place.judgments.rater[at],
        renamed[rows["criterion"]],
        rows["position"],
        rows["value"],
    )
    order = np.lexsort(columns[::-1])
    return Scores(names, *(column[order] for column in columns))


def _sorted_names(met: dict[str, int]) -> tuple[list[str], Codes]:
    """Names in ascending order, and the place there of each as it was met."""
    names = sorted(met)
    place = {name: index for index, name in enumerate(names)}
    return names, np.array([place[name] for name in met], dtype=np.int64)


def _family(judge: Judge | None, name: str) -> str:
    """The maker of the judge's model: as its configuration says, or as its model's or its own name tells."""
    if judge is None:
        return family_of(name)
    return family_of(judge.family) or judge.family.strip().lower() or family_of(judge.model)


def _twice(judges: dict[int, Judge], judgments: Judgments) -> Mask:
    """Our judges say so; of an imported one, an inconsistent verdict tells it."""
    inconsistent = judgments.outcome == OUTCOMES.index(Outcome.INCONSISTENT)
    twice = np.bincount(judgments.rater[inconsistent], minlength=len(judgments.raters)) > 0
    for number, judge in judges.items():
        twice[number] = judge.both_orders
    return np.asarray(twice & ~judgments.people)
