"""Every shared read of the store."""

from collections.abc import Iterator
from dataclasses import dataclass

from django.contrib.auth.models import User
from django.db.models import Count, Exists, OuterRef, Q, QuerySet, Subquery, Sum
from django.utils.translation import gettext

from feedback.errors import Refused
from feedback.models import (
    Assignment,
    Comparison,
    Criterion,
    Guideline,
    Judgment,
    Outcome,
    Project,
    Prompt,
    Purpose,
    QueueItem,
    Rater,
    RaterKind,
    Return,
    Role,
    Rubric,
    ScoredBy,
)
from feedback.permissions import projects_of
from feedback.progress import Progress, progress_in
from feedback.statements import objects, rows


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


def criteria_for_people(project_id: int) -> list[Criterion]:
    """What people score now: those criteria of the newest rubric that are not for judges alone."""
    newest = Rubric.objects.filter(project=project_id).order_by("-id").values("pk")[:1]
    criteria = Criterion.objects.filter(rubric=Subquery(newest)).exclude(scored_by=ScoredBy.JUDGES)
    return list(criteria.order_by("position"))


_TEXTS = """
SELECT r.text FROM feedback_slot s JOIN feedback_response r ON r.id = s.response_id
WHERE s.comparison_id = %s ORDER BY s.position
"""


def response_texts(comparison: Comparison) -> list[str]:
    """The texts of a comparison's responses in canonical order, without where they come from."""
    return [text for (text,) in rows(_TEXTS, [comparison.pk])]


_COMPARISON = "SELECT * FROM feedback_comparison WHERE id = %s"
_PROMPT = "SELECT * FROM feedback_prompt WHERE id = %s"


def load_comparison(assignment: Assignment, rater: Rater) -> None:
    """Read a person's assignment's comparison; whose it is and in which project is known."""
    assignment.rater = rater
    (assignment.comparison,) = objects(Comparison, _COMPARISON, [assignment.comparison_id])
    assignment.comparison.project = rater.project


def load_prompt(comparison: Comparison) -> None:
    (comparison.prompt,) = objects(Prompt, _PROMPT, [comparison.prompt_id])


def judges_view(comparison: Comparison) -> list[Judgment]:
    """The AI judges' current verdicts on a comparison, by name; for whoever has given their own."""
    said = comparison.judgments.filter(current=True, rater__kind=RaterKind.JUDGE, outcome=Outcome.RANKED)
    return list(said.select_related("rater").order_by("rater__name"))


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


def current_judgments(project: Project, *, purpose: str = Purpose.TRAIN) -> QuerySet[Judgment]:
    """The judgments that count, in a fixed order: not on retired comparisons, and without reviewers' decisions, which
    were made after seeing the others'.
    """
    raters = Rater.objects.filter(project=project)
    votes = Judgment.objects.filter(
        current=True, adjudicates=False, comparison__purpose=purpose, comparison__retired_at=None
    )
    return votes.filter(rater__in=raters).order_by("comparison_id", "rater_id")


def adjudications(project: Project) -> QuerySet[Judgment]:
    """The reviewers' decisions in force on comparisons for training, at most one each."""
    decisions = Judgment.objects.filter(current=True, adjudicates=True, comparison__purpose=Purpose.TRAIN)
    standing = decisions.filter(comparison__project=project, comparison__retired_at=None)
    return standing.order_by("comparison_id")


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


_UNREAD = """
SELECT 1 FROM feedback_guideline g WHERE g.project_id = %s AND g.must_be_read AND NOT EXISTS
  (SELECT 1 FROM feedback_guidelinereading s WHERE s.rater_id = %s AND s.version >= g.version) LIMIT 1
"""


def unread_guideline(rater: Rater, language: str = "en") -> Guideline | None:
    """The newest guidelines, if something in them came since this person last read any that they must read."""
    unread = rows(_UNREAD, [rater.project_id, rater.pk])
    return current_guideline(rater.project, language) if unread else None


_RETURNED = """
SELECT j.comparison_id FROM feedback_return t JOIN feedback_judgment j ON j.id = t.judgment_id
WHERE t.rater_id = %s AND t.answered_by_id IS NULL ORDER BY t.id
"""


def returned_assignments(rater: Rater) -> list[Assignment]:
    """What reviewers sent back to this person and they have not answered yet, the longest waiting first."""
    comparisons = [comparison for (comparison,) in rows(_RETURNED, [rater.pk])]
    if not comparisons:
        return []
    found = Assignment.objects.filter(rater=rater, comparison__in=comparisons).select_related("comparison")
    return sorted(found, key=lambda assignment: comparisons.index(assignment.comparison_id))


def open_return(rater: Rater, comparison_id: int) -> Return | None:
    """The reviewer's comment that this person has yet to answer on this comparison."""
    waiting = Return.objects.filter(rater=rater, judgment__comparison=comparison_id, answered_by=None)
    return waiting.select_related("returned_by").first()
