"""Reads of comparisons on which two raters, or people and machines, can be held against each other."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

from django.db.models import Exists, Max, OuterRef, Prefetch, Q, QuerySet

from alignment.policy.verdicts import ALL
from feedback.models import Comparison, Judgment, Outcome, Project, Purpose, Rater, RaterKind, Slot

PAGE = 10
SECONDS = 1.5  # one request looks for so long, then says how far it came
FIRST_STRETCH, GROWTH = 2000, 4  # comparisons looked at first, and how many times as many next
PEOPLE, MACHINES = "people", "machines"
DIFFER, SAME, MISSING, BOTH = "differ", "same", "missing", "both"
OUTCOMES = (DIFFER, SAME, MISSING, BOTH)


@dataclass(frozen=True)
class DisagreementFilter:
    """Sides ``a`` and ``b``: PEOPLE, MACHINES or a rater's number. ``slice`` is a tag or ALL.

    ``outcome``: their verdicts DIFFER or are the SAME, one of them is MISSING, or BOTH judged, whatever they say.
    """

    a: str = PEOPLE
    b: str = MACHINES
    slice: str = ALL
    outcome: str = DIFFER

    @classmethod
    def of(cls, project: Project, parameters: Mapping[str, str]) -> "DisagreementFilter":
        """What an address says; what names no rater, slice or outcome of this project is as if not given."""
        known = {PEOPLE, MACHINES, *(str(pk) for pk in project.raters.values_list("pk", flat=True))}
        slices = {ALL, *project.tags.values_list("name", flat=True)}
        allowed = {"a": known, "b": known, "slice": slices, "outcome": set(OUTCOMES)}
        given = {name: parameters.get(name, "") for name in allowed}
        return cls(**{name: value for name, value in given.items() if value in allowed[name]})

    @property
    def parameters(self) -> dict[str, str]:
        return asdict(self)


@dataclass(frozen=True)
class DisagreementPage:
    """PAGE comparisons by id, and the id after which the next page begins, None on the last.

    Not ``whole``: the time was up before the page was full.
    """

    rows: Sequence[Comparison]
    after: int | None
    whole: bool = True


def disagreement_page(project: Project, wanted: DisagreementFilter, *, after: int = 0) -> DisagreementPage:
    """The comparisons after one; with prompt, slots, judgments in force (reviewers' decisions too) and review item.

    What few comparisons fit is looked for in stretches that grow, until the time is up.
    """
    keys, reached = _found(project, wanted, after)
    judgments = Judgment.objects.filter(current=True).select_related("rater")
    found = (
        Comparison.objects.filter(pk__in=keys[:PAGE])
        .select_related("prompt", "review_item")
        .prefetch_related(
            "tags",
            Prefetch("slots", Slot.objects.select_related("response").order_by("position")),
            Prefetch("judgments", judgments.order_by("rater__kind", "rater__name"), to_attr="in_force"),
        )
    )
    rows = list(found.order_by("pk"))
    return (
        DisagreementPage(rows, keys[PAGE - 1])
        if len(keys) > PAGE
        else DisagreementPage(rows, reached, not reached)
    )


def _found(project: Project, wanted: DisagreementFilter, after: int) -> tuple[list[int], int | None]:
    """Up to PAGE + 1 keys, and how far was looked where that is not the end."""
    last = project.comparisons.aggregate(last=Max("pk"))["last"] or 0
    keys: list[int] = []
    low, size, started = after, FIRST_STRETCH, time.monotonic()
    while low < last and len(keys) <= PAGE:
        begun = time.monotonic()
        high = min(last, low + size)
        keys += _keys(project, wanted, low, high)[: PAGE + 1 - len(keys)]
        low, size, now = high, size * GROWTH, time.monotonic()
        if now - started + GROWTH * (now - begun) > SECONDS:
            break
    return keys, low if low < last else None


def belongs(rater: Rater, side: str) -> bool:
    """Is this rater one of the side?"""
    if side in (PEOPLE, MACHINES):
        return (rater.kind == RaterKind.HUMAN) == (side == PEOPLE)
    return str(rater.pk) == side


def _keys(
    project: Project, wanted: DisagreementFilter, low: int, high: int
) -> QuerySet[Comparison, int] | QuerySet[Judgment, int]:
    """The keys, in order, of the comparisons above ``low`` up to ``high``; a single rater's by their own index."""
    sides = sorted((wanted.a, wanted.b), key=lambda side: side in (PEOPLE, MACHINES))
    comparison = Q(purpose=Purpose.TRAIN, retired_at=None)
    tags = Comparison.tags.through.objects.filter(tag__in=list(project.tags.filter(name=wanted.slice)))
    if sides[0] in (PEOPLE, MACHINES):
        said = _said(sides[0]).filter(comparison=OuterRef("pk"))
        found = Comparison.objects.filter(comparison, project=project, pk__gt=low, pk__lte=high)
        found = found.filter(Exists(_compared(said, sides[1], wanted.outcome)))
        if wanted.slice != ALL:
            found = found.filter(Exists(tags.filter(comparison=OuterRef("pk"))))
        return found.order_by("pk").values_list("pk", flat=True)
    of_project = Q(comparison__purpose=Purpose.TRAIN, comparison__retired_at=None)
    own = _said(sides[0]).filter(of_project, comparison__project=project)
    own = own.filter(comparison_id__gt=low, comparison_id__lte=high)
    own = _compared(own, sides[1], wanted.outcome)
    if wanted.slice != ALL:
        own = own.filter(Exists(tags.filter(comparison=OuterRef("comparison"))))
    return own.order_by("comparison_id").values_list("comparison_id", flat=True)


def _said(side: str) -> QuerySet[Judgment]:
    """The votes in force of one side."""
    votes = Judgment.objects.filter(current=True, adjudicates=False)
    if side == PEOPLE:
        return votes.filter(rater__kind=RaterKind.HUMAN)
    if side == MACHINES:
        return votes.exclude(rater__kind=RaterKind.HUMAN)
    return votes.filter(rater=int(side))


def _compared(said: QuerySet[Judgment], other_side: str, outcome: str) -> QuerySet[Judgment]:
    """Those of ``said`` beside which the other side has a vote on the same comparison, as ``outcome`` asks."""
    others = _said(other_side).filter(comparison=OuterRef("comparison")).exclude(rater=OuterRef("rater"))
    ranked = Q(outcome=Outcome.RANKED)
    if outcome == DIFFER:
        return said.filter(ranked, Exists(others.filter(ranked).exclude(ranking=OuterRef("ranking"))))
    if outcome == SAME:
        return said.filter(ranked, Exists(others.filter(ranked, ranking=OuterRef("ranking"))))
    if outcome == MISSING:
        without, with_one = Exists(others.exclude(ranked)), Exists(others.filter(ranked))
        return said.filter((ranked & Q(without)) | (~ranked & Q(with_one)))
    return said.filter(Exists(others))
