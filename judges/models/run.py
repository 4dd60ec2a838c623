"""Judge runs: one judge asked about many comparisons, and the batches of requests that a run hands in."""

from decimal import Decimal

from django.conf import settings
from django.db import models
from django.db.models import Q

from feedback.models import Job, Tag
from judges.models.judge import Judge


class RunMode(models.TextChoices):
    """``live`` asks one by one, ``batch`` hands in many at once for less, ``stored`` only reads replies again."""

    LIVE = "live"
    BATCH = "batch"
    STORED = "stored"


class Stopped(models.TextChoices):
    """Why a run that has not succeeded ended, where that is more than its job's state says."""

    BUDGET = "budget"
    FAILURES = "failures"


class JudgeRun(models.Model):
    """One judge asked about a project's comparisons: all of them, those of one tag, or those to evaluate.

    Which comparisons remain is read from the judgments, so that a run started again goes on where it stopped.
    Dollars: ``spent`` on replies, at most ``budget`` (null for no limit of its own); ``reserved`` at most for
    requests in flight and for those that may have been billed without a reply. ``reused`` counts replies that
    were there before. ``estimate`` is what was expected when it started.
    """

    judge = models.ForeignKey(Judge, on_delete=models.PROTECT, related_name="runs")
    job = models.OneToOneField(Job, on_delete=models.PROTECT, related_name="judge_run")
    tag = models.ForeignKey(Tag, null=True, blank=True, on_delete=models.PROTECT, related_name="judge_runs")
    purpose = models.CharField(max_length=10)
    mode = models.CharField(max_length=6, choices=RunMode.choices, default=RunMode.LIVE)
    budget = models.DecimalField(max_digits=12, decimal_places=6, null=True, blank=True)
    spent = models.DecimalField(max_digits=14, decimal_places=6, default=Decimal(0))
    reserved = models.DecimalField(max_digits=14, decimal_places=6, default=Decimal(0))
    reused = models.PositiveIntegerField(default=0)
    estimate = models.JSONField(null=True, blank=True)
    stopped = models.CharField(max_length=10, choices=Stopped.choices, blank=True)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="judge_runs"
    )
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ("-pk",)
        constraints = (
            models.CheckConstraint(condition=Q(mode__in=RunMode.values), name="judge_run_mode_known"),
            models.CheckConstraint(
                condition=Q(budget=None) | Q(budget__gte=0), name="judge_run_budget_not_negative"
            ),
        )

    def __str__(self) -> str:
        return f"{self.judge} run {self.pk}"


class BatchState(models.TextChoices):
    """``filling``: not handed in yet. ``submitting``: handed in or not, which only the provider knows. ``lost``: it
    never got there.
    """

    FILLING = "filling"
    SUBMITTING = "submitting"
    OPEN = "open"
    COLLECTED = "collected"
    FAILED = "failed"
    LOST = "lost"


UNSETTLED = (BatchState.FILLING, BatchState.SUBMITTING, BatchState.OPEN)


class JudgeBatch(models.Model):
    """Requests handed in together. ``tag`` is in the custom id of each of them, so that the batch can be found again
    where its ``provider_id`` could not be stored; stored before anything is handed in.
    """

    run = models.ForeignKey(JudgeRun, on_delete=models.CASCADE, related_name="batches")
    tag = models.CharField(max_length=32, unique=True)
    provider_id = models.CharField(max_length=200, blank=True)
    state = models.CharField(max_length=10, choices=BatchState.choices, default=BatchState.FILLING)
    requests = models.PositiveIntegerField(default=0)
    status = models.CharField(max_length=40, blank=True)
    message = models.CharField(max_length=500, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    submitted_at = models.DateTimeField(null=True, blank=True)
    ended_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ("-pk",)
        constraints = (
            models.UniqueConstraint(
                fields=("provider_id",), condition=~Q(provider_id=""), name="judge_batch_known_once"
            ),
        )

    def __str__(self) -> str:
        return f"batch {self.provider_id or self.tag}"
