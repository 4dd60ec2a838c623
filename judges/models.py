"""AI judges and what they were asked: judges, judge runs and judge calls."""

from django.conf import settings
from django.db import models
from django.db.models import Q

from feedback.models import Comparison, Job, Project, Rater, Rubric, Tag
from feedback.models.fields import FrozenRow, IntTupleField


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


class JudgeCall(models.Model):
    """One request to a provider, stored before it is parsed: paid once, parsed again for free.

    ``request_sha256`` covers the whole request, order and sample included; comparisons with the same texts
    share the call. It was sent ``times_sent`` times and answered at most once: every other time may have been
    billed. ``cost`` is in dollars, null where the price is unknown.
    """

    judge = models.ForeignKey(Judge, on_delete=models.PROTECT, related_name="calls")
    run = models.ForeignKey(JudgeRun, null=True, on_delete=models.SET_NULL, related_name="calls")
    comparison = models.ForeignKey(Comparison, on_delete=models.CASCADE, related_name="judge_calls")
    request_sha256 = models.CharField(max_length=64)
    shown = IntTupleField()
    sample = models.PositiveSmallIntegerField(default=0)
    reply = models.TextField(blank=True)
    stop_reason = models.CharField(max_length=40, blank=True)
    served_model = models.CharField(max_length=100, blank=True)
    request_id = models.CharField(max_length=100, blank=True)
    input_tokens = models.PositiveIntegerField(null=True, blank=True)
    output_tokens = models.PositiveIntegerField(null=True, blank=True)
    cost = models.DecimalField(max_digits=12, decimal_places=6, null=True, blank=True)
    times_sent = models.PositiveSmallIntegerField(default=1)
    sent_at = models.DateTimeField(auto_now_add=True)
    answered_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = (
            models.UniqueConstraint(fields=("judge", "request_sha256"), name="judge_call_paid_once"),
            models.CheckConstraint(
                condition=Q(answered_at__isnull=False) | Q(reply=""), name="call_reply_dated"
            ),
        )
        # Holds all that a judge's bill needs, so that summing it reads no replies.
        indexes = (
            models.Index(fields=("judge", "answered_at", "cost", "times_sent"), name="judge_call_bill"),
        )

    def __str__(self) -> str:
        return f"{self.judge_id} on {self.comparison_id}"
