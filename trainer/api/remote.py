"""For a runner on a machine of somebody's own: its events and its files come in here, with a write token."""

from typing import Any, cast

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.parsers import BaseParser
from rest_framework.request import Request
from rest_framework.response import Response

from feedback.api.endpoint import Endpoint, RequestFields, checked
from feedback.permissions import Permission, project_for
from trainer.actions.remote import Stream, receive_events, receive_file
from trainer.api.runs import _run


class EventsFields(RequestFields):
    events = serializers.ListField(child=serializers.DictField(), max_length=1000)


class ReceivedSerializer(serializers.Serializer[dict[str, object]]):
    seq = serializers.IntegerField(help_text="The last event that is stored.")
    stop = serializers.BooleanField(help_text="Whether the runner is to save a checkpoint and stop.")


class ReceivedSerializer(serializers.Serializer[dict[str, object]]):
    bytes = serializers.IntegerField()


class RawBody(BaseParser):
    """The bytes as they come, read by who stores them."""

    media_type = "application/octet-stream"

    # The library's signature.
    def parse(self, stream: Any, media_type: str | None = None, parser_context: Any = None) -> Any:  # noqa: ARG002
        return stream


class RemoteEvents(Endpoint):
    @extend_schema(operation_id="send_run_events", request=EventsFields, responses=ReceivedSerializer)
    def post(self, request: Request, slug: str, pk: int) -> Response:
        """Add events to the log of a run that trains elsewhere; those that are there already are left out."""
        run = _run(project_for(request.user, slug, Permission.ENGINEER), pk)
        seq, stop = receive_events(run=run, events=checked(EventsFields, request.data)["events"])
        return Response({"seq": seq, "stop": stop})


class RemoteFile(Endpoint):
    parser_classes = (RawBody,)  # type: ignore[assignment]  # all others take JSON

    @extend_schema(
        operation_id="send_run_file",
        request={"application/octet-stream": bytes},
        responses=ReceivedSerializer,
    )
    def put(self, request: Request, slug: str, pk: int, name: str) -> Response:
        """Store one file of the model that a run elsewhere has made, or its `result.json`."""
        run = _run(project_for(request.user, slug, Permission.ENGINEER), pk)
        return Response({"bytes": receive_file(run=run, name=name, stream=cast(Stream, request.data))})
