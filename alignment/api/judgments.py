"""Everybody's judgments in our own format: read in pages, written in bulk where they were given elsewhere."""

from typing import Any

from drf_spectacular.utils import extend_schema, inline_serializer
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from alignment.api.rows import JudgmentRowSerializer, parsed_rows
from alignment.formats.concord import judgment_from
from feedback.actions.judgment_records import GivenJudgment, store_judgments
from feedback.api.endpoint import Endpoint, PageQuery, checked, keyset_page, page_of
from feedback.api.rows import StoredSerializer, refuse_if_none
from feedback.api.serializers import JudgmentSerializer
from feedback.models import Judgment, Outcome, RaterKind
from feedback.people import logged_in
from feedback.permissions import Permission, project_for
from feedback.records import BadRecord, Rejection


class JudgmentQuery(PageQuery):
    rater = serializers.CharField(required=False, max_length=200, help_text="A rater's name.")
    kind = serializers.ChoiceField(choices=RaterKind.choices, required=False)
    outcome = serializers.ChoiceField(choices=Outcome.choices, required=False)
    comparison = serializers.CharField(required=False, max_length=200, help_text="The comparison's own id.")


class GivenJudgmentSerializer(JudgmentRowSerializer):
    """A judgment and the comparison it is about."""

    comparison = serializers.CharField(max_length=200, help_text="The comparison's own id.")


class Judgments(Endpoint):
    @extend_schema(
        operation_id="list_judgments", parameters=[JudgmentQuery], responses=page_of(JudgmentSerializer)
    )
    def get(self, request: Request, slug: str) -> Response:
        """The judgments that count, people's and judges' alike."""
        project = project_for(request.user, slug, Permission.REVIEW)
        query = checked(JudgmentQuery, request.query_params)
        columns = {
            "rater": "rater__name",
            "kind": "rater__kind",
            "outcome": "outcome",
            "comparison": "comparison__external_id",
        }
        chosen = {column: query[name] for name, column in columns.items() if name in query}
        rows = Judgment.objects.filter(rater__project=project, current=True, **chosen)
        rows = rows.select_related("rater", "comparison")
        rows = rows.prefetch_related("comparison__slots", "scores__criterion", "spans", "flags")
        return keyset_page(rows, query, JudgmentSerializer)

    @extend_schema(
        operation_id="store_judgments",
        request=inline_serializer(
            "NewJudgments", {"judgments": GivenJudgmentSerializer(many=True, help_text="At most 1,000.")}
        ),
        responses=StoredSerializer,
    )
    def post(self, request: Request, slug: str) -> Response:
        """Store judgments of judges, graders, reward models and people without an account here, at most 1,000.

        The same judgment again is unchanged; another one by the same rater on the same comparison is rejected.
        """
        project = project_for(request.user, slug, Permission.ENGINEER)
        rejections: list[Rejection] = []
        rows = list(parsed_rows(request.data, "judgments", rejections, _given))
        summary = store_judgments(project=project, judgments=rows, by=logged_in(request.user))
        rejected = refuse_if_none(
            rejections + summary.rejections, summary.judgments_new + summary.judgments_unchanged
        )
        return Response(
            {"new": summary.judgments_new, "unchanged": summary.judgments_unchanged, "rejected": rejected}
        )


def _given(row: dict[str, Any], index: int) -> GivenJudgment:
    comparison = row.get("comparison")
    if not isinstance(comparison, str):
        raise BadRecord("it must be the id of a comparison", "comparison")
    rest = {name: value for name, value in row.items() if name != "comparison"}
    return GivenJudgment(comparison, judgment_from(rest), line=index)
