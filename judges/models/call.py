"""Judge calls: what was asked of a provider and what came back, raw."""

from decimal import Decimal

from django.db import models
from django.db.models import Q

from feedback.models import Comparison
from feedback.models.fields import IntTupleField
from judges.models.judge import Judge
from judges.models.run import JudgeBatch, JudgeRun


class CallPurpose(models.TextChoices):
    RUN = "run"
    PLAYGROUND = "playground"
    ATTACK = "attack"


class JudgeCall(models.Model):
    """One request to a provider, stored before it is parsed: paid once, parsed again for free.

    ``request_sha256`` covers the whole request, order and sample included; comparisons with the same texts
    share the call. It was sent ``times_sent`` times, of which ``times_unpaid`` surely cost nothing, and answered
    at most once: every other time may have been billed. Dollars: ``cost`` of the reply, null where the price is
    unknown; ``reserved`` at most for the send that is under way, ``held`` at most for those before it that may
    have been billed. ``failure`` is the kind of what went wrong at last, where the run does not ask again by
    itself. ``input_tokens`` is the whole prompt, the parts that the provider's cache has to do with included.
    """

    judge = models.ForeignKey(Judge, on_delete=models.PROTECT, related_name="calls")
    run = models.ForeignKey(JudgeRun, null=True, on_delete=models.SET_NULL, related_name="calls")
    batch = models.ForeignKey(
        JudgeBatch, null=True, blank=True, on_delete=models.SET_NULL, related_name="calls"
    )
    comparison = models.ForeignKey(
        Comparison, null=True, blank=True, on_delete=models.CASCADE, related_name="judge_calls"
    )
    purpose = models.CharField(max_length=10, choices=CallPurpose.choices, default=CallPurpose.RUN)
    request_sha256 = models.CharField(max_length=64)
    shown = IntTupleField()
    sample = models.PositiveSmallIntegerField(default=0)
    reply = models.TextField(blank=True)
    stop_reason = models.CharField(max_length=40, blank=True)
    refusal = models.CharField(max_length=100, blank=True)
    served_model = models.CharField(max_length=100, blank=True)
    request_id = models.CharField(max_length=100, blank=True)
    latency = models.FloatField(null=True, blank=True)
    probabilities = models.JSONField(default=dict, blank=True)
    input_tokens = models.PositiveIntegerField(null=True, blank=True)
    output_tokens = models.PositiveIntegerField(null=True, blank=True)
    cache_read_tokens = models.PositiveIntegerField(default=0)
    cache_write_tokens = models.PositiveIntegerField(default=0)
    cache_write_1h_tokens = models.PositiveIntegerField(default=0)
    cost = models.DecimalField(max_digits=12, decimal_places=6, null=True, blank=True)
    reserved = models.DecimalField(max_digits=12, decimal_places=6, default=Decimal(0))
    held = models.DecimalField(max_digits=12, decimal_places=6, default=Decimal(0))
    times_sent = models.PositiveSmallIntegerField(default=1)
    times_unpaid = models.PositiveSmallIntegerField(default=0)
    times_batched = models.PositiveSmallIntegerField(default=0)
    failure = models.CharField(max_length=40, blank=True)
    failure_message = models.CharField(max_length=500, blank=True)
    sent_at = models.DateTimeField(auto_now_add=True)
    answered_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = (
            models.UniqueConstraint(fields=("judge", "request_sha256"), name="judge_call_paid_once"),
            models.CheckConstraint(
                condition=Q(answered_at__isnull=False) | Q(reply=""), name="call_reply_dated"
            ),
            models.CheckConstraint(
                condition=Q(times_unpaid__lte=models.F("times_sent")), name="call_unpaid_of_sent"
            ),
        )
        indexes = (
            # Holds all that a judge's bill needs, so that summing it reads no replies.
            models.Index(
                fields=("judge", "answered_at", "cost", "times_sent", "times_unpaid"), name="judge_call_bill"
            ),
            # A reply is used again by every judge of the project that asks the same.
            models.Index(fields=("request_sha256",), name="judge_call_request"),
            models.Index(fields=("run", "answered_at", "cost"), name="judge_call_run_bill"),
            models.Index(fields=("run", "failure"), condition=~Q(failure=""), name="judge_call_failures"),
        )

    def __str__(self) -> str:
        return f"{self.judge_id} on {self.comparison_id}"
