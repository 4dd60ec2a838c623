"""Rubrics: a versioned set of criteria, never edited."""

from django.db import models
from django.db.models import F, Q

from feedback.models.fields import FrozenRow
from feedback.models.project import Project


class Rubric(FrozenRow):
    """One version of a rubric. ``sha256`` covers its text and all its criteria."""

    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="rubrics")
    name = models.CharField(max_length=100)
    version = models.PositiveIntegerField(default=1)
    instructions = models.TextField(blank=True)
    sha256 = models.CharField(max_length=64)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ("name", "-version")
        constraints = (
            models.UniqueConstraint(fields=("project", "name", "version"), name="rubric_version_once"),
        )

    def __str__(self) -> str:
        return f"{self.name} v{self.version}"


class ScoredBy(models.TextChoices):
    BOTH = "both", "people and judges"
    PEOPLE = "people"
    JUDGES = "judges"


class Criterion(FrozenRow):
    """One thing that is scored, from ``scale_min`` to ``scale_max``. ``anchors`` maps a level to its description.

    ``scored_by`` says whether people, judges or both are asked for it.
    """

    rubric = models.ForeignKey(Rubric, on_delete=models.CASCADE, related_name="criteria")
    name = models.CharField(max_length=100)
    description = models.TextField(blank=True)
    scale_min = models.SmallIntegerField(default=1)
    scale_max = models.SmallIntegerField(default=5)
    anchors = models.JSONField(default=dict, blank=True)
    weight = models.FloatField(default=1.0)
    scored_by = models.CharField(max_length=6, choices=ScoredBy.choices, default=ScoredBy.BOTH)
    position = models.PositiveSmallIntegerField(default=0)

    class Meta:
        ordering = ("rubric", "position")
        verbose_name_plural = "criteria"
        constraints = (
            models.UniqueConstraint(fields=("rubric", "name"), name="criterion_once_per_rubric"),
            models.CheckConstraint(condition=Q(scale_min__lt=F("scale_max")), name="criterion_scale_ascends"),
            models.CheckConstraint(
                condition=Q(scored_by__in=ScoredBy.values), name="criterion_scored_by_known"
            ),
            models.CheckConstraint(condition=Q(weight__gte=0), name="criterion_weight_not_negative"),
        )

    def __str__(self) -> str:
        return self.name
