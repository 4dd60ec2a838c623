"""The panels: judges whose stored verdicts become one. Nothing is asked for a panel, so it costs nothing."""

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from feedback.errors import Refused
from feedback.models import UNFINISHED, Project
from feedback.people import logged_in
from feedback.permissions import Permission, grants, project_for
from judges.actions.panels import create_panel, start_panel_run
from judges.forms.panels import PanelForm
from judges.models import Panel
from judges.queries import panel_summary, panels_of


@require_GET
def panels(request: HttpRequest, slug: str) -> HttpResponse:
    project = project_for(request.user, slug, Permission.REVIEW)
    context = {
        "project": project,
        "summaries": [panel_summary(panel) for panel in panels_of(project)],
        "may_run": _may_run(request, project),
    }
    return render(request, "judges/panels.html", context)


@require_http_methods(["GET", "POST"])
def panel_new(request: HttpRequest, slug: str) -> HttpResponse:
    project = project_for(request.user, slug, Permission.ENGINEER)
    form = PanelForm(request.POST or None, project=project)
    if form.is_valid():
        try:
            panel = create_panel(project=project, **form.panel(), by=logged_in(request.user))
            start_panel_run(panel=panel, by=logged_in(request.user))
            return redirect("judges:panel", project.slug, panel.pk)
        except Refused as refusal:
            form.add_error(refusal.field if refusal.field in form.fields else None, refusal.sentence)
    return render(request, "judges/panel_new.html", {"project": project, "form": form})


@require_GET
def panel_detail(request: HttpRequest, slug: str, pk: int) -> HttpResponse:
    project = project_for(request.user, slug, Permission.REVIEW)
    panel = get_object_or_404(panels_of(project), pk=pk)
    summary = panel_summary(panel)
    run = panel.runs.select_related("job").first()
    context = {
        "project": project,
        "panel": panel,
        "summary": summary,
        "members": [(member, summary.shares.get(str(member.judge))) for member in summary.members],
        "versions": panels_of(project).filter(name=panel.name),
        "run": run,
        "live": run is not None and run.job.state in UNFINISHED,
        "may_run": _may_run(request, project),
    }
    return render(request, "judges/panel.html", context)


@require_POST
def panel_start(request: HttpRequest, slug: str, pk: int) -> HttpResponse:
    """Bring the panel's verdicts up to date with what its members have said since."""
    project = project_for(request.user, slug, Permission.ENGINEER)
    panel = get_object_or_404(Panel, project=project, pk=pk)
    try:
        start_panel_run(panel=panel, by=logged_in(request.user))
        messages.success(request, _("A worker brings its verdicts up to date."))
    except Refused as refusal:
        messages.error(request, refusal.sentence)
    return redirect("judges:panel", project.slug, panel.pk)


def _may_run(request: HttpRequest, project: Project) -> bool:
    return Permission.ENGINEER in grants(request.user, project)
