"""OpenAI's endpoints for graders, served here: ``client.fine_tuning.alpha.graders`` of its SDK, unchanged.

Whoever does an engineer's work in some project may use them. Code runs in the sandbox only. A grader that asks a
model is refused: no project would pay for it, and no budget would stop it.
"""

from typing import Any

from asgiref.sync import async_to_sync
from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework import serializers
from rest_framework.exceptions import PermissionDenied
from rest_framework.request import Request
from rest_framework.response import Response

from feedback.api.endpoint import Endpoint, RequestFields, checked
from feedback.errors import Refused
from feedback.permissions import engineers_somewhere
from judges.core.graders import BadGrader, Case, Grader, grade, read_grader

MOST_TEXT = 1_000_000  # characters of a sample


class GraderFields(RequestFields):
    grader = serializers.JSONField(
        help_text="A grader as OpenAI documents it, or one of Concord's own kinds."
    )


class SampleFields(GraderFields):
    model_sample = serializers.CharField(
        max_length=MOST_TEXT, allow_blank=True, trim_whitespace=False, help_text="What the model said."
    )
    item = serializers.DictField(required=False, help_text="The row it belongs to: the namespace `item`.")


class GraderEndpoint(Endpoint):
    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        super().initial(request, *args, **kwargs)
        if not engineers_somewhere(request.user):
            raise PermissionDenied("Graders may be run by the engineers of a project; you are none yet.")


class RunGrader(GraderEndpoint):
    @extend_schema(
        operation_id="run_grader",
        request=SampleFields,
        responses=OpenApiResponse(
            description="OpenAI's answer: `reward`, `sub_rewards`, `metadata` with `errors` by kind. A grade that is "
            "missing is null, not 0."
        ),
    )
    def post(self, request: Request) -> Response:
        """Grade one sample. Nothing is stored."""
        given = checked(SampleFields, request.data)
        grader = _grader(given["grader"])
        if grader.asks:
            raise Refused(
                "This grader asks a model, which somebody pays for: make a rater of it in a project instead.",
                field="grader",
            )
        case = Case(given["model_sample"], given.get("item", {}))
        (result,) = async_to_sync(grade)(given["grader"], [case])
        return Response(result.as_json())


class ValidateGrader(GraderEndpoint):
    @extend_schema(
        operation_id="validate_grader",
        request=GraderFields,
        responses=OpenApiResponse(description="`grader`, as it was sent."),
    )
    def post(self, request: Request) -> Response:
        """Is this a grader? An error names the field at fault."""
        given = checked(GraderFields, request.data)
        _grader(given["grader"])
        return Response({"grader": given["grader"]})


def _grader(document: Any) -> Grader:
    try:
        return read_grader(document)
    except BadGrader as bad:
        raise Refused(str(bad), field=f"grader.{bad.field}" if bad.field else "grader") from None
