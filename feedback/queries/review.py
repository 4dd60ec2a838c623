"""Reads of the reviewers' queue: what waits for a reviewer, lowest agreement first, and all that is said of one item.

The list walks one partial index on the narrow rows (``ReviewItem``), so a page costs the same with a million
comparisons; counts stop at MOST_COUNTED.
"""

from dataclasses import dataclass, fields
from functools import cached_property
from typing import Any, Self

from django.db.models import Count, Exists, OuterRef, Prefetch, QuerySet

from feedback.hashing import content_sha256
from feedback.models import (
    AuditEntry,
    Comparison,
    Doubt,
    Flag,
    FlagKind,
    Judgment,
    Project,
    RaterKind,
    Return,
    ReviewItem,
    Score,
    Tag,
)
from feedback.parameters import whole

PAGE = 25
MOST_COUNTED = 1000
FEW = 500  # rows that are looked up one by one
ANY = "any"
WAITING, ANSWERED = "waiting", "answered"
VERBS = ("adjudicate", "dismiss flags", "let stand", "send back", "doubt guidelines", "ask for review")


@dataclass(frozen=True)
class ReviewFilter:
    """What the queue is narrowed to; an empty part narrows nothing.

    ``flag`` is a kind of flag or ANY; ``conflict`` and ``doubt`` are ANY or empty; ``returned`` is WAITING for what was
    sent back and not answered (which does not wait for a reviewer meanwhile), ANSWERED for what came back.
    """

    flag: str = ""
    conflict: str = ""
    tag: str = ""
    returned: str = ""
    doubt: str = ""

    @property
    def given(self) -> dict[str, str]:
        """The parts that narrow, as they stand in an address."""
        return {part.name: value for part in fields(self) if (value := getattr(self, part.name))}


@dataclass(frozen=True)
class Place:
    """A place in the queue's order: by agreement, then by comparison. Written ``333.42`` in addresses."""

    agreement: int
    comparison: int

    def __str__(self) -> str:
        return f"{self.agreement}.{self.comparison}"

    @classmethod
    def of(cls, item: ReviewItem) -> Self:
        return cls(item.agreement, item.pk)

    @classmethod
    def read(cls, text: str) -> Self | None:
        """What ``text`` says, or None where it is no place."""
        agreement, _, comparison = text.partition(".")
        first, second = whole(agreement), whole(comparison)
        return None if first is None or second is None else cls(first, second)


def review_items(project: Project, wanted: ReviewFilter) -> QuerySet[ReviewItem]:
    """The rows that the filter keeps, in no order: those that wait for a reviewer, or were sent back or doubted."""
    found = ReviewItem.objects.filter(project_id=project.pk)
    returns = Return.objects.filter(judgment__comparison=OuterRef("comparison_id"))
    doubts = Doubt.objects.filter(comparison=OuterRef("comparison_id"), settled_in=None)
    if wanted.returned == WAITING:
        found = found.filter(returns__gt=0, comparison__retired_at=None)
    elif wanted.doubt:
        found = found.filter(comparison__retired_at=None)
    else:
        found = found.filter(open=True)  # what is retired is not
    if wanted.returned == ANSWERED:
        found = found.filter(Exists(returns.exclude(answered_by=None)))
    if wanted.doubt:
        found = found.filter(Exists(doubts))
    if wanted.conflict:
        found = found.filter(conflict=True)
    if wanted.flag:
        found = found.filter(flags__gt=0)
    if wanted.flag in FlagKind.values:
        of_kind = Flag.objects.filter(kind=wanted.flag, settled_at=None, judgment__current=True)
        found = _among(found, of_kind.filter(comparison__project=project))
    if wanted.tag:
        found = _among(found, Comparison.tags.through.objects.filter(tag__in=_tags(project, wanted.tag)))
    return found


def _among(found: QuerySet[ReviewItem], of_comparisons: QuerySet[Any]) -> QuerySet[ReviewItem]:
    """Those whose comparison has one of these rows.

    Few are looked up one by one: for a rare one, walking the queue in its order would go on to its end.
    """
    few = list(of_comparisons.values_list("comparison_id", flat=True)[: FEW + 1])
    if len(few) <= FEW:
        return found.filter(pk__in=few)
    return found.filter(Exists(of_comparisons.filter(comparison=OuterRef("comparison_id"))))


def _tags(project: Project, name: str) -> list[Tag]:
    return list(project.tags.filter(name=name))


@dataclass(frozen=True)
class ReviewPage:
    """PAGE rows in the queue's order, and the places that lead to the pages before and after."""

    rows: list[ReviewItem]
    before: Place | None
    after: Place | None


def review_page(
    project: Project, wanted: ReviewFilter, *, after: Place | None = None, before: Place | None = None
) -> ReviewPage:
    """The page after or before a place; its cost does not grow with how far one has paged."""
    found = review_items(project, wanted).select_related("comparison__prompt")
    found = found.prefetch_related(
        "comparison__tags",
        Prefetch("comparison__flags", _open_flags(), to_attr="open_flags"),
    )
    if before:
        rows = _preceding(found, before, PAGE + 1)
        more, rows = len(rows) > PAGE, rows[:PAGE][::-1]
        return ReviewPage(rows, Place.of(rows[0]) if more else None, Place.of(rows[-1]) if rows else None)
    rows = _following(found, after or Place(0, 0), PAGE + 1)
    more, rows = len(rows) > PAGE, rows[:PAGE]
    return ReviewPage(
        rows, Place.of(rows[0]) if rows and after else None, Place.of(rows[-1]) if more else None
    )


def neighbours(project: Project, wanted: ReviewFilter, place: Place) -> tuple[int | None, int | None]:
    """The comparisons before and after a place in the filtered queue."""
    found = review_items(project, wanted)
    before, after = _preceding(found, place, 1), _following(found, place, 1)
    return before[0].pk if before else None, after[0].pk if after else None


# Two looks each, since one condition with "or" in it would keep the database from walking its index in order.
def _following(found: QuerySet[ReviewItem], place: Place, count: int) -> list[ReviewItem]:
    alike = found.filter(agreement=place.agreement, comparison_id__gt=place.comparison)
    rows = list(alike.order_by("comparison_id")[:count])
    higher = found.filter(agreement__gt=place.agreement).order_by("agreement", "comparison_id")
    return rows + list(higher[: count - len(rows)])


def _preceding(found: QuerySet[ReviewItem], place: Place, count: int) -> list[ReviewItem]:
    alike = found.filter(agreement=place.agreement, comparison_id__lt=place.comparison)
    rows = list(alike.order_by("-comparison_id")[:count])
    lower = found.filter(agreement__lt=place.agreement).order_by("-agreement", "-comparison_id")
    return rows + list(lower[: count - len(rows)])


@dataclass(frozen=True)
class ReviewCounts:
    """How much waits, each to MOST_COUNTED; ``flags`` by kind, those that there are."""

    open: int
    conflicts: int
    waiting: int
    doubts: int
    flags: list[tuple[str, int]]


def review_counts(project: Project) -> ReviewCounts:
    """The counts beside the queue."""

    def count(wanted: ReviewFilter) -> int:
        return review_items(project, wanted)[:MOST_COUNTED].count()

    by_kind = _open_flags().filter(comparison__project=project, comparison__retired_at=None).order_by("kind")
    return ReviewCounts(
        open=count(ReviewFilter()),
        conflicts=count(ReviewFilter(conflict=ANY)),
        waiting=count(ReviewFilter(returned=WAITING)),
        doubts=count(ReviewFilter(doubt=ANY)),
        flags=list(by_kind.values_list("kind").annotate(Count("comparison", distinct=True))),
    )


def _open_flags() -> QuerySet[Flag]:
    """Those nobody settled, of answers that stand."""
    return Flag.objects.filter(settled_at=None, judgment__current=True).order_by("kind")


@dataclass(frozen=True)
class Case:
    """All that reviewers see of one comparison: ``decision`` is in force, ``earlier`` was superseded."""

    comparison: Comparison
    item: ReviewItem
    judgments: list[Judgment]
    decision: Judgment | None
    earlier: list[Judgment]
    doubts: list[Doubt]
    history: list[AuditEntry]

    @cached_property
    def state(self) -> str:
        return review_state(self.comparison.pk)

    @property
    def people_asked(self) -> int:
        """How many more people are asked than have answered."""
        item = getattr(self.comparison, "queue_item", None)
        return item.slots_free if item else 0

    @property
    def open_flags(self) -> list[Flag]:
        return [flag for judgment in self.judgments for flag in judgment.flags.all() if not flag.settled_at]


def review_case(comparison: Comparison) -> Case:
    """Everything said about this comparison, people first."""
    scores = Score.objects.select_related("criterion").order_by("criterion__position", "position")
    rows = list(
        comparison.judgments.select_related("rater", "second_look")
        .prefetch_related(Prefetch("scores", scores), "spans", "flags__settled_by", "returns__returned_by")
        .order_by("rater__kind", "rater__name", "-at", "-pk")
    )
    item = ReviewItem.objects.filter(pk=comparison.pk).first()
    history = AuditEntry.objects.filter(target="comparison", target_id=comparison.pk, verb__in=VERBS)
    return Case(
        comparison=comparison,
        item=item or ReviewItem(comparison=comparison, project_id=comparison.project_id),
        judgments=[row for row in rows if row.current and not row.adjudicates],
        decision=next((row for row in rows if row.current and row.adjudicates), None),
        earlier=[row for row in rows if not row.current],
        doubts=list(comparison.doubts.select_related("raised_by").order_by("-pk")),
        history=list(history.select_related("actor").order_by("-pk")),
    )


def review_state(comparison_id: int) -> str:
    """What a reviewer saw of a comparison, as a short token: another answer, flag or review makes another one."""
    judgments = Judgment.objects.filter(comparison=comparison_id, current=True, rater__kind=RaterKind.HUMAN)
    flags = Flag.objects.filter(comparison=comparison_id, settled_at=None)
    returns = Return.objects.filter(judgment__comparison=comparison_id, answered_by=None)
    item = ReviewItem.objects.filter(pk=comparison_id).values_list("let_stand", "asked").first()
    settled = list(item or (False, False))
    return content_sha256([_keys(judgments), _keys(flags), _keys(returns), settled])[:16]


def _keys(rows: QuerySet[Judgment] | QuerySet[Flag] | QuerySet[Return]) -> list[int]:
    return sorted(rows.values_list("pk", flat=True))


def adjudication_of(comparison_id: int) -> Judgment | None:
    """The reviewers' decision on a comparison, if there is one."""
    decided = Judgment.objects.filter(comparison=comparison_id, current=True, adjudicates=True)
    return decided.select_related("rater").first()
