"""Reads of what people answered: as columns to be measured, and one person's as a list to be looked through."""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import numpy as np
from django.db.models import (
    Count,
    Exists,
    F,
    IntegerField,
    OuterRef,
    Q,
    QuerySet,
    Subquery,
    Sum,
    TextField,
    Value,
)
from django.db.models.functions import Cast, Length, Replace

from alignment.models import PersonMeasure
from alignment.statistics.people import ATTENTION, GOLD, REPEAT, WORK, Answers, Order
from alignment.statistics.verdicts import MISSING, Codes, Ranking, encode
from feedback.models import Flag, GoldAnswer, Judgment, Outcome, Project, Purpose, Rater, RaterKind, Slot

ITEMS = {
    Purpose.TRAIN.value: WORK,
    Purpose.EVALUATE.value: WORK,
    Purpose.GOLD.value: GOLD,
    Purpose.ATTENTION.value: ATTENTION,
    Purpose.REPEAT.value: REPEAT,
}
_AT_ONCE = 20_000  # answers between two signs of life
_WEEK = 7 * 86_400
_MONDAY = datetime(1970, 1, 5, tzinfo=UTC).timestamp()
_ROW = np.dtype(
    [
        *((name, np.int64) for name in ("rater", "comparison", "prompt", "item")),
        *((name, np.int64) for name in ("ranking", "known", "shown", "original")),
        ("seconds", np.float64),
        ("week", np.int64),
    ]
)


def people_of(project: Project) -> list[Rater]:
    """The people who judge in the project, by name."""
    return list(project.raters.filter(kind=RaterKind.HUMAN).order_by("name", "pk"))


def people_measured(project: Project, *, pk: int | None = None) -> list[tuple[Rater, PersonMeasure | None]]:
    """The people who judge, or one of them, each with what was measured of them last."""
    found = project.raters.filter(kind=RaterKind.HUMAN).select_related("measure").order_by("name", "pk")
    people = found.filter(pk=pk) if pk is not None else found
    return [(rater, getattr(rater, "measure", None)) for rater in people]


def answers_of(raters: QuerySet[Rater] | list[Rater]) -> QuerySet[Judgment]:
    """What these people answer now, but for practice and for decisions taken after seeing the others'."""
    current = Judgment.objects.filter(rater__in=raters, current=True, adjudicates=False)
    return current.exclude(comparison__purpose=Purpose.PRACTICE)


def load_answers(project: Project, people: list[Rater], alive: Callable[[], None] = lambda: None) -> Answers:
    """All answers of these people, numbered as they stand; about 20 seconds for a million of them.

    ``alive`` is called while reading, so that a lease can be renewed.
    """
    rankings: dict[Ranking | None, int] = {None: 0}
    orders: dict[Order, int] = {}
    read = _kept_alive(_rows(project, people, rankings, orders), alive)
    rows = np.fromiter(read, dtype=_ROW)
    encoded = encode(rankings)
    comparisons, comparison = np.unique(rows["comparison"], return_inverse=True)
    return Answers(
        raters=len(people),
        comparisons=len(comparisons),
        rankings=encoded.rankings,
        orders=list(orders),
        rater=rows["rater"],
        comparison=comparison,
        prompt=np.unique(rows["prompt"], return_inverse=True)[1],
        item=rows["item"],
        verdict=encoded.codes[rows["ranking"]],
        known=encoded.codes[rows["known"]],
        shown=rows["shown"],
        original=_places(rows["original"], comparisons),
        seconds=rows["seconds"],
        words=_words(project, comparisons)[comparison],
        week=rows["week"],
    )


def _kept_alive(rows: Iterator[tuple[Any, ...]], alive: Callable[[], None]) -> Iterator[tuple[Any, ...]]:
    for number, row in enumerate(rows):
        if number % _AT_ONCE == 0:
            alive()
        yield row


def _rows(
    project: Project, people: list[Rater], rankings: dict[Ranking | None, int], orders: dict[Order, int]
) -> Iterator[tuple[Any, ...]]:
    """The answers as numbers; ``rankings`` and ``orders`` fill with what occurs."""
    gold = _gold(project)
    number = {rater.pk: index for index, rater in enumerate(people)}
    rank_codes: dict[str, int] = {"": 0}
    order_codes: dict[str, int] = {"": MISSING}
    for rater, comparison, prompt, purpose, original, ranking, shown, seconds, at in _columns(people):
        known, since = gold.get(comparison, ("", at))
        for text in (ranking, known):
            if text not in rank_codes:
                rank_codes[text] = rankings.setdefault(_numbers(text), len(rankings))
        if shown not in order_codes:
            order_codes[shown] = orders.setdefault(_numbers(shown), len(orders))
        yield (
            number[rater],
            comparison,
            prompt,
            ITEMS[purpose],
            rank_codes[ranking],
            rank_codes[known if at >= since else ""],
            order_codes[shown],
            MISSING if original is None else original,
            np.nan if seconds is None else seconds,
            int((at.timestamp() - _MONDAY) // _WEEK),
        )


def _columns(people: list[Rater]) -> Iterator[tuple[Any, ...]]:
    """Rankings and orders as the text they are stored as: a tuple for each of a million rows would be slow."""
    texts = {name: Cast(name, TextField()) for name in ("ranking", "shown")}
    found = answers_of(people).annotate(**{f"{name}_text": text for name, text in texts.items()})
    columns = ("rater_id", "comparison_id", "comparison__prompt_id", "comparison__purpose")
    said = ("comparison__repeat_of_id", "ranking_text", "shown_text", "seconds", "at")
    return found.order_by().values_list(*columns, *said).iterator(chunk_size=5000)


def _gold(project: Project) -> dict[int, tuple[str, datetime]]:
    """By comparison, the known answer as stored and since when it is known."""
    known = GoldAnswer.objects.filter(comparison__project=project)
    found = known.annotate(text=Cast("ranking", TextField())).values_list(
        "comparison_id", "text", "created_at"
    )
    return {comparison: (text, since) for comparison, text, since in found}


def _numbers(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in text.split(","))


def _places(keys: Codes, found: Codes) -> Codes:
    """The place of each key in ``found``, which ascends, or MISSING where it is not there."""
    if not len(found):
        return np.full(len(keys), MISSING, dtype=np.int64)
    place = np.minimum(np.searchsorted(found, keys), len(found) - 1)
    return np.where(found[place] == keys, place, MISSING).astype(np.int64)


def _words(project: Project, comparisons: Codes) -> Any:
    """The words of each comparison's responses, by the spaces in them; NaN where there is none."""
    text = F("response__text")
    spaces = Length(text) - Length(Replace(text, Value(" "), Value("")))
    counted = (
        Slot.objects.filter(comparison__project=project)
        .order_by()
        .values_list("comparison_id")
        .annotate(n=Sum(spaces + 1, output_field=IntegerField()))
    )
    pairs = np.fromiter(counted.iterator(chunk_size=5000), dtype=[("key", np.int64), ("n", np.float64)])
    words = np.full(len(comparisons), np.nan)
    place = _places(pairs["key"], comparisons)
    words[place[place != MISSING]] = pairs["n"][place != MISSING]
    return words


def flags_by_person(project: Project) -> Counter[int]:
    """How often each person flagged something, by rater."""
    raised = Flag.objects.filter(judgment__rater__project=project, judgment__current=True)
    counted = raised.values_list("judgment__rater_id").annotate(Count("pk")).order_by()
    return Counter(dict(counted))


def newest_answers(project: Project) -> dict[int, datetime]:
    """When each person answered last, by rater."""
    last = Judgment.objects.filter(rater=OuterRef("pk")).order_by("-at").values("at")[:1]
    found = project.raters.filter(kind=RaterKind.HUMAN).annotate(last=Subquery(last))
    return {pk: at for pk, at in found.values_list("pk", "last") if at is not None}


@dataclass(frozen=True)
class AnswerFilter:
    """What a person's answers are narrowed to; an empty part narrows nothing.

    ``outcome`` is one of Outcome; ``only`` is "gold-wrong" (gold and attention items answered otherwise than known),
    "against" (more than half of the other people agree on another ranking) or "flagged".
    """

    outcome: str = ""
    only: str = ""


ONLY = ("gold-wrong", "against", "flagged")


def find_answers(rater: Rater, wanted: AnswerFilter) -> QuerySet[Judgment]:
    """One person's current answers that the filter keeps, newest first; decisions as a reviewer and practice too."""
    found = Judgment.objects.filter(rater=rater, current=True)
    if wanted.outcome:
        found = found.filter(outcome=wanted.outcome)
    if wanted.only == "gold-wrong":
        found = found.filter(_GOLD_WRONG)
    elif wanted.only == "against":
        found = _against_majority(found.filter(outcome=Outcome.RANKED), rater)
    elif wanted.only == "flagged":
        found = found.filter(Exists(Flag.objects.filter(judgment=OuterRef("pk"))))
    return found.order_by("-at", "-pk")


_GOLD_WRONG = Q(
    outcome=Outcome.RANKED,
    comparison__purpose__in=(Purpose.GOLD, Purpose.ATTENTION),
    at__gte=F("comparison__gold_answer__created_at"),
) & ~Q(ranking=F("comparison__gold_answer__ranking"))


def _against_majority(found: QuerySet[Judgment], rater: Rater) -> QuerySet[Judgment]:
    """Where more than half of the other people who gave a verdict gave one and the same other ranking."""
    others = Judgment.objects.filter(
        comparison=OuterRef("comparison"),
        current=True,
        adjudicates=False,
        outcome=Outcome.RANKED,
        rater__kind=RaterKind.HUMAN,
    )
    others = others.exclude(rater=rater).order_by()
    count = others.values("comparison").annotate(n=Count("pk")).values("n")
    other = others.exclude(ranking=OuterRef("ranking")).values("ranking").annotate(n=Count("pk"))
    most = Subquery(other.order_by("-n").values("n")[:1])
    return found.alias(others=Subquery(count), most=most).filter(most__gt=F("others") / 2.0)


PAGE = 50


@dataclass(frozen=True)
class AnswerPage:
    """One page of answers, newest first; ``before`` is the answer after which the next page begins."""

    rows: list[Judgment]
    before: int | None


def answer_page(rater: Rater, wanted: AnswerFilter, *, before: int | None = None) -> AnswerPage:
    """The PAGE answers older than answer ``before``; its cost does not grow with how far one has paged."""
    found = find_answers(rater, wanted).select_related("comparison__prompt", "comparison__gold_answer")
    mark = Judgment.objects.filter(rater=rater, pk=before).first() if before is not None else None
    if mark:
        found = found.filter(Q(at__lt=mark.at) | Q(at=mark.at, pk__lt=mark.pk))
    rows = list(found.prefetch_related("flags")[: PAGE + 1])
    return AnswerPage(rows[:PAGE], rows[PAGE - 1].pk if len(rows) > PAGE else None)


def answers_to_export(rater: Rater, wanted: AnswerFilter) -> Iterator[Judgment]:
    """All the answers that the filter keeps, a few thousand in memory at a time."""
    found = find_answers(rater, wanted).select_related("comparison__gold_answer")
    return found.prefetch_related("flags").iterator(chunk_size=2000)
