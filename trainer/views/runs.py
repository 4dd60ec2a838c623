"""Runs: the list, one run with its live charts, a new one, and stopping and resuming."""

from typing import Any

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_GET, require_http_methods

from feedback.actions.jobs import cancel_job, resume_job
from feedback.errors import Refused
from feedback.models import RESUMABLE, UNFINISHED, Project
from feedback.people import logged_in
from feedback.permissions import Permission, grants, project_for
from trainer.actions.runs import start_run
from trainer.forms import RunForm
from trainer.methods import SNAPSHOT_METHODS
from trainer.models import ModelVersion, Run
from trainer.queries import charts, checkpoints, last_loss, log_tail, rows_used, runs_of, warnings
from trainer.stories import lasted, tell
from trainer.views.jobs import job_view

PAGE = 50


@require_GET
def run_list(request: HttpRequest, slug: str) -> HttpResponse:
    project = project_for(request.user, slug, Permission.REVIEW)
    found = list(runs_of(project)[:PAGE])
    context = {
        "project": project,
        "rows": [{"run": run, "loss": _loss(run), "lasted": lasted(run.job)} for run in found],
        "live": any(run.job.state in UNFINISHED for run in found),
        "may_train": Permission.ENGINEER in grants(request.user, project),
        "most": PAGE,
    }
    return render(request, "trainer/runs.html", context)


@require_GET
def run_detail(request: HttpRequest, slug: str, pk: int) -> HttpResponse:
    project = project_for(request.user, slug, Permission.REVIEW)
    run = _run(project, pk)
    may_train = Permission.ENGINEER in grants(request.user, project)
    context = {
        "project": project,
        "run": run,
        "story": tell(run),
        "lasted": lasted(run.job),
        "loss": _loss(run),
        "live": run.job.state in UNFINISHED,
        "may_cancel": may_train and run.job.state in UNFINISHED and not run.job.cancel_requested,
        "may_resume": may_train and run.job.state in RESUMABLE,
        **_details(run),
    }
    return render(request, "trainer/run.html", context)


@require_GET
def run_series(request: HttpRequest, slug: str, pk: int) -> JsonResponse:
    """The charts as numbers; asked for every two seconds while ``live``."""
    run = _run(project_for(request.user, slug, Permission.REVIEW), pk)
    return JsonResponse(
        {"live": run.job.state in UNFINISHED, "charts": [chart.as_json() for chart in charts(run)]}
    )


@require_http_methods(["GET", "POST"])
def run_new(request: HttpRequest, slug: str) -> HttpResponse:
    """The form of one method; ``method`` is a URL parameter."""
    project = project_for(request.user, slug, Permission.ENGINEER)
    wanted = request.GET.get("method")
    method = wanted if wanted in SNAPSHOT_METHODS else "dpo"
    form = RunForm(project, method, request.POST or None)
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
        "bases": ModelVersion.objects.filter(project=project),
        "has_snapshots": project.snapshots.exists(),
    }
    return render(request, "trainer/run_new.html", context)


def _run(project: Project, pk: int) -> Run:
    return get_object_or_404(runs_of(project), pk=pk)


run_cancel = job_view(cancel_job, _run, "trainer:run")
run_resume = job_view(resume_job, _run, "trainer:run")


def _details(run: Run) -> dict[str, Any]:
    return {
        "parameters": [(name, _shown(value)) for name, value in sorted(run.spec["parameters"].items())],
        "rows": [(split, counts) for split, counts in rows_used(run).items()],
        "warnings": warnings(run),
        "checkpoints": checkpoints(run),
        "log": log_tail(run),
        "version": getattr(run, "model_version", None),
    }


def _loss(run: Run) -> str:
    loss = last_loss(run)
    return "" if loss is None else f"{loss:.4g}"


def _shown(value: Any) -> str:
    return (", ".join(map(str, value)) or "none") if isinstance(value, list) else str(value)
