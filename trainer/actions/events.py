"""A run's event log becomes rows: read from where the last reader stopped, each line stored once."""

from collections.abc import Iterable
from datetime import datetime
from pathlib import Path

from django.db import transaction

from trainer.actions.following import Progress
from trainer.events import Event, read_events
from trainer.folders import run_folder
from trainer.models import Run, RunEvent

BATCH = 200  # rows a transaction: people at work on SQLite wait for one batch at most


def store_events(run: Run, progress: Progress) -> None:
    """Store what the runner has written since, and bring ``progress`` and the run's step up to date."""
    events, offset = read_events(run_folder(run) / "events.jsonl", run.events_offset)
    if offset == run.events_offset:
        return
    for start in range(0, len(events), BATCH):
        rows = [_row(run, event) for event in events[start : start + BATCH]]
        with transaction.atomic():
            RunEvent.objects.bulk_create(rows, ignore_conflicts=True)
    note_progress(progress, events)
    run.events_offset, run.step, run.total_steps = offset, progress.step, progress.total
    run.save(update_fields=["events_offset", "step", "total_steps"])


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
