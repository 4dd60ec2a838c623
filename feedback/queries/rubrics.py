"""Reads of rubrics: what is scored now, and by whom."""

from django.db.models import Subquery

from feedback.models import (
    Criterion,
    Rubric,
    ScoredBy,
)


def current_criteria(project_id: int) -> list[Criterion]:
    """What is scored in this project now: the criteria of its newest rubric."""
    rubric = Rubric.objects.filter(project=project_id).order_by("-id").first()
    return list(rubric.criteria.all()) if rubric else []


def criteria_for_people(project_id: int) -> list[Criterion]:
    """What people score now: those criteria of the newest rubric that are not for judges alone."""
    newest = Rubric.objects.filter(project=project_id).order_by("-id").values("pk")[:1]
    criteria = Criterion.objects.filter(rubric=Subquery(newest)).exclude(scored_by=ScoredBy.JUDGES)
    return list(criteria.order_by("position"))
