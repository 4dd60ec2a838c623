"""Reads of rubrics: every version of each, who uses them, and what a judge makes of one."""

from itertools import groupby
from typing import NamedTuple

from django.db.models import Count, QuerySet

from feedback.models import Project, Rubric, ScoredBy
from feedback.queries.rubrics import scored_rubrics
from judges.core.rendering import JudgeText, system_text
from judges.core.rubric import RubricText


class NamedRubric(NamedTuple):
    """One rubric with its versions, the newest first."""

    name: str
    newest: Rubric
    versions: list[Rubric]


def rubrics_of(project: Project) -> QuerySet[Rubric]:
    """Every version of every rubric, by name, the newest first, with the number of judges that go by it."""
    counted = project.rubrics.annotate(judge_count=Count("judges")).prefetch_related("criteria")
    return counted.order_by("name", "-version")


def rubrics_by_name(project: Project) -> list[NamedRubric]:
    found = groupby(rubrics_of(project), key=lambda rubric: rubric.name)
    return [NamedRubric(name, rows[0], rows) for name, group in found for rows in [list(group)]]


def scored_by_people(project: Project) -> int | None:
    """The number of the version that people score where the project asks for scores."""
    return scored_rubrics(project.pk).values_list("pk", flat=True).first()


def judges_view(rubric: RubricText) -> str:
    """What a judge with this rubric reads before any comparison."""
    criteria = tuple(criterion for criterion in rubric.criteria if criterion.scored_by != ScoredBy.PEOPLE)
    return system_text(JudgeText("", "", {}, rubric.instructions, criteria))
