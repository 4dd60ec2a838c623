"""The projects that a caller may know of."""

from django.db.models import OuterRef, QuerySet, Subquery
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from feedback.api.endpoint import Endpoint, PageQuery, checked, keyset_page, page_of
from feedback.api.serializers import ProjectSerializer
from feedback.models import Member, Project
from feedback.permissions import Permission, project_for, projects_of


class Projects(Endpoint):
    @extend_schema(operation_id="list_projects", parameters=[PageQuery], responses=page_of(ProjectSerializer))
    def get(self, request: Request) -> Response:
        """The projects you are a member of."""
        query = checked(PageQuery, request.query_params)
        return keyset_page(_with_role(projects_of(request.user), request), query, ProjectSerializer)


class OneProject(Endpoint):
    @extend_schema(operation_id="get_project", responses=ProjectSerializer)
    def get(self, request: Request, slug: str) -> Response:
        """One project, with its guidelines and your role in it."""
        project = project_for(request.user, slug, Permission.VIEW)
        found = _with_role(Project.objects.filter(pk=project.pk), request).get()
        return Response(ProjectSerializer(found).data)


def _with_role(projects: QuerySet[Project], request: Request) -> QuerySet[Project]:
    own = Member.objects.filter(project=OuterRef("pk"), user=request.user.pk, deactivated_at=None)
    return projects.annotate(role=Subquery(own.values("role")[:1]))
