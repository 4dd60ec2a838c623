"""The projects of one person, with what each of them waits for, and making a new one."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_GET, require_http_methods

from feedback.actions.projects import create_project
from feedback.errors import Refused
from feedback.forms import ProjectForm
from feedback.people import logged_in
from feedback.queries import project_cards


@require_GET
def project_list(request: HttpRequest) -> HttpResponse:
    return render(request, "feedback/projects.html", {"cards": project_cards(logged_in(request.user))})


@require_http_methods(["GET", "POST"])
def project_new(request: HttpRequest) -> HttpResponse:
    form = ProjectForm(request.POST or None)
    if form.is_valid():
        try:
            project = create_project(**form.cleaned_data, by=logged_in(request.user))
            return redirect("loop", project.slug)
        except Refused as refusal:
            form.add_error(refusal.field, refusal.sentence)
    return render(request, "feedback/project_new.html", {"form": form})
