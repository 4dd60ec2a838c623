"""Judges: configured AI raters, never edited."""

from django.db import models
from django.db.models import Q

from feedback.models import Project, Rater, Rubric
from feedback.models.fields import FrozenRow


class Judge(FrozenRow):
    """One version of a configured AI rater; a change is a new version with a rater of its own.

    ``settings`` is what the provider needs besides the model (rules, effort, token limits); ``family`` names
    the model's maker, since judges of one family are not independent. ``both_orders`` and ``samples`` say how
    often each comparison is asked. ``sha256`` covers all of the configuration.
    """

    rater = models.OneToOneField(Rater, on_delete=models.PROTECT, primary_key=True, related_name="judge")
    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="judges")
    name = models.CharField(max_length=100)
    version = models.PositiveIntegerField(default=1)
    provider = models.CharField(max_length=40)
    model = models.CharField(max_length=100)
    family = models.CharField(max_length=60, blank=True)
    rubric = models.ForeignKey(Rubric, on_delete=models.PROTECT, related_name="judges")
    both_orders = models.BooleanField(default=True)
    samples = models.PositiveSmallIntegerField(default=1)
    settings = models.JSONField(default=dict, blank=True)
    sha256 = models.CharField(max_length=64)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ("name", "-version")
        constraints = (
            models.UniqueConstraint(fields=("project", "name", "version"), name="judge_version_once"),
            models.CheckConstraint(condition=Q(samples__gte=1, samples__lte=9), name="judge_samples_1_to_9"),
        )

    def __str__(self) -> str:
        return f"{self.name} v{self.version}"
