"""The store's rows as JSON. A response's source and another's judgment are only in what a reviewer may read."""

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from feedback.models import Comparison, Judgment, Project, Prompt, Response, Role
from feedback.queries.guidelines import current_guideline
from feedback.records import ROLES


class MessageSerializer(serializers.Serializer[Any]):
    role = serializers.ChoiceField(choices=ROLES)
    content = serializers.CharField()


class ProjectSerializer(serializers.ModelSerializer[Project]):
    role = serializers.ChoiceField(
        choices=Role.choices, allow_null=True, help_text="Yours; null for an administrator who is no member."
    )
    guidelines = serializers.SerializerMethodField(
        help_text="The newest, in Markdown; empty where there are none."
    )

    class Meta:
        model = Project
        fields = (
            "slug",
            "name",
            "description",
            "guidelines",
            "overlap",
            "lease_seconds",
            "role",
            "created_at",
        )

    def get_guidelines(self, project: Project) -> str:
        guideline = current_guideline(project)
        return guideline.text if guideline else ""


class PromptSerializer(serializers.ModelSerializer[Prompt]):
    messages = MessageSerializer(many=True)

    class Meta:
        model = Prompt
        fields = ("id", "sha256", "messages", "reference", "created_at")


class ResponseSerializer(serializers.ModelSerializer[Response]):
    class Meta:
        model = Response
        fields = ("id", "prompt", "source", "text", "created_at")


class SlotSerializer(serializers.Serializer[Any]):
    id = serializers.CharField(source="key", help_text="The response's id within its comparison.")
    source = serializers.CharField(source="response.source")  # type: ignore[assignment]  # Field has a source too
    text = serializers.CharField(source="response.text")


class ComparisonSerializer(serializers.Serializer[Comparison]):
    """A comparison in our own format, with its number in this database."""

    number = serializers.IntegerField(source="pk")
    id = serializers.CharField(source="external_id")
    prompt = MessageSerializer(many=True, source="prompt.messages")
    reference = serializers.CharField(source="prompt.reference", allow_null=True)
    responses = SlotSerializer(many=True, source="slots", help_text="In canonical order.")
    tags = serializers.SerializerMethodField()
    metadata = serializers.DictField()
    purpose = serializers.CharField()
    overlap = serializers.IntegerField(help_text="How many people's judgments it asks for.")

    def get_tags(self, comparison: Comparison) -> list[str]:
        return [tag.name for tag in comparison.tags.all()]


class SpanSerializer(serializers.Serializer[Any]):
    """A comment on characters ``start`` to ``end`` of a response, counted in code points."""

    response = serializers.CharField(help_text="The response's id within its comparison.")
    start = serializers.IntegerField()
    end = serializers.IntegerField()
    comment = serializers.CharField()


class JudgmentSerializer(serializers.Serializer[Judgment]):
    """A judgment in our own format: responses are named by their ids within the comparison."""

    number = serializers.IntegerField(source="pk")
    comparison = serializers.CharField(source="comparison.external_id")
    rater = serializers.CharField(source="rater.name")
    kind = serializers.CharField(source="rater.kind")
    simulated = serializers.BooleanField(source="rater.simulated")
    outcome = serializers.CharField()
    ranking = serializers.SerializerMethodField(
        help_text="Ranks from 1; equal ranks are ties; empty without verdict."
    )
    strength = serializers.IntegerField(allow_null=True)
    shown = serializers.SerializerMethodField()
    scores = serializers.SerializerMethodField()
    rationale = serializers.CharField()
    all_bad = serializers.BooleanField()
    adjudicates = serializers.BooleanField(help_text="A reviewer's decision, which is no vote.")
    spans = serializers.SerializerMethodField(help_text="Comments on parts, counted in code points.")
    flags = serializers.SerializerMethodField()
    seconds = serializers.FloatField(allow_null=True)
    at = serializers.DateTimeField()

    def get_ranking(self, judgment: Judgment) -> dict[str, int]:
        return dict(zip(_keys(judgment), judgment.ranking, strict=False))

    def get_shown(self, judgment: Judgment) -> list[str]:
        keys = _keys(judgment)
        return [keys[position] for position in judgment.shown]

    @extend_schema_field(SpanSerializer(many=True))
    def get_spans(self, judgment: Judgment) -> list[dict[str, Any]]:
        keys = _keys(judgment)
        return [
            {"response": keys[span.position], "start": span.start, "end": span.end, "comment": span.comment}
            for span in judgment.spans.all()
        ]

    @extend_schema_field(serializers.ListField(child=serializers.CharField()))
    def get_flags(self, judgment: Judgment) -> list[str]:
        return [flag.kind for flag in judgment.flags.all()]

    @extend_schema_field(serializers.DictField(child=serializers.DictField(child=serializers.IntegerField())))
    def get_scores(self, judgment: Judgment) -> dict[str, dict[str, int]]:
        keys = _keys(judgment)
        scores: dict[str, dict[str, int]] = {}
        for score in judgment.scores.all():
            scores.setdefault(keys[score.position], {})[score.criterion.name] = score.value
        return scores


def _keys(judgment: Judgment) -> list[str]:
    """The responses' ids in canonical order, which is how slots are ordered."""
    return [slot.key for slot in judgment.comparison.slots.all()]
