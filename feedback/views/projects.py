"""The projects of one person, with what each of them waits for, and making a new one."""

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_http_methods

from feedback.actions.projects import create_project
from feedback.errors import Refused
from feedback.forms.projects import ProjectForm
from feedback.people import logged_in
from feedback.permissions import may_create_projects
from feedback.queries.projects import project_cards


@require_GET
def project_list(request: HttpRequest) -> HttpResponse:
    user = logged_in(request.user)
    context = {"cards": project_cards(user), "may_create": may_create_projects(user)}
    return render(request, "feedback/projects.html", context)


@require_http_methods(["GET", "POST"])
def project_new(request: HttpRequest) -> HttpResponse:
    if not may_create_projects(request.user):
        raise PermissionDenied(
            _("Only administrators, and people whom they allow it, make new projects here.")
        )
    form = ProjectForm(request.POST or None)
    if form.is_valid():
        try:
            project = create_project(**form.cleaned_data, by=logged_in(request.user))
            return redirect("loop", project.slug)
        except Refused as refusal:
            form.add_error(refusal.field, refusal.sentence)
    return render(request, "feedback/project_new.html", {"form": form})
