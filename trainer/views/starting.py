"""Starting a run: the form of one method, the same run again with a change, and the check before the start."""

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_http_methods

from feedback.errors import Refused
from feedback.models import Project
from feedback.people import logged_in
from feedback.permissions import Permission, project_for
from trainer.actions.runs import SNAPSHOT_METHODS, start_run
from trainer.forms import RunForm, like_run
from trainer.models import ModelVersion
from trainer.queries import runs_of


@require_http_methods(["GET", "POST"])
def run_new(request: HttpRequest, slug: str) -> HttpResponse:
    """The form of one method; the URL parameters are ``method`` and ``like``, a run whose settings it begins with."""
    project = project_for(request.user, slug, Permission.ENGINEER)
    wanted = request.GET.get("method")
    method = wanted if wanted in SNAPSHOT_METHODS else "dpo"
    form = RunForm(
        project, method, request.POST or None, initial=_initial(project, request.GET.get("like", ""))
    )
    if form.is_valid():
        try:
            run = start_run(**form.values(), by=logged_in(request.user))
            return redirect("trainer:run", project.slug, run.pk)
        except Refused as refusal:
            form.add_error(refusal.field if refusal.field in form.fields else None, refusal.sentence)
    context = {
        "project": project,
        "form": form,
        "method": method,
        "methods": SNAPSHOT_METHODS,
        "bases": ModelVersion.objects.filter(project=project),
        "has_snapshots": project.snapshots.exists(),
    }
    return render(request, "trainer/run_new.html", context)


def _initial(project: Project, like: str) -> dict[str, Any]:
    if not like.isdecimal():
        return {}
    return like_run(get_object_or_404(runs_of(project), pk=int(like)))
