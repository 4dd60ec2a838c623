"""Guidelines: what makes one response better than another, in versions that people must have read."""

from django.conf import settings
from django.db import models

from feedback.models.comparison import Comparison
from feedback.models.fields import FrozenRow
from feedback.models.project import Project
from feedback.models.rater import Rater


class Guideline(FrozenRow):
    """One version of a project's guidelines in one language; ``change`` says what is new, in a sentence.

    ``must_be_read`` is off for a correction that changes nobody's answers: it interrupts nobody's work.
    """

    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="guidelines")
    version = models.PositiveIntegerField()
    language = models.CharField(max_length=10, default="en")
    text = models.TextField()
    change = models.CharField(max_length=300, blank=True)
    must_be_read = models.BooleanField(default=True)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="guidelines"
    )
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ("-version", "language")
        constraints = (
            models.UniqueConstraint(fields=("project", "version", "language"), name="guideline_version_once"),
        )

    def __str__(self) -> str:
        return f"version {self.version} ({self.language})"


class GuidelineReading(models.Model):
    """A person has read a version of the guidelines."""

    rater = models.ForeignKey(Rater, on_delete=models.CASCADE, related_name="guideline_readings")
    version = models.PositiveIntegerField()
    at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = (models.UniqueConstraint(fields=("rater", "version"), name="guideline_read_once"),)

    def __str__(self) -> str:
        return f"{self.rater_id} read {self.version}"


class Doubt(models.Model):
    """A place where the guidelines are unclear, found on a comparison, for whoever writes them."""

    comparison = models.ForeignKey(Comparison, on_delete=models.CASCADE, related_name="doubts")
    note = models.TextField()
    raised_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="doubts"
    )
    raised_at = models.DateTimeField(auto_now_add=True)
    settled_in = models.PositiveIntegerField(null=True, blank=True, help_text="The version that answers it.")

    def __str__(self) -> str:
        return self.note[:80]
