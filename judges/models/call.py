"""Judge calls: what was asked of a provider and what came back, raw."""

from django.db import models
from django.db.models import Q

from feedback.models import Comparison
from feedback.models.fields import IntTupleField
from judges.models.judge import Judge
from judges.models.run import JudgeRun


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
