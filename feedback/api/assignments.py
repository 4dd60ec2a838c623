"""An annotator at work through the API, with the same powers as the page: take, answer, undo, renew, give back.

Responses are called A, B, … in the order shown; where they come from, what others said, and what measures the person,
is not told. Items go by their assignments' numbers; see ``feedback.actions.submissions``.
"""

from drf_spectacular.utils import extend_schema, inline_serializer
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from feedback.actions.assignments import heartbeat, release_assignment, take, undo_last
from feedback.actions.projects import rater_of
from feedback.actions.submissions import LabelledAnswer, LabelledSpan, submit_labelled_answer
from feedback.api.answers import AnswerFields, AssignmentSerializer, OwnJudgmentSerializer, own_judgments
from feedback.api.endpoint import MAX_ID, Endpoint, PageQuery, RequestFields, checked, keyset_page, page_of
from feedback.models import Assignment, Rater
from feedback.people import logged_in
from feedback.permissions import Permission, project_for

MOST_HELD = 50


class TakeFields(RequestFields):
    count = serializers.IntegerField(
        min_value=1,
        max_value=MOST_HELD,
        default=1,
        help_text="How many to hold; never more than the project's batch.",
    )


class HeldFields(RequestFields):
    assignments = serializers.ListField(
        child=serializers.IntegerField(min_value=1, max_value=MAX_ID), min_length=1, max_length=MOST_HELD
    )


Held = inline_serializer(
    "HeldAssignments", {"held": serializers.IntegerField(help_text="How many are yours.")}
)


class TakeAssignments(Endpoint):
    @extend_schema(
        operation_id="take_assignments",
        request=TakeFields,
        responses=inline_serializer("TakenAssignments", {"assignments": AssignmentSerializer(many=True)}),
    )
    def post(self, request: Request, slug: str) -> Response:
        """What you hold, oldest first, filled up to `count` with new leases; fewer where nothing waits for you."""
        count = checked(TakeFields, request.data or {})["count"]
        taken = take(rater=_rater(request, slug), count=count)[:count]
        return Response({"assignments": [AssignmentSerializer(each).data for each in _loaded(taken)]})


class RenewAssignments(Endpoint):
    @extend_schema(operation_id="renew_assignments", request=HeldFields, responses=Held)
    def post(self, request: Request, slug: str) -> Response:
        """You are still at work on these: their leases start anew. One that has lapsed stays so."""
        rater = _rater(request, slug)
        comparisons = _comparisons(rater, request)
        heartbeat(rater=rater, comparison_ids=comparisons)
        return Response({"held": len(comparisons)})


class ReleaseAssignments(Endpoint):
    @extend_schema(operation_id="release_assignments", request=HeldFields, responses=Held)
    def post(self, request: Request, slug: str) -> Response:
        """Give these back unanswered, so that others can take them."""
        rater = _rater(request, slug)
        comparisons = _comparisons(rater, request)
        for comparison in comparisons:
            release_assignment(rater=rater, comparison_id=comparison)
        return Response({"held": len(comparisons)})


class SubmitJudgment(Endpoint):
    @extend_schema(operation_id="submit_judgment", request=AnswerFields, responses=OwnJudgmentSerializer)
    def post(self, request: Request, slug: str) -> Response:
        """Answer what is assigned to you. A second answer replaces the first."""
        rater = _rater(request, slug)
        fields = checked(AnswerFields, request.data)
        spans = [LabelledSpan(**span) for span in fields.pop("spans", ())]
        judgment = submit_labelled_answer(
            rater=rater,
            assignment_id=fields.pop("assignment"),
            submission_id=fields.pop("submission_id"),
            answer=LabelledAnswer(**fields, spans=spans),
        )
        return Response(OwnJudgmentSerializer(own_judgments(rater).get(pk=judgment.pk)).data)


class UndoJudgment(Endpoint):
    @extend_schema(
        operation_id="undo_judgment",
        request=None,
        responses=inline_serializer("UndoneJudgment", {"assignment": AssignmentSerializer()}),
    )
    def post(self, request: Request, slug: str) -> Response:
        """Take your newest answer back; what it answered is assigned to you again."""
        (assignment,) = _loaded([undo_last(rater=_rater(request, slug))])
        return Response({"assignment": AssignmentSerializer(assignment).data})


class OwnJudgments(Endpoint):
    @extend_schema(
        operation_id="list_own_judgments", parameters=[PageQuery], responses=page_of(OwnJudgmentSerializer)
    )
    def get(self, request: Request, slug: str) -> Response:
        """What you have answered here, newest first."""
        rater = _rater(request, slug)
        query = checked(PageQuery, request.query_params)
        return keyset_page(
            own_judgments(rater).filter(current=True), query, OwnJudgmentSerializer, newest_first=True
        )


def _rater(request: Request, slug: str) -> Rater:
    project = project_for(request.user, slug, Permission.ANNOTATE)
    return rater_of(project=project, user=logged_in(request.user))


def _loaded(taken: list[Assignment]) -> list[Assignment]:
    found = Assignment.objects.select_related("comparison__prompt", "comparison__project")
    rows = found.prefetch_related("comparison__slots__response").in_bulk([each.pk for each in taken])
    return [rows[each.pk] for each in taken]


def _comparisons(rater: Rater, request: Request) -> list[int]:
    numbers = checked(HeldFields, request.data)["assignments"]
    return list(
        Assignment.objects.filter(rater=rater, pk__in=numbers).values_list("comparison_id", flat=True)
    )
