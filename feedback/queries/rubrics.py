"""Reads of rubrics: what is scored now, and by whom."""

from django.db.models import F, Q, QuerySet, Subquery

from feedback.models import Criterion, Rubric, ScoredBy


def scored_rubrics(project_id: int) -> QuerySet[Rubric]:
    """The versions of the rubric that people score with, the one that counts first."""
    named = Q(project__scored_rubric="") | Q(project__scored_rubric=F("name"))
    return Rubric.objects.filter(named, project=project_id).order_by("-id")


def rubric_names(project_id: int) -> list[str]:
    return sorted(set(Rubric.objects.filter(project=project_id).values_list("name", flat=True)))


def current_criteria(project_id: int) -> list[Criterion]:
    """What is scored in this project now: all criteria of the rubric that people score with."""
    return list(Criterion.objects.filter(rubric=_scored(project_id)).order_by("position"))


def criteria_for_people(project_id: int) -> list[Criterion]:
    """What people score now: those of its criteria that are not for judges alone."""
    criteria = Criterion.objects.filter(rubric=_scored(project_id)).exclude(scored_by=ScoredBy.JUDGES)
    return list(criteria.order_by("position"))


def _scored(project_id: int) -> Subquery:
    return Subquery(scored_rubrics(project_id).values("pk")[:1])
