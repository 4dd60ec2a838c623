"""Checks before a run starts: what is asked for, what was found, and what a few timed steps said."""

from django.http import Http404
from drf_spectacular.utils import extend_schema, extend_schema_field
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from feedback.api.endpoint import Endpoint, checked
from feedback.models import Project
from feedback.people import logged_in
from feedback.permissions import Permission, project_for
from trainer.actions.checks import as_json
from trainer.actions.preflights import check_preflight, start_preflight
from trainer.api.runs import JobSerializer, RunFields
from trainer.models import Preflight


class FoundSerializer(serializers.Serializer[dict[str, object]]):
    findings = serializers.ListField(
        child=serializers.DictField(), help_text="`level` (ok, warn, bad), `sentence`."
    )
    rows = serializers.IntegerField(allow_null=True)
    steps = serializers.IntegerField()
    tokens = serializers.IntegerField(help_text="Estimated from the characters.")
    memory_gib = serializers.FloatField(allow_null=True)
    device_gib = serializers.FloatField()
    hours = serializers.FloatField(allow_null=True)
    cost = serializers.FloatField(allow_null=True)


class CheckSerializer(serializers.ModelSerializer[Preflight]):
    job = JobSerializer()
    found = serializers.SerializerMethodField()

    class Meta:
        model = Preflight
        fields = ("id", "job", "asked", "probe", "found", "created_at")

    @extend_schema_field(FoundSerializer)
    def get_found(self, preflight: Preflight) -> dict[str, object]:
        return as_json(check_preflight(preflight))


class Checks(Endpoint):
    @extend_schema(operation_id="check_run", request=RunFields, responses={201: CheckSerializer})
    def post(self, request: Request, slug: str) -> Response:
        """Check a run without starting it, and have a worker time a few of its steps."""
        project = project_for(request.user, slug, Permission.ENGINEER)
        asked = checked(RunFields, request.data)
        del asked["confirm"]
        preflight = start_preflight(project=project, asked=asked, by=logged_in(request.user))
        return Response(CheckSerializer(preflight).data, status=201)


class OneCheck(Endpoint):
    @extend_schema(operation_id="get_run_check", responses=CheckSerializer)
    def get(self, request: Request, slug: str, pk: int) -> Response:
        """What is known by now: time and cost count with the probe once its job has ended."""
        project = project_for(request.user, slug, Permission.ENGINEER)
        return Response(CheckSerializer(_check(project, pk)).data)


def _check(project: Project, pk: int) -> Preflight:
    preflight = Preflight.objects.select_related("job", "project").filter(project=project, pk=pk).first()
    if preflight is None:
        raise Http404(f"There is no check {pk} in this project.")
    return preflight
