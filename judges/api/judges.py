"""Judges: listed and made."""

from typing import Any

from django.http import Http404
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from feedback.api.endpoint import Endpoint, PageQuery, RequestFields, checked, keyset_page, page_of
from feedback.models import Project, Rubric
from feedback.people import logged_in
from feedback.permissions import Permission, project_for
from judges.actions.judges import create_judge
from judges.api.serializers import JudgeSerializer
from judges.models import Judge
from judges.queries import judges_of


class JudgeFields(RequestFields):
    name = serializers.CharField(max_length=100)
    provider = serializers.CharField(max_length=40)
    model = serializers.CharField(max_length=100)
    rubric = serializers.CharField(max_length=100, help_text="Its name; the newest version is used.")
    rubric_version = serializers.IntegerField(min_value=1, required=False)
    settings = serializers.DictField(
        default=dict, help_text="What the provider takes; a key is not among it."
    )
    family = serializers.CharField(max_length=60, default="", allow_blank=True)
    both_orders = serializers.BooleanField(default=True)
    samples = serializers.IntegerField(min_value=1, max_value=9, default=1)


class Judges(Endpoint):
    @extend_schema(operation_id="list_judges", parameters=[PageQuery], responses=page_of(JudgeSerializer))
    def get(self, request: Request, slug: str) -> Response:
        """The project's judges, every version."""
        project = project_for(request.user, slug, Permission.REVIEW)
        return keyset_page(judges_of(project), checked(PageQuery, request.query_params), JudgeSerializer)

    @extend_schema(operation_id="create_judge", request=JudgeFields, responses={201: JudgeSerializer})
    def post(self, request: Request, slug: str) -> Response:
        """Make a judge, or a new version of the one of this name. The same configuration again is the same version."""
        project = project_for(request.user, slug, Permission.ENGINEER)
        fields = checked(JudgeFields, request.data)
        fields["rubric"] = _rubric(project, fields.pop("rubric"), fields.pop("rubric_version", None))
        judge = create_judge(project=project, by=logged_in(request.user), **fields)
        return Response(JudgeSerializer(judge).data, status=201)


def judge_of(project: Project, pk: int) -> Judge:
    judge = judges_of(project).filter(pk=pk).first()
    if judge is None:
        raise Http404(f"There is no judge {pk} in this project.")
    return judge


def _rubric(project: Project, name: str, version: int | None) -> Any:
    rubrics = Rubric.objects.filter(project=project, name=name)
    found = rubrics.filter(version=version) if version else rubrics.order_by("-version")
    rubric = found.first()
    if rubric is None:
        raise Http404(f"There is no rubric {name!r}{f' v{version}' if version else ''} in this project.")
    return rubric
