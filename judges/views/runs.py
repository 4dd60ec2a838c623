"""A judge's runs: what one will take before it starts, how it goes, and stopping, going on and asking again."""

from collections.abc import Callable
from typing import Any

from django.contrib import messages
from django.core import signing
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_POST

from feedback.errors import Refused
from feedback.models import RESUMABLE, UNFINISHED, Project
from feedback.people import Person, logged_in
from feedback.permissions import Permission, grants, project_for
from judges.actions.budgets import limits_on, set_run_budget
from judges.actions.estimates import estimate_run
from judges.actions.keys import provider_of
from judges.actions.runs import (
    cancel_judge_run,
    pause_judge_run,
    resume_judge_run,
    retry_failures,
    start_judge_run,
)
from judges.course import course_of
from judges.forms.runs import RunBudgetForm, StartRunForm
from judges.models import Judge, JudgeRun, RunMode
from judges.progress import run_progress
from judges.queries import judges_of, unfinished_run

SALT = "judges.run.estimate"
AGREED_SECONDS = 3600  # an estimate that was shown longer ago is shown anew


@require_GET
def run_new(request: HttpRequest, slug: str, pk: int) -> HttpResponse:
    """The form; with ``estimate`` in the address also what the run that it describes would take. Nothing starts."""
    project, judge = _judge(request, slug, pk)
    form = StartRunForm(request.GET if "estimate" in request.GET else None, project=project)
    return _start_page(request, project, judge, form)


@require_POST
def run_start(request: HttpRequest, slug: str, pk: int) -> HttpResponse:
    """Start what was agreed to: a run whose estimate was shown. Without one, it is shown first."""
    project, judge = _judge(request, slug, pk)
    form = StartRunForm(request.POST, project=project)
    agreed = _agreed(judge, form, request.POST.get("agreed", "")) if form.is_valid() else None
    if agreed is not None:
        try:
            by = logged_in(request.user)
            run = start_judge_run(judge=judge, **form.cleaned_data, estimate=agreed, by=by)
            return redirect("judges:run", project.slug, run.pk)
        except Refused as refusal:
            form.add_error(refusal.field if refusal.field in form.fields else None, refusal.sentence)
    return _start_page(request, project, judge, form)


def _start_page(request: HttpRequest, project: Project, judge: Judge, form: StartRunForm) -> HttpResponse:
    estimates: list[dict[str, Any]] = []
    if form.is_bound and form.is_valid():
        try:
            estimates = _estimates(judge, form)
        except Refused as refusal:
            form.add_error(None, refusal.sentence)
    context = {
        "project": project,
        "judge": judge,
        "form": form,
        "under_way": unfinished_run(judge),
        "estimates": estimates,
        "limits": limits_on(judge),
        "agreed": signing.dumps([_subject(judge, form), estimates], salt=SALT) if estimates else "",
    }
    return render(request, "judges/run_new.html", context)


def _estimates(judge: Judge, form: StartRunForm) -> list[dict[str, Any]]:
    """What the run would take in each way in which it can be asked."""
    said = form.cleaned_data
    modes = [RunMode.LIVE, RunMode.BATCH] if _has_batches(judge) else [RunMode.LIVE]
    return [
        {
            "mode": mode,
            **estimate_run(judge=judge, tag=said["tag"], purpose=said["purpose"], mode=mode).as_json(),
        }
        for mode in modes
    ]


def _has_batches(judge: Judge) -> bool:
    provider = provider_of(judge)
    return not provider.free and hasattr(provider, "submit") and not getattr(provider, "logprobs", False)


def _agreed(judge: Judge, form: StartRunForm, signed: str) -> dict[str, Any] | None:
    """The estimate of the way that was chosen, if it was shown for the same run."""
    try:
        subject, estimates = signing.loads(signed, salt=SALT, max_age=AGREED_SECONDS)
    except signing.BadSignature:
        return None
    if subject != _subject(judge, form):
        return None
    return next((each for each in estimates if each["mode"] == form.cleaned_data["mode"]), None)


def _subject(judge: Judge, form: StartRunForm) -> list[Any]:
    """What an estimate is of."""
    tag = form.cleaned_data["tag"]
    return [judge.pk, form.cleaned_data["purpose"], tag.pk if tag else None]


@require_GET
def run_detail(request: HttpRequest, slug: str, pk: int) -> HttpResponse:
    """The run's page, which asks for its live part again while the run is unfinished."""
    project = project_for(request.user, slug, Permission.REVIEW)
    run = _run(project, pk)
    return render(request, "judges/run.html", _page(request, project, run))


@require_POST
def run_cancel(request: HttpRequest, slug: str, pk: int) -> HttpResponse:
    return _deed(request, slug, pk, cancel_judge_run)


@require_POST
def run_pause(request: HttpRequest, slug: str, pk: int) -> HttpResponse:
    return _deed(request, slug, pk, pause_judge_run)


@require_POST
def run_resume(request: HttpRequest, slug: str, pk: int) -> HttpResponse:
    return _deed(request, slug, pk, resume_judge_run)


@require_POST
def run_retry(request: HttpRequest, slug: str, pk: int) -> HttpResponse:
    return _deed(request, slug, pk, retry_failures)


@require_POST
def run_reparse(request: HttpRequest, slug: str, pk: int) -> HttpResponse:
    """Read the replies that are stored again, in a run that asks nothing."""
    project = project_for(request.user, slug, Permission.ENGINEER)
    run = _run(project, pk)
    try:
        again = start_judge_run(
            judge=run.judge, tag=run.tag, purpose=run.purpose, mode=RunMode.STORED, by=logged_in(request.user)
        )
        return redirect("judges:run", slug, again.pk)
    except Refused as refusal:
        messages.error(request, refusal.sentence)
        return redirect("judges:run", slug, run.pk)


@require_POST
def run_budget(request: HttpRequest, slug: str, pk: int) -> HttpResponse:
    """Change what the run may spend, also while it is under way."""
    run = _run(project_for(request.user, slug, Permission.ENGINEER), pk)
    form = RunBudgetForm(request.POST)
    try:
        if form.is_valid():
            set_run_budget(run=run, budget=form.cleaned_data["budget"], by=logged_in(request.user))
            messages.success(request, _("The run's budget is changed."))
        else:
            messages.error(request, _("A budget is a number of dollars from 0."))
    except Refused as refusal:
        messages.error(request, refusal.sentence)
    return redirect("judges:run", slug, run.pk)


def _deed(request: HttpRequest, slug: str, pk: int, act: Callable[..., None]) -> HttpResponse:
    run = _run(project_for(request.user, slug, Permission.ENGINEER), pk)
    by: Person = logged_in(request.user)
    try:
        act(run=run, by=by)
    except Refused as refusal:
        messages.error(request, refusal.sentence)
    return redirect("judges:run", slug, run.pk)


def _page(request: HttpRequest, project: Project, run: JudgeRun) -> dict[str, Any]:
    job, progress = run.job, run_progress(run)
    return {
        "project": project,
        "run": run,
        "progress": progress,
        "failed": sum(progress.failures.values()),
        "course": course_of(run),
        "live": job.state in UNFINISHED,
        "may_run": Permission.ENGINEER in grants(request.user, project),
        "may_resume": job.state in RESUMABLE and unfinished_run(run.judge) is None,
        "budget_form": RunBudgetForm(initial={"budget": run.budget}),
    }


def _judge(request: HttpRequest, slug: str, pk: int) -> tuple[Project, Judge]:
    project = project_for(request.user, slug, Permission.ENGINEER)
    return project, get_object_or_404(judges_of(project), pk=pk)


def _run(project: Project, pk: int) -> JudgeRun:
    runs = JudgeRun.objects.select_related("job", "judge__rubric", "judge__project", "tag", "created_by")
    return get_object_or_404(runs, judge__project=project, pk=pk)
