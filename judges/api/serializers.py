"""Judges and their runs as JSON. Keys are in none of it."""

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from feedback.models import JobState
from judges.models import Judge, JudgeBatch, RunMode, Stopped
from judges.progress import RunProgress

RUN_STATES = (*JobState.values, "waiting", "paused", *Stopped.values)
DOLLARS: dict[str, Any] = {"max_digits": 14, "decimal_places": 6}


class JudgeSerializer(serializers.ModelSerializer[Judge]):
    id = serializers.IntegerField(source="pk")
    rubric = serializers.CharField(source="rubric.name")
    rubric_version = serializers.IntegerField(source="rubric.version")

    class Meta:
        model = Judge
        fields = (
            "id",
            "name",
            "version",
            "provider",
            "model",
            "family",
            "rubric",
            "rubric_version",
            "both_orders",
            "samples",
            "settings",
            "sha256",
            "created_at",
        )


class RangeSerializer(serializers.Serializer[Any]):
    """A figure, and between what it lies with some 95 % confidence."""

    value = serializers.FloatField()
    low = serializers.FloatField()
    high = serializers.FloatField()


class EstimateSerializer(serializers.Serializer[Any]):
    comparisons = serializers.IntegerField()
    calls = serializers.IntegerField(help_text="To be paid for.")
    stored = serializers.IntegerField(help_text="Calls whose reply is stored already; they cost nothing.")
    sampled = serializers.IntegerField(help_text="Comparisons whose requests were counted.")
    exact = serializers.BooleanField(help_text="Whether the provider counted the prompts' tokens.")
    bound = serializers.BooleanField(help_text="Whether replies are taken to be as long as they can be.")
    input_tokens = RangeSerializer()
    output_tokens = RangeSerializer()
    cost = RangeSerializer(allow_null=True, help_text="Dollars; null where it is unknown.")
    unknown = serializers.CharField(allow_blank=True, help_text="Why the cost is unknown.")
    priced_since = serializers.CharField(allow_blank=True, help_text="The day of the price.")
    seconds = serializers.FloatField(allow_null=True)


class JudgeBatchSerializer(serializers.ModelSerializer[JudgeBatch]):
    class Meta:
        model = JudgeBatch
        fields = ("provider_id", "state", "status", "requests", "message", "submitted_at", "ended_at")


class JudgeRunSerializer(serializers.Serializer[RunProgress]):
    """A run and how it is doing."""

    id = serializers.IntegerField(source="run.pk")
    judge = serializers.IntegerField(source="run.judge_id")
    judge_name = serializers.CharField(source="run.judge.name")
    judge_version = serializers.IntegerField(source="run.judge.version")
    tag = serializers.CharField(source="run.tag.name", default=None, allow_null=True)
    purpose = serializers.CharField(source="run.purpose")
    mode = serializers.ChoiceField(choices=RunMode.choices, source="run.mode")
    state = serializers.ChoiceField(choices=RUN_STATES)
    message = serializers.CharField(source="run.job.message")
    done = serializers.IntegerField(help_text="Comparisons with a judgment of this judge.")
    total = serializers.IntegerField(help_text="Comparisons that the run is about.")
    answered = serializers.IntegerField(help_text="Replies that were paid for.")
    reused = serializers.IntegerField(help_text="Replies that were there before, for nothing.")
    cost = serializers.DecimalField(**DOLLARS, help_text="Dollars, without the unpriced.")
    unpriced = serializers.IntegerField(help_text="Replies whose price is not known.")
    unanswered = serializers.IntegerField(help_text="Sends without a reply, which may have been billed.")
    held = serializers.DecimalField(**DOLLARS, help_text="What those can have cost at most.")
    in_flight = serializers.IntegerField()
    failures = serializers.DictField(
        child=serializers.IntegerField(), help_text="Calls that are not asked again by themselves, by kind."
    )
    input_tokens = serializers.IntegerField()
    cache_read_tokens = serializers.IntegerField(help_text="Of the input, what the provider had cached.")
    output_tokens = serializers.IntegerField()
    rate = serializers.IntegerField(help_text="Replies in the last minute.")
    seconds_left = serializers.FloatField(allow_null=True)
    budget = serializers.DecimalField(**DOLLARS, source="run.budget", allow_null=True)
    estimate = serializers.SerializerMethodField()
    batches = JudgeBatchSerializer(many=True)
    created_at = serializers.DateTimeField(source="run.created_at")

    @extend_schema_field(EstimateSerializer(allow_null=True))
    def get_estimate(self, progress: RunProgress) -> dict[str, Any] | None:
        """What was expected of the run when it started."""
        return progress.run.estimate
