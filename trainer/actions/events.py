"""A run's event log becomes rows and curves: read from where the last reader stopped, each line stored once."""

from collections.abc import Iterable
from datetime import datetime
from pathlib import Path

from django.db import transaction

from feedback.actions.notices import notify
from trainer.actions.following import Progress
from trainer.alarms import ALARMS
from trainer.budget import cost_of, seconds_used
from trainer.curves import Curves
from trainer.events import Event, read_events
from trainer.folders import run_folder
from trainer.models import Run, RunEvent

BATCH = 200  # rows a transaction: people at work on SQLite wait for one batch at most
READ = 4 << 20  # bytes of the log in memory at a time


def store_events(run: Run, progress: Progress) -> None:
    """Store what the runner has written since, and bring ``progress`` and the run's step up to date."""
    while True:
        events, offset = read_events(run_folder(run) / "events.jsonl", run.events_offset, READ)
        if offset == run.events_offset:
            return
        take_events(run, events, progress)
        run.events_offset = offset
        run.save(update_fields=["events_offset", "step", "total_steps", "seconds", "curves"])


def take_events(run: Run, events: list[Event], progress: Progress) -> None:
    """Store these events' rows, and note on the run, unsaved, what they say."""
    for start in range(0, len(events), BATCH):
        rows = [_row(run, event) for event in events[start : start + BATCH]]
        with transaction.atomic():
            RunEvent.objects.bulk_create(rows, ignore_conflicts=True)
    curves = Curves.from_json(run.curves)
    before = _event_before(run, events)
    for event in events:
        run.seconds += seconds_used([event] if before is None else [before, event])
        before = event
        _draw(curves, event, run)
        if event["kind"] == "alarm":
            tell_of_alarm(run, event["alarm"], event["evidence"])
    note_progress(progress, events)
    run.step, run.total_steps, run.curves = progress.step, progress.total, curves.to_json()


def progress_in(folder: Path) -> Progress:
    """How far the runner of a folder that has no run is."""
    progress = Progress()
    note_progress(progress, read_events(folder / "events.jsonl")[0])
    return progress


def note_progress(progress: Progress, events: Iterable[Event]) -> None:
    """What these events say about how far a runner is. A resumed one starts at its checkpoint."""
    for event in events:
        if event["kind"] == "started":
            progress.step, progress.said = event["resumed_step"], ""
        elif event["kind"] == "metric":
            progress.step, progress.total = event["step"], event["total_steps"]
        elif event["kind"] == "failed":
            progress.said = event["message"]
        elif event["kind"] == "cancelled":
            progress.step, progress.said = max(progress.step, event["step"]), event["reason"]


def _draw(curves: Curves, event: Event, run: Run) -> None:
    """Metrics and evaluations become points; the cost so far is a line of its own where an hour has a price."""
    if event["kind"] == "started" and (event["resumed_step"] or curves.lines):
        curves.cut(event["resumed_step"])
    elif event["kind"] == "metric":
        price = (run.spec.get("budget") or {}).get("hour_price") or 0.0
        cost = {"cost": cost_of(run.seconds, price)} if price else {}
        curves.add(event["step"], event["values"] | cost)
    elif event["kind"] == "evaluation":
        curves.add(event["step"], {f"held-out {name}": value for name, value in event["values"].items()})


def _event_before(run: Run, events: list[Event]) -> Event | None:
    """The stored event before these, as far as its time goes."""
    if not events:
        return None
    earlier = RunEvent.objects.filter(run=run, seq__lt=events[0]["seq"]).order_by("-seq").first()
    return {"kind": earlier.kind, "at": earlier.at.isoformat()} if earlier else None


def tell_of_alarm(run: Run, name: str, evidence: str) -> None:
    """The leads are told of an alarm, once while it is open."""
    alarm = ALARMS.get(name)
    if alarm is not None:
        text = f"{run.name}: {alarm.title}. {evidence}"
        notify(project=run.project, kind=f"alarm {name}", subject=f"run {run.pk}", text=text)


def _row(run: Run, event: Event) -> RunEvent:
    data = {name: value for name, value in event.items() if name not in ("seq", "at", "kind", "step")}
    return RunEvent(
        run=run,
        seq=event["seq"],
        kind=event["kind"],
        step=event.get("step"),
        data=data,
        at=datetime.fromisoformat(event["at"]),
    )
