"""What a runner on a machine of somebody's own sends back: events into the run's log, files into its folder."""

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from django.db import transaction
from django.utils.translation import gettext as _

from feedback.errors import Refused
from feedback.models import JobState
from trainer.events import FIELDS, read_events
from trainer.folders import run_folder
from trainer.launchers.registry import settings_of
from trainer.models import Run

COMMON = {"seq", "at", "kind"}
SAFE_NAME = re.compile(r"[A-Za-z0-9][\w.-]{0,120}\.(safetensors|json|jinja|txt|model)")
BLOCK = 1 << 20


class Stream(Protocol):
    def read(self, size: int) -> bytes: ...


def receive_events(*, run: Run, events: Sequence[Mapping[str, Any]]) -> tuple[int, bool]:
    """Append what is new to the run's log: the last ``seq`` there is now, and whether the runner is to stop.

    Sent twice, an event is kept once. Refused where an event is none, or one before it is missing.
    """
    _check_remote(run)
    path = run_folder(run) / "events.jsonl"
    with transaction.atomic():
        Run.objects.select_for_update(no_key=True).get(pk=run.pk)  # one sender at a time
        known, _offset = read_events(path)
        last = known[-1]["seq"] if known else 0
        lines = []
        for event in events:
            _check_event(event)
            if event["seq"] <= last:
                continue
            if event["seq"] != last + 1:
                raise Refused(
                    _("Event %(seq)s is missing; send it first.") % {"seq": last + 1}, field="events"
                )
            lines.append(json.dumps(dict(event), allow_nan=False))
            last = event["seq"]
        with path.open("a") as log:
            log.writelines(f"{line}\n" for line in lines)
    return last, (path.parent / "CANCEL").exists()


def receive_file(*, run: Run, name: str, stream: Stream) -> int:
    """Store one file of the model, or ``result.json``; how many bytes it has. Whole or not at all."""
    _check_remote(run)
    if not SAFE_NAME.fullmatch(name):
        raise Refused(
            _("%(name)s is no file of a model; weights are safetensors, and the rest JSON or text.")
            % {"name": name[:120]},
            field="name",
        )
    folder = run_folder(run)
    target = folder / name if name == "result.json" else folder / "final" / name
    return _write(target, stream)


def _write(target: Path, stream: Stream) -> int:
    target.parent.mkdir(parents=True, exist_ok=True)
    part, size = target.with_name(target.name + ".part"), 0
    with part.open("wb") as file:
        while block := stream.read(BLOCK):
            size += file.write(block)
    part.replace(target)
    return size


def _check_remote(run: Run) -> None:
    if settings_of(run.launcher).kind != "remote" or run.job.state != JobState.RUNNING:
        raise Refused(_("This run does not wait for a machine elsewhere; start or resume it first."))


def _check_event(event: Mapping[str, Any]) -> None:
    fields = FIELDS.get(str(event.get("kind")))
    if fields is None or set(event) != COMMON | set(fields) or not isinstance(event["seq"], int):
        raise Refused(
            _("An event has a kind, a number, a time and its fields; this is none: %(event)s.")
            % {"event": str(dict(event))[:200]},
            field="events",
        )
