"""Runs: the list, one run with its live charts, several over each other, and stopping and resuming."""

import json
import shlex
from collections.abc import Iterable, Iterator
from itertools import chain
from typing import Any

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse, StreamingHttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.translation import gettext
from django.views.decorators.http import require_GET, require_POST

from feedback.errors import Refused
from feedback.models import RESUMABLE, UNFINISHED, JobState, Project
from feedback.parameters import whole_number, whole_numbers
from feedback.people import logged_in
from feedback.permissions import Permission, grants, project_for
from feedback.spreadsheets import csv_stream
from trainer.actions.runs import budget_is_spent, cancel_run, pause_run, resume_run
from trainer.budget import cost_of
from trainer.charts import charts_of
from trainer.comparing import MOST, snapshot_differences, spec_differences
from trainer.curves import Curves
from trainer.exports import exports_of
from trainer.folders import run_folder
from trainer.forms import BudgetForm
from trainer.launchers.registry import settings_of
from trainer.models import Run
from trainer.queries import (
    alarms_of,
    checkpoints,
    last_loss,
    log_tail,
    newest_moments,
    rows_used,
    runs_of,
    samples,
    seconds_left,
    warnings,
)
from trainer.search import range_text
from trainer.stories import duration, lasted, shown_alarms, silence, tell
from trainer.trials import sorted_by, trained_with, trial_rows, trials_of
from trainer.views.jobs import job_view

PAGE = 50
TRIAL_COLUMNS = ("number", "state", "value", "seconds")


@require_GET
def run_list(request: HttpRequest, slug: str) -> HttpResponse:
    """``before`` is the key of a run: the page of those that are older."""
    project = project_for(request.user, slug, Permission.REVIEW)
    before = whole_number(request, "before")
    runs = runs_of(project)
    found = list((runs if before is None else runs.filter(pk__lt=before))[: PAGE + 1])
    alarms = alarms_of(found[:PAGE])
    context = {
        "project": project,
        "rows": [_row(run, alarms) for run in found[:PAGE]],
        "live": any(run.job.state in UNFINISHED for run in found[:PAGE]),
        "may_train": Permission.ENGINEER in grants(request.user, project),
        "older": found[PAGE - 1].pk if len(found) > PAGE else None,
    }
    return render(request, "trainer/runs.html", context)


@require_GET
def run_detail(request: HttpRequest, slug: str, pk: int) -> HttpResponse:
    project = project_for(request.user, slug, Permission.REVIEW)
    run = _run(project, pk)
    may_train = Permission.ENGINEER in grants(request.user, project)
    stopping = run.job.cancel_requested
    context = {
        "project": project,
        "run": run,
        "story": tell(run),
        "lasted": lasted(run.job),
        "loss": _loss(run),
        "live": run.job.state in UNFINISHED,
        "may_train": may_train,
        "may_stop": may_train and run.job.state in UNFINISHED and not stopping,
        "may_resume": may_train and run.job.state in RESUMABLE,
        "spent": budget_is_spent(run, run.spec.get("budget") or {}),
        **_details(run),
        **(_search(run, request.GET.get("order", "")) if run.spec.get("search") else {}),
    }
    return render(request, "trainer/run.html", context)


@require_GET
def run_series(request: HttpRequest, slug: str, pk: int) -> JsonResponse:
    """The curves as numbers; asked for every two seconds while ``live``.

    ``after``, ``width`` and ``cuts`` say what the page has drawn: the answer then holds the points ``from`` the
    bucket of that step on, or all of them where the buckets have changed since.
    """
    run = _run(project_for(request.user, slug, Permission.REVIEW), pk)
    curves = Curves.from_json(run.curves)
    drawn = whole_number(request, "width"), whole_number(request, "cuts")
    after = (whole_number(request, "after") or 0) if drawn == (curves.width, curves.cuts) else 0
    return JsonResponse(
        {
            "live": run.job.state in UNFINISHED,
            "width": curves.width,
            "cuts": curves.cuts,
            "from": after // curves.width * curves.width,
            "charts": charts_of(curves.lines),
            "lines": {
                name: list(zip(*points, strict=True)) or [[], []]
                for name, points in curves.since(after).items()
            },
        }
    )


@require_GET
def run_csv(request: HttpRequest, slug: str, pk: int) -> StreamingHttpResponse:
    """Every point as it was reported, one a line: step, name, value."""
    run = _run(project_for(request.user, slug, Permission.REVIEW), pk)
    return csv_stream(f"run-{run.pk}.csv", _points(run))


@require_GET
def run_trials_csv(request: HttpRequest, slug: str, pk: int) -> StreamingHttpResponse:
    """A search's trials, one a line."""
    run = _run(project_for(request.user, slug, Permission.REVIEW), pk)
    if not run.spec.get("search"):
        raise Http404("This run is no search.")
    return csv_stream(f"run-{run.pk}-trials.csv", trial_rows(run))


@require_GET
def run_compare(request: HttpRequest, slug: str) -> HttpResponse:
    """Several runs over each other, by the URL parameters ``run``; without any, the newest two."""
    project = project_for(request.user, slug, Permission.REVIEW)
    keys = whole_numbers(request.GET, "run")[:MOST]
    found = {run.pk: run for run in runs_of(project).filter(pk__in=keys)} if keys else {}
    if len(found) < len(set(keys)):
        raise Http404("One of these runs is not in this project.")
    chosen = [found[key] for key in dict.fromkeys(keys)] or list(runs_of(project)[:2])
    context = {
        "project": project,
        "runs": chosen,
        "others": runs_of(project).exclude(pk__in=[run.pk for run in chosen])[:PAGE],
        "spec": spec_differences(chosen),
        "snapshots": snapshot_differences(chosen),
        "may_add": len(chosen) < MOST,
    }
    return render(request, "trainer/run_compare.html", context)


@require_GET
def run_elsewhere(request: HttpRequest, slug: str, pk: int) -> HttpResponse:
    """The run's command for other engines, and for a machine that reports back."""
    project = project_for(request.user, slug, Permission.ENGINEER)
    run = _run(project, pk)
    spec = run.spec
    context = {
        "project": project,
        "run": run,
        "sha256": run.snapshot.sha256 if run.snapshot else "",
        "command": _remote_command(request, run),
        "remote": settings_of(run.launcher).kind == "remote",
        "exports": exports_of(run.method, spec["model"], trained_with(run), spec["seed"]),
    }
    return render(request, "trainer/run_elsewhere.html", context)


def _remote_command(request: HttpRequest, run: Run) -> str:
    asked = {
        "--server": request.build_absolute_uri("/").rstrip("/"),
        "--project": run.project.slug,
        "--run": str(run.pk),
        "--model": run.spec["model"],
    }
    return shlex.join(["python", "deploy/remote/run_remote.py", *chain.from_iterable(asked.items())])


def _run(project: Project, pk: int) -> Run:
    return get_object_or_404(runs_of(project), pk=pk)


run_cancel = job_view(cancel_run, _run, "trainer:run")
run_pause = job_view(pause_run, _run, "trainer:run")


@require_POST
def run_resume(request: HttpRequest, slug: str, pk: int) -> HttpResponse:
    """Go on, with a larger budget where the form gives one."""
    run = _run(project_for(request.user, slug, Permission.ENGINEER), pk)
    form = BudgetForm(request.POST)
    try:
        if not form.is_valid():
            raise Refused(gettext("Give hours and money as numbers above 0."))
        resume_run(run=run, by=logged_in(request.user), **form.cleaned_data)
    except Refused as refusal:
        messages.error(request, refusal.sentence)
    return redirect("trainer:run", slug, pk)


def _row(run: Run, alarms: dict[int, Any]) -> dict[str, Any]:
    return {
        "run": run,
        "loss": _loss(run),
        "lasted": lasted(run.job),
        "alarms": shown_alarms(
            alarms.get(run.pk, []), silence(run, newest_moments(run)) if _works(run) else ""
        ),
    }


def _works(run: Run) -> bool:
    return run.job.state == JobState.RUNNING


def _details(run: Run) -> dict[str, Any]:
    silent = silence(run, newest_moments(run)) if _works(run) else ""
    left = seconds_left(run) if _works(run) else None
    budget = run.spec.get("budget") or {}
    price = budget.get("hour_price") or 0.0
    return {
        "parameters": [(name, _shown(value)) for name, value in sorted(trained_with(run).items())],
        "rows": [(split, counts) for split, counts in rows_used(run).items()],
        "warnings": warnings(run),
        "checkpoints": checkpoints(run),
        "log": log_tail(run_folder(run)),
        "version": getattr(run, "model_version", None),
        "alarms": shown_alarms(alarms_of([run]).get(run.pk, []), silent),
        "samples": samples(run),
        "left": "" if left is None else duration(left),
        "worked": duration(run.seconds),
        "cost": cost_of(run.seconds, price) if price else None,
        "budget": {name: budget[name] for name in ("hours", "cost") if budget.get(name)},
    }


def _search(run: Run, order: str) -> dict[str, Any]:
    """The search of a run and its trials, the best first or by a column."""
    search = run.spec["search"]
    names = list(search["ranges"])
    trials = trials_of(run)
    best = next((trial.number for trial in trials if trial.state == "complete"), None)
    shown = sorted_by(trials, order) if order in (*TRIAL_COLUMNS, *names) else trials
    return {
        "search": search,
        "ranges": [(name, range_text(each)) for name, each in search["ranges"].items()],
        "trials": trials,
        "best": best,
        "order": order,
        "trial_rows": [
            {
                "trial": each,
                "cells": [_cell(each.parameters.get(name)) for name in names],
                "lasted": duration(each.seconds),
            }
            for each in shown
        ],
    }


def _cell(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else "–" if value is None else str(value)


def _loss(run: Run) -> str:
    loss = last_loss(run)
    return "" if loss is None else f"{loss:.4g}"


def _shown(value: Any) -> str:
    """A parameter as its spec has it, without the quotes and brackets that say nothing."""
    if isinstance(value, list) and value:
        return ", ".join(map(_shown, value))
    if value is None or value == []:
        return "none"
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _points(run: Run) -> Iterator[Iterable[object]]:
    yield ("step", "name", "value", "at")
    events = run.events.filter(kind__in=("metric", "evaluation")).order_by("seq")
    for kind, step, data, at in events.values_list("kind", "step", "data", "at").iterator(2000):
        prefix = "held-out " if kind == "evaluation" else ""
        moment = timezone.localtime(at).isoformat()
        for name, value in data["values"].items():
            yield (step, prefix + name, "" if value is None else value, moment)
