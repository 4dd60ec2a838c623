"""An annotator at work through the API: take the next comparison, answer it, read one's own answers.

Responses are called A, B, … in the order shown; where they come from, and what others said, is not told.
"""

import math
from typing import Any

from drf_spectacular.utils import extend_schema, extend_schema_field, inline_serializer
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from feedback.actions.assignments import take_next
from feedback.actions.projects import rater_of
from feedback.actions.submissions import LabelledAnswer, positions_by_label, submit_labelled_answer
from feedback.api.endpoint import MAX_ID, Endpoint, PageQuery, RequestFields, checked, keyset_page, page_of
from feedback.api.serializers import MessageSerializer
from feedback.models import Assignment, Criterion, Judgment, Outcome
from feedback.people import logged_in
from feedback.permissions import Permission, project_for
from feedback.queries import current_criteria


class ShownResponseSerializer(serializers.Serializer[Any]):
    label = serializers.CharField()  # type: ignore[assignment]  # Field has a label too
    text = serializers.CharField()


class CriterionSerializer(serializers.ModelSerializer[Criterion]):
    class Meta:
        model = Criterion
        fields = ("name", "description", "scale_min", "scale_max", "anchors")


class AssignmentSerializer(serializers.Serializer[Assignment]):
    """A comparison leased to you until ``expires_at``."""

    comparison = serializers.IntegerField(source="comparison_id", help_text="Send it back with the answer.")
    prompt = MessageSerializer(many=True, source="comparison.prompt.messages")
    responses = serializers.SerializerMethodField(help_text="In the order to show them in.")
    criteria = serializers.SerializerMethodField()
    expires_at = serializers.DateTimeField()

    @extend_schema_field(ShownResponseSerializer(many=True))
    def get_responses(self, assignment: Assignment) -> list[dict[str, str]]:
        slots = assignment.comparison.slots.select_related("response")
        texts = {slot.position: slot.response.text for slot in slots}
        labels = positions_by_label(assignment.shown)
        return [{"label": label, "text": texts[position]} for label, position in labels.items()]

    @extend_schema_field(CriterionSerializer(many=True))
    def get_criteria(self, assignment: Assignment) -> Any:
        return CriterionSerializer(current_criteria(assignment.comparison.project_id), many=True).data


class OwnJudgmentSerializer(serializers.Serializer[Judgment]):
    """A judgment of one's own; the labels are those that were shown."""

    comparison = serializers.IntegerField(source="comparison_id")
    submission_id = serializers.UUIDField()
    outcome = serializers.ChoiceField(choices=Outcome.choices)
    ranking = serializers.SerializerMethodField()
    strength = serializers.IntegerField(allow_null=True)
    rationale = serializers.CharField()
    seconds = serializers.FloatField(allow_null=True)
    at = serializers.DateTimeField()

    def get_ranking(self, judgment: Judgment) -> dict[str, int]:
        # A judgment from a file may not say what was shown first; then the labels are in canonical order.
        labels = positions_by_label(judgment.shown or tuple(range(len(judgment.ranking))))
        return {label: judgment.ranking[position] for label, position in labels.items() if judgment.ranking}


class AnswerFields(RequestFields):
    comparison = serializers.IntegerField(min_value=1, max_value=MAX_ID)
    submission_id = serializers.UUIDField(help_text="Made by you; the same one sent twice is stored once.")
    outcome = serializers.ChoiceField(choices=(Outcome.RANKED.value, Outcome.SKIPPED.value), default="ranked")
    ranking = serializers.DictField(
        child=serializers.IntegerField(min_value=1, max_value=100),
        required=False,
        help_text="The rank of each label, from 1; equal ranks are ties. Left out when skipped.",
    )
    strength = serializers.IntegerField(min_value=0, max_value=100, required=False, allow_null=True)
    rationale = serializers.CharField(
        max_length=100_000, required=False, allow_blank=True, trim_whitespace=False
    )
    seconds = serializers.FloatField(min_value=0, required=False, allow_null=True)
    scores = serializers.DictField(
        child=serializers.DictField(child=serializers.IntegerField()),
        required=False,
        help_text="For each label, its level on each criterion.",
    )

    def validate_seconds(self, seconds: float | None) -> float | None:
        if seconds is not None and not math.isfinite(seconds):
            raise serializers.ValidationError("It must be a number of seconds.")
        return seconds


class NextAssignment(Endpoint):
    @extend_schema(
        operation_id="take_next_assignment",
        request=None,
        responses=inline_serializer("NextAssignment", {"assignment": AssignmentSerializer(allow_null=True)}),
    )
    def post(self, request: Request, slug: str) -> Response:
        """The comparison you hold, or else a lease on the most urgent one; null when nothing waits for you."""
        project = project_for(request.user, slug, Permission.ANNOTATE)
        taken = take_next(rater=rater_of(project=project, user=logged_in(request.user)))
        return Response({"assignment": AssignmentSerializer(taken).data if taken else None})


class SubmitJudgment(Endpoint):
    @extend_schema(operation_id="submit_judgment", request=AnswerFields, responses=OwnJudgmentSerializer)
    def post(self, request: Request, slug: str) -> Response:
        """Answer a comparison that is assigned to you. A second answer replaces the first."""
        project = project_for(request.user, slug, Permission.ANNOTATE)
        fields = checked(AnswerFields, request.data)
        judgment = submit_labelled_answer(
            rater=rater_of(project=project, user=logged_in(request.user)),
            comparison_id=fields.pop("comparison"),
            submission_id=fields.pop("submission_id"),
            answer=LabelledAnswer(**fields),
        )
        return Response(OwnJudgmentSerializer(judgment).data)


class OwnJudgments(Endpoint):
    @extend_schema(
        operation_id="list_own_judgments", parameters=[PageQuery], responses=page_of(OwnJudgmentSerializer)
    )
    def get(self, request: Request, slug: str) -> Response:
        """What you have answered here, newest first."""
        project = project_for(request.user, slug, Permission.ANNOTATE)
        query = checked(PageQuery, request.query_params)
        own = Judgment.objects.filter(
            rater__project=project, rater__user=logged_in(request.user), current=True
        )
        return keyset_page(own, query, OwnJudgmentSerializer, newest_first=True)
