"""What an annotator is given through the API, and what they answer, by the labels A, B, … in the order shown."""

import math
from typing import Any, get_args

from django.db.models import OuterRef, QuerySet, Subquery
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from feedback.actions.submissions import positions_by_label
from feedback.answers import LONGEST_COMMENT, LONGEST_RATIONALE, MOST_SPANS, SKIP_REASONS, AnswerForm, Choice
from feedback.api.endpoint import MAX_ID, RequestFields
from feedback.api.serializers import MessageSerializer
from feedback.models import Assignment, Criterion, FlagKind, Judgment, Outcome, Rater
from feedback.queries.rubrics import criteria_for_people

Scores = serializers.DictField(child=serializers.DictField(child=serializers.IntegerField()))


class ShownResponseSerializer(serializers.Serializer[Any]):
    label = serializers.CharField()  # type: ignore[assignment]  # Field has a label too
    text = serializers.CharField()


class CriterionSerializer(serializers.ModelSerializer[Criterion]):
    class Meta:
        model = Criterion
        fields = ("name", "description", "scale_min", "scale_max", "anchors")


class AskedSerializer(serializers.Serializer[Any]):
    """What the answer has to say."""

    choice = serializers.ChoiceField(
        choices=get_args(Choice),
        help_text="pair and ranking ask for `ranking`, strength for `strength` besides, none for `scores` only.",
    )
    ties = serializers.BooleanField()
    strengths = serializers.IntegerField(help_text="The greatest strength; 0 where none is asked for.")
    rationale = serializers.ChoiceField(choices=("off", "optional", "required"))
    all_bad = serializers.BooleanField()
    spans = serializers.BooleanField()
    flags = serializers.BooleanField()


class AssignmentSerializer(serializers.Serializer[Assignment]):
    """A comparison leased to you until ``expires_at``."""

    assignment = serializers.IntegerField(source="pk", help_text="Send it back with the answer.")
    prompt = MessageSerializer(many=True, source="comparison.prompt.messages")
    responses = serializers.SerializerMethodField(help_text="In the order to show them in.")
    asked = serializers.SerializerMethodField()
    criteria = serializers.SerializerMethodField(help_text="What each response is scored on.")
    expires_at = serializers.DateTimeField()

    @extend_schema_field(ShownResponseSerializer(many=True))
    def get_responses(self, assignment: Assignment) -> list[dict[str, str]]:
        texts = {slot.position: slot.response.text for slot in assignment.comparison.slots.all()}
        labels = positions_by_label(assignment.shown)
        return [{"label": label, "text": texts[position]} for label, position in labels.items()]

    @extend_schema_field(AskedSerializer)
    def get_asked(self, assignment: Assignment) -> dict[str, Any]:
        form = _form(assignment)
        kind = form.kind(len(assignment.shown), criteria=len(_criteria(assignment)))
        steps = form.steps if kind == "strength" else 0
        plain = {name: getattr(form, name) for name in ("rationale", "all_bad", "spans", "flags")}
        return {"choice": kind, "ties": form.ties(kind), "strengths": steps, **plain}

    @extend_schema_field(CriterionSerializer(many=True))
    def get_criteria(self, assignment: Assignment) -> Any:
        return CriterionSerializer(_criteria(assignment), many=True).data


class SpanFields(serializers.Serializer[Any]):
    """A comment on characters ``start`` to ``end`` of a response, counted in code points."""

    label = serializers.CharField(max_length=1)  # type: ignore[assignment]  # Field has a label too
    start = serializers.IntegerField(min_value=0, max_value=2**31 - 1)
    end = serializers.IntegerField(min_value=1, max_value=2**31 - 1)
    comment = serializers.CharField(max_length=LONGEST_COMMENT)


class OwnJudgmentSerializer(serializers.Serializer[Judgment]):
    """A judgment of one's own; the labels are those that were shown."""

    assignment = serializers.IntegerField(source="assignment_id", allow_null=True)
    submission_id = serializers.UUIDField()
    outcome = serializers.ChoiceField(choices=Outcome.choices)
    ranking = serializers.SerializerMethodField()
    strength = serializers.IntegerField(allow_null=True)
    all_bad = serializers.BooleanField()
    rationale = serializers.CharField()
    scores = serializers.SerializerMethodField()
    spans = serializers.SerializerMethodField()
    flags = serializers.SerializerMethodField()
    seconds = serializers.FloatField(allow_null=True)
    at = serializers.DateTimeField()

    @extend_schema_field(serializers.DictField(child=serializers.IntegerField()))
    def get_ranking(self, judgment: Judgment) -> dict[str, int]:
        labels = _labels(judgment)
        return {labels[position]: rank for position, rank in enumerate(judgment.ranking)}

    @extend_schema_field(Scores)
    def get_scores(self, judgment: Judgment) -> dict[str, dict[str, int]]:
        labels, scores = _labels(judgment), dict[str, dict[str, int]]()
        for score in judgment.scores.all():
            scores.setdefault(labels[score.position], {})[score.criterion.name] = score.value
        return scores

    @extend_schema_field(SpanFields(many=True))
    def get_spans(self, judgment: Judgment) -> list[dict[str, Any]]:
        labels = _labels(judgment)
        return [
            {"label": labels[span.position], "start": span.start, "end": span.end, "comment": span.comment}
            for span in judgment.spans.all()
        ]

    @extend_schema_field(serializers.ListField(child=serializers.ChoiceField(choices=FlagKind.choices)))
    def get_flags(self, judgment: Judgment) -> list[str]:
        return [flag.kind for flag in judgment.flags.all()]


class AnswerFields(RequestFields):
    assignment = serializers.IntegerField(min_value=1, max_value=MAX_ID)
    submission_id = serializers.UUIDField(help_text="Made by you; the same one sent twice is stored once.")
    outcome = serializers.ChoiceField(choices=(Outcome.RANKED.value, Outcome.SKIPPED.value), default="ranked")
    ranking = serializers.DictField(
        child=serializers.IntegerField(min_value=1, max_value=100),
        required=False,
        help_text="The rank of each label, from 1; equal ranks are ties. Left out when skipped.",
    )
    strength = serializers.IntegerField(
        min_value=1, max_value=100, required=False, allow_null=True, help_text="How much better the best is."
    )
    all_bad = serializers.BooleanField(required=False, help_text="No response is good enough.")
    rationale = serializers.CharField(
        max_length=LONGEST_RATIONALE, required=False, allow_blank=True, trim_whitespace=False
    )
    seconds = serializers.FloatField(min_value=0, required=False, allow_null=True)
    scores = serializers.DictField(
        child=serializers.DictField(child=serializers.IntegerField()),
        required=False,
        help_text="For each label, its level on each criterion.",
    )
    spans = serializers.ListField(child=SpanFields(), required=False, max_length=MOST_SPANS)
    flags = serializers.ListField(
        child=serializers.ChoiceField(choices=FlagKind.choices), required=False, max_length=10
    )
    skip_reason = serializers.ChoiceField(choices=SKIP_REASONS, required=False)

    def validate_seconds(self, seconds: float | None) -> float | None:
        if seconds is not None and not math.isfinite(seconds):
            raise serializers.ValidationError("It must be a number of seconds.")
        return seconds


def own_judgments(rater: Rater) -> QuerySet[Judgment]:
    """What this rater has said, with the number of the assignment it answered and all its parts."""
    answered = Assignment.objects.filter(rater=OuterRef("rater"), comparison=OuterRef("comparison"))
    own = Judgment.objects.filter(rater=rater).annotate(assignment_id=Subquery(answered.values("pk")))
    return own.prefetch_related("scores__criterion", "spans", "flags")


def _labels(judgment: Judgment) -> dict[int, str]:
    """The label of each canonical position; in that order where a file did not say what was shown first."""
    shown = judgment.shown or tuple(range(len(judgment.ranking)))
    return {position: label for label, position in positions_by_label(shown).items()}


def _form(assignment: Assignment) -> AnswerForm:
    return AnswerForm.of(assignment.comparison.project.form)


def _criteria(assignment: Assignment) -> list[Criterion]:
    return criteria_for_people(assignment.comparison.project_id) if _form(assignment).scores else []
