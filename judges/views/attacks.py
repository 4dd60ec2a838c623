"""Injection attacks on a judge: what each kind of them does to its verdicts."""

from decimal import Decimal
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_GET, require_POST

from feedback.actions.jobs import cancel_job, resume_job
from feedback.errors import Refused
from feedback.models import RESUMABLE, UNFINISHED
from feedback.people import logged_in
from feedback.permissions import Permission, grants, project_for
from judges.actions.attacks import DEFAULT_PAIRS, requests_of_attack_run, start_attack_run
from judges.actions.keys import provider_of
from judges.actions.pricing import Prices
from judges.models import AttackRun, Judge
from judges.queries import attack_results, judge_text, judges_of


@require_GET
def attacks(request: HttpRequest, slug: str, pk: int) -> HttpResponse:
    """What the newest run of them did, and what another would take."""
    project = project_for(request.user, slug, Permission.REVIEW)
    judge = get_object_or_404(judges_of(project), pk=pk)
    run = judge.attack_runs.select_related("job").first()
    may_run = Permission.ENGINEER in grants(request.user, project)
    summary = attack_results(judge)
    context = {
        "project": project,
        "judge": judge,
        "summary": summary,
        "turned": [each for each in summary.outcomes if each.succeeded] if summary else [],
        "run": run,
        "live": run is not None and run.job.state in UNFINISHED,
        "may_resume": run is not None and run.job.state in RESUMABLE,
        "may_run": may_run,
        "expected": _expected(judge) if may_run else None,
    }
    return render(request, "judges/attacks.html", context)


@require_POST
def attack_start(request: HttpRequest, slug: str, pk: int) -> HttpResponse:
    project = project_for(request.user, slug, Permission.ENGINEER)
    judge = get_object_or_404(judges_of(project), pk=pk)
    try:
        start_attack_run(judge=judge, by=logged_in(request.user))
    except Refused as refusal:
        messages.error(request, refusal.sentence)
    return redirect("judges:attacks", project.slug, judge.pk)


@require_POST
def attack_deed(request: HttpRequest, slug: str, pk: int, deed: str) -> HttpResponse:
    """Cancel a run of attacks, or resume one that did not end well."""
    project = project_for(request.user, slug, Permission.ENGINEER)
    run = get_object_or_404(AttackRun.objects.select_related("job"), judge__project=project, pk=pk)
    act = {"cancel": cancel_job, "resume": resume_job}[deed]
    try:
        act(job=run.job, by=logged_in(request.user))
    except Refused as refusal:
        messages.error(request, refusal.sentence)
    return redirect("judges:attacks", project.slug, run.judge_id)


def _expected(judge: Judge) -> dict[str, Any]:
    """How many calls a run makes, and dollars at most; None where the price, or the provider, is not known."""
    requests = list(requests_of_attack_run(judge_text(judge), DEFAULT_PAIRS))
    try:
        prices = Prices.of(judge, provider_of(judge))
    except Refused as refusal:
        return {"calls": len(requests), "worst": None, "problem": refusal.sentence}
    worst = [prices.worst(request) for request in requests]
    known = [cost for cost in worst if cost is not None]
    return {"calls": len(requests), "worst": sum(known, Decimal(0)) if len(known) == len(worst) else None}
