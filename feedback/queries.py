"""Every shared read of the store."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import reduce
from operator import or_

from django.contrib.auth.models import User
from django.db.models import Count, Exists, OuterRef, Q, QuerySet, Sum
from django.utils import timezone

from feedback.errors import Refused
from feedback.models import (
    Assignment,
    Comparison,
    Criterion,
    Guideline,
    GuidelineReading,
    Judgment,
    Outcome,
    Project,
    Purpose,
    QueueItem,
    Rater,
    RaterKind,
    Rubric,
    Slot,
)
from feedback.permissions import projects_of


def project_named(name: str) -> Project:
    """The project of this name, or slug. Refused where there is none."""
    project = Project.objects.filter(Q(name=name) | Q(slug=name)).first()
    if project is None:
        known = ", ".join(Project.objects.values_list("name", flat=True)[:20])
        raise Refused(
            f"There is no project {name!r}. " + (f"There are: {known}." if known else "Make one first.")
        )
    return project


def current_guideline(project: Project, language: str = "en") -> Guideline | None:
    """The newest guidelines, in ``language`` where there is such a text, else in English, else in any language."""
    newest = Guideline.objects.filter(project=project).order_by("-version").first()
    if newest is None:
        return None
    texts = {text.language: text for text in project.guidelines.filter(version=newest.version)}
    return texts.get(language) or texts.get("en") or newest


def current_criteria(project_id: int) -> list[Criterion]:
    """What is scored in this project now: the criteria of its newest rubric."""
    rubric = Rubric.objects.filter(project=project_id).order_by("-id").first()
    return list(rubric.criteria.all()) if rubric else []


@dataclass(frozen=True)
class StoreCounts:
    """How many there are at each stage up to the judgments. ``open_slots`` are judgments people are still asked for."""

    prompts: int
    responses: int
    comparisons: int
    human_judgments: int
    ai_judgments: int
    without_verdict: int
    open_slots: int
    people: int


def store_counts(project: Project) -> StoreCounts:
    comparisons = Comparison.objects.filter(project=project, purpose=Purpose.TRAIN)
    judgments = Judgment.objects.filter(
        rater__project=project, current=True, comparison__purpose=Purpose.TRAIN
    )
    held_out = Comparison.objects.filter(prompt=OuterRef("pk"), purpose=Purpose.EVALUATE)
    counted = judgments.aggregate(
        human=Count("pk", filter=Q(rater__kind=RaterKind.HUMAN, outcome=Outcome.RANKED)),
        ai=Count("pk", filter=~Q(rater__kind=RaterKind.HUMAN) & Q(outcome=Outcome.RANKED)),
        missing=Count("pk", filter=~Q(outcome=Outcome.RANKED)),
    )
    return StoreCounts(
        prompts=project.prompts.filter(~Exists(held_out)).count(),
        responses=comparisons.aggregate(n=Count("slots"))["n"],
        comparisons=comparisons.count(),
        human_judgments=counted["human"],
        ai_judgments=counted["ai"],
        without_verdict=counted["missing"],
        open_slots=QueueItem.objects.filter(project_id=project.pk).aggregate(n=Sum("slots_free"))["n"] or 0,
        people=project.raters.filter(kind=RaterKind.HUMAN).count(),
    )


def current_judgments(project: Project, *, purpose: str = Purpose.TRAIN) -> QuerySet[Judgment]:
    """The judgments that count, in a fixed order."""
    raters = Rater.objects.filter(project=project)
    return Judgment.objects.filter(rater__in=raters, current=True, comparison__purpose=purpose).order_by(
        "comparison_id", "rater_id"
    )


def judgment_rows(project: Project) -> Iterator[tuple[int, int, int, int, str, tuple[int, ...]]]:
    """(judgment, comparison, prompt, rater, outcome, ranking) of every current judgment for training, in order."""
    return (
        current_judgments(project)
        .values_list("pk", "comparison_id", "comparison__prompt_id", "rater_id", "outcome", "ranking")
        .iterator(chunk_size=5000)
    )


def tags_by_comparison(project: Project) -> dict[int, tuple[str, ...]]:
    """The tags of each comparison that has any, sorted."""
    found: dict[int, list[str]] = {}
    rows = Comparison.tags.through.objects.filter(comparison__project=project)
    for comparison_id, name in (
        rows.order_by("tag__name").values_list("comparison_id", "tag__name").iterator()
    ):
        found.setdefault(comparison_id, []).append(name)
    return {comparison_id: tuple(names) for comparison_id, names in found.items()}


def own_judgments(rater: Rater) -> QuerySet[Judgment]:
    """What this rater has said, newest first."""
    return Judgment.objects.filter(rater=rater, current=True).order_by("-at", "-pk")


MOST_COUNTED = 1000


@dataclass(frozen=True)
class Progress:
    """One person's work in one project. ``left`` counts what the queue would still give them, to MOST_COUNTED."""

    done: int
    left: int

    @property
    def all(self) -> int:
        return self.done + self.left

    @property
    def more(self) -> bool:
        return self.left >= MOST_COUNTED


def progress_of(rater: Rater) -> Progress:
    """What this person has judged, and what the queue would still give them."""
    given = Assignment.objects.filter(comparison_id=OuterRef("comparison_id"), rater=rater)
    judged = Judgment.objects.filter(comparison_id=OuterRef("comparison_id"), rater=rater, current=True)
    waiting = _open_items(rater.project_id).filter(~Exists(given), ~Exists(judged))[:MOST_COUNTED].count()
    held = rater.assignments.filter(done_at=None, expires_at__gt=timezone.now()).count()
    return Progress(done=own_judgments(rater).filter(outcome=Outcome.RANKED).count(), left=waiting + held)


def progress_in(project: Project, user: User) -> Progress:
    """The same for somebody who may not have judged anything here yet."""
    rater = Rater.objects.filter(project=project, user=user).first()
    return (
        progress_of(rater) if rater else Progress(done=0, left=_open_items(project.pk)[:MOST_COUNTED].count())
    )


def _open_items(project_id: int) -> QuerySet[QueueItem]:
    return QueueItem.objects.filter(project_id=project_id, slots_free__gt=0)


@dataclass(frozen=True)
class ProjectCard:
    """One project as its member sees it in the list of projects."""

    project: Project
    role: str
    progress: Progress


def project_cards(user: User) -> list[ProjectCard]:
    """The projects that ``user`` may see, each with their role and their own progress."""
    roles = dict(user.memberships.values_list("project_id", "role"))
    return [
        ProjectCard(project, roles.get(project.pk, "administrator"), progress_in(project, user))
        for project in projects_of(user)
    ]


PAGE = 25


@dataclass(frozen=True)
class ComparisonFilter:
    """What a list of comparisons is narrowed to; an empty part narrows nothing.

    ``q`` is looked for in prompts and responses, ``outcome`` is one of Outcome, or "none" for no judgment at all.
    """

    q: str = ""
    tag: str = ""
    outcome: str = ""


@dataclass(frozen=True)
class ComparisonPage:
    """One page of comparisons by id, with the ids that lead to its neighbours."""

    rows: list[Comparison]
    before: int | None
    after: int | None


def comparison_page(
    project: Project, wanted: ComparisonFilter, *, after: int | None = None, before: int | None = None
) -> ComparisonPage:
    """The PAGE comparisons after or before an id; its cost does not grow with how far one has paged."""
    found = find_comparisons(project, wanted).select_related("prompt", "queue_item")
    found = found.prefetch_related("tags", "judgments__rater")
    if before is not None:
        rows = list(found.filter(pk__lt=before).order_by("-pk")[: PAGE + 1])
        more, rows = len(rows) > PAGE, rows[PAGE - 1 :: -1] if len(rows) > PAGE else rows[::-1]
        return ComparisonPage(rows, rows[0].pk if more else None, rows[-1].pk if rows else None)
    rows = list(found.filter(pk__gt=after or 0).order_by("pk")[: PAGE + 1])
    more, rows = len(rows) > PAGE, rows[:PAGE]
    return ComparisonPage(rows, rows[0].pk if rows and after else None, rows[-1].pk if more else None)


def find_comparisons(project: Project, wanted: ComparisonFilter) -> QuerySet[Comparison]:
    """The project's comparisons that the filter keeps."""
    found = Comparison.objects.filter(project=project)
    if wanted.tag:
        found = found.filter(tags__name=wanted.tag, tags__project=project)
    if wanted.q:
        found = found.filter(_text_matches(wanted.q))
    judged = Judgment.objects.filter(comparison=OuterRef("pk"), current=True)
    if wanted.outcome == "none":
        found = found.filter(~Exists(judged))
    elif wanted.outcome:
        found = found.filter(Exists(judged.filter(outcome=wanted.outcome)))
    return found


def _text_matches(q: str) -> Q:
    """``q`` in the prompt, whose JSON has its own way of writing some characters, or in a response."""
    written = {json.dumps(q)[1:-1], json.dumps(q, ensure_ascii=False)[1:-1]}
    in_prompt = reduce(or_, (Q(prompt__messages__icontains=text) for text in sorted(written)))
    responses = Slot.objects.filter(comparison=OuterRef("pk"), response__text__icontains=q)
    return in_prompt | Q(Exists(responses))


def unread_guideline(rater: Rater, language: str = "en") -> Guideline | None:
    """The newest guidelines, if this person has not said yet that they read them."""
    newest = current_guideline(rater.project, language)
    if newest is None or GuidelineReading.objects.filter(rater=rater, version=newest.version).exists():
        return None
    return newest
