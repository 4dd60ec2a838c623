"""Reads of comparisons on which two raters, or people and machines, can be held against each other."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass

from django.db.models import Exists, OuterRef, Prefetch, Q, QuerySet

from alignment.policy.verdicts import ALL
from feedback.models import Comparison, Judgment, Outcome, Project, Purpose, Rater, RaterKind, Slot

PAGE = 10
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
    """PAGE comparisons by id, and the id after which the next page begins, None on the last."""

    rows: list[Comparison]
    after: int | None


def disagreement_page(project: Project, wanted: DisagreementFilter, *, after: int = 0) -> DisagreementPage:
    """The comparisons after one; with prompt, slots, judgments in force (reviewers' decisions too) and review item."""
    keys = list(_keys(project, wanted, after)[: PAGE + 1])
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
    return DisagreementPage(list(found.order_by("pk")), keys[PAGE - 1] if len(keys) > PAGE else None)


def belongs(rater: Rater, side: str) -> bool:
    """Is this rater one of the side?"""
    if side in (PEOPLE, MACHINES):
        return (rater.kind == RaterKind.HUMAN) == (side == PEOPLE)
    return str(rater.pk) == side


def _keys(
    project: Project, wanted: DisagreementFilter, after: int
) -> QuerySet[Comparison] | QuerySet[Judgment]:
    """The comparisons' keys in order. A single rater's judgments are walked by their own index."""
    sides = sorted((wanted.a, wanted.b), key=lambda side: side in (PEOPLE, MACHINES))
    comparison = Q(purpose=Purpose.TRAIN, retired_at=None)
    tags = Comparison.tags.through.objects.filter(tag__in=list(project.tags.filter(name=wanted.slice)))
    if sides[0] in (PEOPLE, MACHINES):
        said = _said(sides[0]).filter(comparison=OuterRef("pk"))
        found = Comparison.objects.filter(comparison, project=project, pk__gt=after)
        found = found.filter(Exists(_compared(said, sides[1], wanted.outcome)))
        if wanted.slice != ALL:
            found = found.filter(Exists(tags.filter(comparison=OuterRef("pk"))))
        return found.order_by("pk").values_list("pk", flat=True)
    of_project = Q(comparison__purpose=Purpose.TRAIN, comparison__retired_at=None)
    own = _said(sides[0]).filter(of_project, comparison_id__gt=after, comparison__project=project)
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
