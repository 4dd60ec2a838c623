"""Budgets: what a project, or one judge of it by name, may spend on calls, and what it has."""

from decimal import Decimal

from django.db import models
from django.db.models import Q

from feedback.models import Project


class Budget(models.Model):
    """Dollars of all calls of ``project``, or of the versions of one judge of it (``judge_name``).

    ``spent`` and ``reserved`` are kept whether or not there is a ``limit``; together they never pass it. See
    JudgeCall for what is reserved.
    """

    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="judge_budgets")
    judge_name = models.CharField(max_length=100, blank=True)
    limit = models.DecimalField(max_digits=12, decimal_places=6, null=True, blank=True)
    spent = models.DecimalField(max_digits=14, decimal_places=6, default=Decimal(0))
    reserved = models.DecimalField(max_digits=14, decimal_places=6, default=Decimal(0))

    class Meta:
        ordering = ("judge_name",)
        constraints = (
            models.UniqueConstraint(fields=("project", "judge_name"), name="judge_budget_once"),
            models.CheckConstraint(
                condition=Q(limit=None) | Q(limit__gte=0), name="judge_budget_not_negative"
            ),
        )

    def __str__(self) -> str:
        return f"budget of {self.judge_name or self.project}"
