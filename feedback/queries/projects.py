"""Reads of projects: by name, as their members see them, and how much is in them."""

from dataclasses import dataclass

from django.contrib.auth.models import User
from django.db.models import Count, Exists, OuterRef, Q, Sum
from django.utils.translation import gettext

from feedback.errors import Refused
from feedback.models import (
    Comparison,
    Judgment,
    Outcome,
    Project,
    Purpose,
    QueueItem,
    RaterKind,
    Role,
    Tag,
)
from feedback.permissions import projects_of
from feedback.queries.progress import Progress, progress_in


def project_named(name: str) -> Project:
    """The project of this name, or slug. Refused where there is none."""
    project = Project.objects.filter(Q(name=name) | Q(slug=name)).first()
    if project is None:
        known = ", ".join(Project.objects.values_list("name", flat=True)[:20])
        raise Refused(
            f"There is no project {name!r}. " + (f"There are: {known}." if known else "Make one first.")
        )
    return project


def tag_named(project: Project, name: str | None) -> Tag | None:
    """The project's tag of this name; None without a name. Refused where there is none, naming some there are."""
    if not name:
        return None
    tag = project.tags.filter(name=name).first()
    if tag is None:
        known = ", ".join(project.tags.values_list("name", flat=True)[:20]) or "none yet"
        raise Refused(f"{project} has no tag {name!r}; it has: {known}.", field="tag")
    return tag


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
        rater__project=project, current=True, adjudicates=False, comparison__purpose=Purpose.TRAIN
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


@dataclass(frozen=True)
class ProjectCard:
    """One project as its member sees it in the list of projects."""

    project: Project
    role: str
    progress: Progress


def project_cards(user: User) -> list[ProjectCard]:
    """The projects that ``user`` may see, each with their role and their own progress."""
    roles = dict(user.memberships.filter(deactivated_at=None).values_list("project_id", "role"))
    return [
        ProjectCard(
            project,
            str(Role(roles[project.pk]).label) if project.pk in roles else gettext("Administrator"),
            progress_in(project, user),
        )
        for project in projects_of(user)
    ]
