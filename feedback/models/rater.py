"""Raters: whoever judges, people and machines alike."""

from django.conf import settings
from django.db import models
from django.db.models import Q

from feedback.models.project import Project


class RaterKind(models.TextChoices):
    HUMAN = "human"
    JUDGE = "judge"
    GRADER = "grader"
    REWARD_MODEL = "reward_model", "reward model"


class Rater(models.Model):
    """One who judges in one project. ``simulated`` marks a person played by a program; every page says so."""

    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="raters")
    kind = models.CharField(max_length=20, choices=RaterKind.choices)
    name = models.CharField(max_length=200)
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.PROTECT, related_name="raters"
    )
    simulated = models.BooleanField(default=False)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ("kind", "name")
        constraints = (
            models.UniqueConstraint(fields=("project", "kind", "name"), name="rater_name_once"),
            models.UniqueConstraint(
                fields=("project", "user"), condition=Q(user__isnull=False), name="rater_once_per_user"
            ),
            models.CheckConstraint(condition=Q(kind__in=RaterKind.values), name="rater_kind_known"),
            models.CheckConstraint(
                condition=Q(kind="human") | Q(user=None, simulated=False), name="rater_only_people_have_users"
            ),
        )

    def __str__(self) -> str:
        return f"{self.name} (simulated)" if self.simulated else self.name
