"""The judges' pages: who judges and how well that goes, one judge's verdicts, and its runs."""

import json

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_GET, require_http_methods, require_POST
from django_htmx.http import HttpResponseClientRefresh

from feedback.errors import Refused
from feedback.models import UNFINISHED, Judgment, Project
from feedback.people import logged_in
from feedback.permissions import Permission, grants, project_for
from judges.actions.judges import create_rules_judge
from judges.actions.runs import cancel_judge_run, resume_judge_run, start_judge_run
from judges.forms import RulesJudgeForm, StartRunForm
from judges.models import Judge, JudgeRun
from judges.queries import judge_summary, judges_of, newest_verdicts, runs_of, unfinished_run

SHOWN = 25  # verdicts and runs on a judge's page


@require_GET
def judge_list(request: HttpRequest, slug: str) -> HttpResponse:
    project = project_for(request.user, slug, Permission.REVIEW)
    context = {
        "project": project,
        "summaries": [judge_summary(judge) for judge in judges_of(project)],
        "may_run": _may_run(request, project),
    }
    return render(request, "judges/judges.html", context)


@require_http_methods(["GET", "POST"])
def judge_new(request: HttpRequest, slug: str) -> HttpResponse:
    project = project_for(request.user, slug, Permission.ENGINEER)
    form = RulesJudgeForm(request.POST or None)
    if form.is_valid():
        try:
            judge = create_rules_judge(project=project, **form.cleaned_data, by=logged_in(request.user))
            return redirect("judges:judge", project.slug, judge.pk)
        except Refused as refusal:
            form.add_error(refusal.field if refusal.field in form.fields else None, refusal.sentence)
    return render(request, "judges/judge_new.html", {"project": project, "form": form})


@require_GET
def judge_detail(request: HttpRequest, slug: str, pk: int) -> HttpResponse:
    project = project_for(request.user, slug, Permission.REVIEW)
    judge = get_object_or_404(judges_of(project), pk=pk)
    context = {
        "project": project,
        "judge": judge,
        "summary": judge_summary(judge),
        "runs": runs_of(judge)[:SHOWN],
        "verdicts": [(judgment, _preferred(judgment)) for judgment in newest_verdicts(judge)[:SHOWN]],
        "may_run": _may_run(request, project),
        "may_start": unfinished_run(judge) is None,
        "form": StartRunForm(project=project),
        "settings": json.dumps(judge.settings, indent=2, ensure_ascii=False),
    }
    return render(request, "judges/judge.html", context)


@require_POST
def run_start(request: HttpRequest, slug: str, pk: int) -> HttpResponse:
    project = project_for(request.user, slug, Permission.ENGINEER)
    judge = get_object_or_404(Judge, project=project, pk=pk)
    form = StartRunForm(request.POST, project=project)
    try:
        if form.is_valid():
            start_judge_run(judge=judge, tag=form.cleaned_data["tag"], by=logged_in(request.user))
        else:
            messages.error(request, "The project has no such tag; choose one of the list.")
    except Refused as refusal:
        messages.error(request, refusal.sentence)
    return redirect("judges:judge", project.slug, judge.pk)


@require_GET
def run_progress(request: HttpRequest, slug: str, pk: int) -> HttpResponse:
    """The run's line, asked for again while it is unfinished; its end reloads the page around it."""
    project = project_for(request.user, slug, Permission.REVIEW)
    run = _run(project, pk)
    if run.job.state not in UNFINISHED:
        return HttpResponseClientRefresh()
    context = {"project": project, "run": run, "may_run": _may_run(request, project)}
    return render(request, "judges/run.html", context)


@require_POST
def run_cancel(request: HttpRequest, slug: str, pk: int) -> HttpResponse:
    run = _run(project_for(request.user, slug, Permission.ENGINEER), pk)
    try:
        cancel_judge_run(run=run, by=logged_in(request.user))
    except Refused as refusal:
        messages.error(request, refusal.sentence)
    return redirect("judges:judge", slug, run.judge_id)


@require_POST
def run_resume(request: HttpRequest, slug: str, pk: int) -> HttpResponse:
    run = _run(project_for(request.user, slug, Permission.ENGINEER), pk)
    try:
        resume_judge_run(run=run, by=logged_in(request.user))
    except Refused as refusal:
        messages.error(request, refusal.sentence)
    return redirect("judges:judge", slug, run.judge_id)


def _run(project: Project, pk: int) -> JudgeRun:
    runs = JudgeRun.objects.select_related("job", "judge", "tag", "created_by")
    return get_object_or_404(runs, judge__project=project, pk=pk)


def _may_run(request: HttpRequest, project: Project) -> bool:
    return Permission.ENGINEER in grants(request.user, project)


def _preferred(judgment: Judgment) -> str:
    """Which response came first, by canonical position from 1; empty where there is no verdict."""
    best = [place for place, rank in enumerate(judgment.ranking, 1) if rank == 1]
    if len(best) == len(judgment.ranking):
        return "tie" if best else ""
    return f"response {' and '.join(str(place) for place in best)}"
