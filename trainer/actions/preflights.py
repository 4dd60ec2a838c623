"""A run before it starts: the same fields as a spec file, checked, and timed for a few steps where it would run."""

import shutil
import time
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import Any

from django.db import transaction
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

from alignment.queries import snapshot_named
from feedback.actions.audit import record
from feedback.actions.jobs import Lease, queue_job
from feedback.errors import Refused
from feedback.models import Project
from feedback.people import Person
from trainer.actions.checks import BAD, Check, Finding, check_spec
from trainer.actions.following import start_runner, write_spec
from trainer.actions.runs import start_run, training_spec
from trainer.events import Event, read_events
from trainer.folders import preflight_folder
from trainer.launchers.launcher import Handle
from trainer.launchers.registry import launcher_named, settings_of
from trainer.models import Preflight, Run
from trainer.queries import base_named, log_tail
from trainer.spec import RunSpec

TIMED_STEPS = 6  # of which the first, which warms up, is left out
MOST_SECONDS = 900.0
# A probe trains as the run would, but says each step and writes no weights.
PROBED = {"logging_steps": 1, "save_steps": 10_000_000, "eval_steps": 0}


def start_preflight(*, project: Project, asked: Mapping[str, Any], by: Person) -> Preflight:
    """Keep what is asked for, and queue the timing of a few steps. Refused where the spec itself is wrong."""
    spec_asked(project, asked)
    with transaction.atomic():
        job = queue_job(project=project, task="trainer.tasks.perform_preflight", queue="gpu", by=by)
        preflight = Preflight.objects.create(project=project, job=job, asked=dict(asked), created_by=by)
        record(by=by, verb="check run", target=preflight, project=project)
    return preflight


def start_checked(*, preflight: Preflight, by: Person, confirm: bool = False) -> Run:
    """Start the run that was checked. Refused where something was found wrong, until somebody says ``confirm``."""
    if not confirm:
        wrong = [found.sentence for found in check_preflight(preflight).findings if found.level == BAD]
        if wrong:
            raise Refused(f"{' '.join(wrong)} {_('To start it all the same, confirm it.')}", field="confirm")
    arguments = arguments_asked(preflight.project, preflight.asked)
    return start_run(project=preflight.project, by=by, confirm=True, **arguments)


def check_preflight(preflight: Preflight) -> Check:
    """What can be said now: by arithmetic, or by the probe where it has ended. The rows are not hashed anew."""
    probe = preflight.probe or {}
    spec = spec_asked(preflight.project, preflight.asked, read=False)
    check = check_spec(spec, settings_of(_launcher(preflight.asked)), probe.get("seconds_per_step"))
    if not probe.get("failed"):
        return check
    failed = Finding(BAD, _("The timed steps failed; what they said stands beside them."))
    return replace(check, findings=[*check.findings, failed])


def arguments_asked(project: Project, asked: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments of ``start_run``, but for who starts it: names become rows. Refused names the field."""
    snapshot, dataset = asked.get("snapshot"), asked.get("dataset")
    kept = {
        name: value for name, value in asked.items() if name not in ("base", "snapshot", "dataset", "confirm")
    }
    return kept | {
        "base": base_named(project, asked["base"]),
        "snapshot": snapshot_named(project, str(snapshot)) if snapshot else None,
        "dataset": Path(dataset) if dataset else None,
    }


def spec_asked(project: Project, asked: Mapping[str, Any], *, read: bool = True) -> RunSpec:
    """The whole spec of what is asked for. Refused names the field at fault. ``read``: as ``training_spec`` has it."""
    arguments = arguments_asked(project, asked)
    arguments.pop("name", None)
    empty = {
        "parameters": None,
        "seed": 0,
        "launcher": "local",
        "stop_on": (),
        "budget": None,
        "search": None,
    }
    return training_spec(project=project, read=read, **(empty | arguments))


def carry_out_preflight(lease: Lease) -> None:
    """Train a few steps where the run would train, and note how long one takes."""
    preflight = Preflight.objects.select_related("project").get(job_id=lease.job_id)
    lease.report()
    if settings_of(_launcher(preflight.asked)).kind == "remote":
        raise Refused(
            gettext_noop("A machine that reaches this server by itself can not be timed from here.")
        )
    spec = spec_asked(preflight.project, preflight.asked)
    parameters = {**spec.parameters, **{k: v for k, v in PROBED.items() if k in spec.parameters}}
    folder = preflight_folder(preflight)
    shutil.rmtree(folder, ignore_errors=True)
    write_spec(folder, RunSpec(**{**spec_fields(spec), "parameters": parameters}))
    handle = start_runner(launcher_named(_launcher(preflight.asked)), folder)
    preflight.probe = _timed(handle, folder, lease)
    preflight.save(update_fields=["probe"])
    shutil.rmtree(folder, ignore_errors=True)


def spec_fields(spec: RunSpec) -> dict[str, Any]:
    """What says which training it is; neither its budget nor its alarms, and of a search one trial."""
    names = ("method", "model", "dataset", "seed", "model_revision", "dataset_sha256", "threads")
    return {name: getattr(spec, name) for name in names}


def _launcher(asked: Mapping[str, Any]) -> str:
    return str(asked.get("launcher") or "local")


def _timed(handle: Handle, folder: Path, lease: Lease) -> dict[str, Any]:
    """Until enough steps are timed, or the runner has ended by itself; then the runner is ended."""
    deadline = time.monotonic() + MOST_SECONDS
    try:
        while True:
            ended = handle.poll() is not None or time.monotonic() > deadline
            events, _ = read_events(folder / "events.jsonl")
            metrics = [event for event in events if event["kind"] == "metric"]
            if ended or len(metrics) > TIMED_STEPS:
                return _found(events, metrics) | {"log": log_tail(folder).replace("\0", "\ufffd")}
            lease.report(done=len(metrics), total=TIMED_STEPS + 1)
            time.sleep(0.2)
    finally:
        handle.kill()


def _found(events: list[Event], metrics: list[Event]) -> dict[str, Any]:
    """Seconds a step, over the steps after the first; the rows as the runner counted them; what went wrong."""
    moments = [datetime.fromisoformat(event["at"]) for event in metrics]
    steps = [event["step"] for event in metrics]
    gaps = [
        (after - before).total_seconds() / (to - since)
        for (before, after), (since, to) in zip(pairwise(moments), pairwise(steps), strict=True)
        if to > since
    ]
    started = next((event for event in events if event["kind"] == "started"), {})
    failed = next((event["message"] for event in events if event["kind"] == "failed"), "")
    memory = [event["values"].get("memory_gb") or 0.0 for event in metrics]
    return {
        "seconds_per_step": median(gaps) if gaps else None,
        "steps": len(gaps),
        "memory_gb": max(memory, default=0.0) or None,
        "rows": started.get("rows", {}),
        "device": started.get("device", ""),
        "failed": failed
        or ("" if gaps else gettext_noop("The runner gave no step in time; the end of its log may say why.")),
    }
