"""Judge runs: one judge asked about many comparisons."""

from django.conf import settings
from django.db import models

from feedback.models import Job, Tag
from judges.models.judge import Judge


class JudgeRun(models.Model):
    """One judge asked about a project's comparisons: all of them, those of one tag, or those to evaluate.

    Which comparisons remain is read from the judgments, so that a run started again goes on where it stopped.
    """

    judge = models.ForeignKey(Judge, on_delete=models.PROTECT, related_name="runs")
    job = models.OneToOneField(Job, on_delete=models.PROTECT, related_name="judge_run")
    tag = models.ForeignKey(Tag, null=True, blank=True, on_delete=models.PROTECT, related_name="judge_runs")
    purpose = models.CharField(max_length=10)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="judge_runs"
    )
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ("-pk",)

    def __str__(self) -> str:
        return f"{self.judge} run {self.pk}"
