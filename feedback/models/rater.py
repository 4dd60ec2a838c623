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
    """One who judges in one project. ``simulated`` marks a person played by a program; every page says so.

    A person who was ``stopped_at`` is given nothing more until a lead lets them go on; ``stopped_because`` says why,
    and their answers to gold before ``measured_from`` do not count against them again. ``practised_at`` is set once
    they have been through the project's practice items. ``answered`` counts the comparisons they have answered.
    """

    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="raters")
    kind = models.CharField(max_length=20, choices=RaterKind.choices)
    name = models.CharField(max_length=200)
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.PROTECT, related_name="raters"
    )
    simulated = models.BooleanField(default=False)
    stopped_at = models.DateTimeField(null=True, blank=True)
    stopped_because = models.CharField(max_length=300, blank=True)
    measured_from = models.DateTimeField(null=True, blank=True)
    practised_at = models.DateTimeField(null=True, blank=True)
    answered = models.PositiveIntegerField(default=0)
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


class Qualification(models.Model):
    """A language or a skill that a person has in this project, which some comparisons require."""

    class Kind(models.TextChoices):
        LANGUAGE = "language"
        SKILL = "skill"

    rater = models.ForeignKey(Rater, on_delete=models.CASCADE, related_name="qualifications")
    kind = models.CharField(max_length=10, choices=Kind.choices)
    name = models.CharField(max_length=60)

    class Meta:
        ordering = ("kind", "name")
        constraints = (
            models.UniqueConstraint(fields=("rater", "kind", "name"), name="qualification_once"),
            models.CheckConstraint(
                condition=Q(kind__in=("language", "skill")), name="qualification_kind_known"
            ),
        )

    def __str__(self) -> str:
        return self.name
