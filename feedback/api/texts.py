"""Prompts and responses, read in pages and written in bulk."""

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response as Answer

from feedback.actions.texts import NewPrompt, NewResponse, TextsSummary, store_prompts, store_responses
from feedback.api.endpoint import MAX_ID, Endpoint, PageQuery, RequestFields, checked, keyset_page, page_of
from feedback.api.rows import StoredSerializer, read_rows, refuse_if_none
from feedback.api.serializers import MessageSerializer, PromptSerializer, ResponseSerializer
from feedback.models import Response
from feedback.people import logged_in
from feedback.permissions import Permission, project_for
from feedback.records import Rejection


class PromptQuery(PageQuery):
    sha256 = serializers.CharField(required=False, max_length=64)


class ResponseQuery(PageQuery):
    prompt = serializers.IntegerField(
        required=False, min_value=1, max_value=MAX_ID, help_text="A prompt's id."
    )
    source = serializers.CharField(required=False, max_length=200)  # type: ignore[assignment]  # Field has a source too


class NewPromptSerializer(RequestFields):
    messages = MessageSerializer(many=True)
    reference = serializers.CharField(required=False, allow_null=True)


class NewPromptsSerializer(RequestFields):
    prompts = NewPromptSerializer(many=True, help_text="At most 1,000.")


class NewResponseSerializer(RequestFields):
    prompt = serializers.CharField(help_text="The id or the sha256 of a prompt of the project.")
    # Field has a source too.
    source = serializers.CharField(max_length=200, help_text="A model's name, or a person.")  # type: ignore[assignment]
    text = serializers.CharField()


class NewResponsesSerializer(RequestFields):
    responses = NewResponseSerializer(many=True, help_text="At most 1,000.")


class StoredTextsSerializer(StoredSerializer):
    ids = serializers.ListField(
        child=serializers.IntegerField(allow_null=True),
        help_text="The id of each row sent; null where it was rejected.",
    )


class Prompts(Endpoint):
    @extend_schema(operation_id="list_prompts", parameters=[PromptQuery], responses=page_of(PromptSerializer))
    def get(self, request: Request, slug: str) -> Answer:
        """The project's prompts."""
        project = project_for(request.user, slug, Permission.REVIEW)
        query = checked(PromptQuery, request.query_params)
        return keyset_page(project.prompts.filter(**_given(query, "sha256")), query, PromptSerializer)

    @extend_schema(
        operation_id="store_prompts", request=NewPromptsSerializer, responses=StoredTextsSerializer
    )
    def post(self, request: Request, slug: str) -> Answer:
        """Store prompts, at most 1,000. One that is already there is counted as unchanged."""
        project = project_for(request.user, slug, Permission.ENGINEER)
        rejections: list[Rejection] = []
        rows = [
            NewPrompt(row.get("messages"), row.get("reference"), line=index)
            for index, row in read_rows(request.data, "prompts", rejections, known=("messages", "reference"))
        ]
        summary = store_prompts(project=project, prompts=rows, by=logged_in(request.user))
        return _stored(summary, rejections, len(rows) + len(rejections))


class Responses(Endpoint):
    @extend_schema(
        operation_id="list_responses", parameters=[ResponseQuery], responses=page_of(ResponseSerializer)
    )
    def get(self, request: Request, slug: str) -> Answer:
        """The responses to the project's prompts."""
        project = project_for(request.user, slug, Permission.REVIEW)
        query = checked(ResponseQuery, request.query_params)
        rows = Response.objects.filter(prompt__project=project, **_given(query, "prompt", "source"))
        return keyset_page(rows, query, ResponseSerializer)

    @extend_schema(
        operation_id="store_responses", request=NewResponsesSerializer, responses=StoredTextsSerializer
    )
    def post(self, request: Request, slug: str) -> Answer:
        """Store responses to stored prompts, at most 1,000. One that is already there is counted as unchanged."""
        project = project_for(request.user, slug, Permission.ENGINEER)
        rejections: list[Rejection] = []
        rows = [
            NewResponse(row.get("prompt"), row.get("source"), row.get("text"), line=index)
            for index, row in read_rows(
                request.data, "responses", rejections, known=("prompt", "source", "text")
            )
        ]
        summary = store_responses(project=project, responses=rows, by=logged_in(request.user))
        return _stored(summary, rejections, len(rows) + len(rejections))


def _given(query: dict[str, Any], *names: str) -> dict[str, Any]:
    """The filters among ``names`` that the caller gave."""
    return {name: query[name] for name in names if name in query}


def _stored(summary: TextsSummary, rejections: list[Rejection], sent: int) -> Answer:
    rejected = refuse_if_none(rejections + summary.rejections, summary.new + summary.unchanged)
    ids = [summary.ids.get(index) for index in range(sent)]
    return Answer({"new": summary.new, "unchanged": summary.unchanged, "rejected": rejected, "ids": ids})
