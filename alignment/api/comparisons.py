"""Comparisons in our own format: read in pages, written in bulk by the same path as a file."""

from drf_spectacular.utils import extend_schema, inline_serializer
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from alignment.api.rows import ComparisonRowSerializer, parsed_rows
from alignment.formats.concord import record_from
from feedback.actions.imports import store_records
from feedback.api.endpoint import Endpoint, PageQuery, checked, keyset_page, page_of
from feedback.api.rows import CountsSerializer, RejectedRowSerializer, refuse_if_none
from feedback.api.serializers import ComparisonSerializer
from feedback.models import Purpose
from feedback.people import logged_in
from feedback.permissions import Permission, project_for
from feedback.records import Rejection


class ComparisonQuery(PageQuery):
    id = serializers.CharField(required=False, max_length=200, help_text="The comparison's own id.")
    tag = serializers.CharField(required=False, max_length=100)
    purpose = serializers.ChoiceField(choices=Purpose.choices, required=False)


class Comparisons(Endpoint):
    @extend_schema(
        operation_id="list_comparisons", parameters=[ComparisonQuery], responses=page_of(ComparisonSerializer)
    )
    def get(self, request: Request, slug: str) -> Response:
        """The project's comparisons with their prompts and responses."""
        project = project_for(request.user, slug, Permission.REVIEW)
        query = checked(ComparisonQuery, request.query_params)
        columns = {"id": "external_id", "tag": "tags__name", "purpose": "purpose"}
        chosen = {column: query[name] for name, column in columns.items() if name in query}
        rows = project.comparisons.filter(**chosen).select_related("prompt")
        return keyset_page(rows.prefetch_related("slots__response", "tags"), query, ComparisonSerializer)

    @extend_schema(
        operation_id="store_comparisons",
        request=inline_serializer(
            "NewComparisons", {"comparisons": ComparisonRowSerializer(many=True, help_text="At most 1,000.")}
        ),
        responses=inline_serializer(
            "StoredComparisons",
            {
                "comparisons": CountsSerializer(),
                "judgments": CountsSerializer(),
                "rejected": RejectedRowSerializer(many=True),
            },
        ),
    )
    def post(self, request: Request, slug: str) -> Response:
        """Store comparisons, and the judgments that come with them, at most 1,000 rows.

        A bad row is rejected with its reason and stops no other; what is already there is counted as unchanged.
        """
        project = project_for(request.user, slug, Permission.ENGINEER)
        rejections: list[Rejection] = []
        records = list(parsed_rows(request.data, "comparisons", rejections, record_from))
        summary = store_records(project=project, records=records, by=logged_in(request.user))
        comparisons = {"new": summary.comparisons_new, "unchanged": summary.comparisons_unchanged}
        judgments = {"new": summary.judgments_new, "unchanged": summary.judgments_unchanged}
        rejected = refuse_if_none(rejections + summary.rejections, sum(comparisons.values()))
        return Response({"comparisons": comparisons, "judgments": judgments, "rejected": rejected})
