"""What a runner on a machine of somebody's own sends back: events into the run's log, files into its folder."""

import errno
import json
import re
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Protocol
from uuid import uuid4

from django.db import transaction
from django.utils.translation import gettext as _

from feedback.errors import Refused
from feedback.models import JobState
from feedback.records import BadRecord
from trainer.events import read_events
from trainer.folders import run_folder
from trainer.launchers.registry import settings_of
from trainer.models import Run
from trainer.received import LARGEST_EVENT, LARGEST_RESULT, check_event

SAFE_NAME = re.compile(r"[A-Za-z0-9][\w.-]{0,120}\.(safetensors|json|jinja|txt|model)")
BLOCK = 1 << 20
NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


class Stream(Protocol):
    def read(self, size: int) -> bytes: ...


def receive_events(*, run: Run, events: Sequence[Mapping[str, Any]]) -> tuple[int, bool]:
    """Append what is new to the run's log: the last ``seq`` there is now, and whether the runner is to stop.

    Sent twice, an event is kept once. Refused where an event is none, or one before it is missing.
    """
    _check_remote(run)
    _check_events(events)
    path = run_folder(run) / "events.jsonl"
    with transaction.atomic():
        Run.objects.select_for_update(no_key=True).get(pk=run.pk)  # one sender at a time
        last = _last_seq(path)
        lines = []
        for event in events:
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


def _last_seq(path: Path) -> int:
    """Of the log's newest event, which is in its last bytes: none is larger than LARGEST_EVENT."""
    size = path.stat().st_size if path.is_file() else 0
    events, _offset = read_events(path, max(0, size - 2 * LARGEST_EVENT))
    return int(events[-1]["seq"]) if events else 0


def receive_file(*, run: Run, name: str, stream: Stream) -> int:
    """Store one file of the model, or ``result.json``; how many bytes it has. Whole or not at all.

    Refused where the model becomes larger than its launcher's ``weights_gib``, or the disk is full.
    """
    _check_remote(run)
    if not SAFE_NAME.fullmatch(name):
        raise Refused(
            _("%(name)s is no file of a model; weights are safetensors, and the rest JSON or text.")
            % {"name": name[:120]},
            field="name",
        )
    if name == "result.json":
        too_large = _("%(name)s is larger than %(most)s bytes.") % {"name": name, "most": LARGEST_RESULT}
        return _write(run_folder(run) / name, stream, lambda size: size <= LARGEST_RESULT, too_large)
    target, most = run_folder(run) / "final" / name, settings_of(run.launcher).weights_gib
    too_large = _(
        "With %(name)s the model is larger than %(most)g GiB, the weights_gib of the launcher %(launcher)s; "
        "an administrator can raise it in LAUNCHERS."
    ) % {"name": name, "most": most, "launcher": run.launcher}
    return _write(target, stream, lambda size: size + _bytes_beside(target) <= most * 2**30, too_large)


def _write(target: Path, stream: Stream, fits: Callable[[int], bool], too_large: str) -> int:
    """Refused where the bytes so far no longer fit. Of two senders of one file the later wins: the other hangs."""
    part, size = target.with_name(f"{target.name}.part-{uuid4().hex[:8]}"), 0
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        for older in target.parent.glob(f"{target.name}.part-*"):
            older.unlink(missing_ok=True)
        with part.open("xb") as file:
            while block := stream.read(BLOCK):
                size += len(block)
                if not fits(size):
                    raise Refused(too_large, field="name")
                file.write(block)
        part.replace(target)
    except FileNotFoundError as error:
        raise Refused(
            _("%(name)s is being sent anew by another, which took the place of this.")
            % {"name": target.name},
            field="name",
        ) from error
    except OSError as error:
        if error.errno not in NO_ROOM:
            raise
        raise Refused(
            _(
                "The server's disk has no room for %(name)s, and it was not kept. Free space there, then send it again."
            )
            % {"name": target.name},
            field="name",
        ) from error
    finally:
        part.unlink(missing_ok=True)
    return size


def _bytes_beside(target: Path) -> int:
    """Of the model's other files, those that are being sent among them."""
    found = 0
    for path in target.parent.iterdir():
        if path != target and not path.name.startswith(f"{target.name}.part-"):
            with suppress(FileNotFoundError):
                found += path.stat().st_size
    return found


def _check_remote(run: Run) -> None:
    if settings_of(run.launcher).kind != "remote" or run.job.state != JobState.RUNNING:
        raise Refused(_("This run does not wait for a machine elsewhere; start or resume it first."))


def _check_events(events: Sequence[Mapping[str, Any]]) -> None:
    """Rows are counted from 0, as in every body of the API."""
    for row, event in enumerate(events):
        try:
            check_event(event)
        except BadRecord as bad:
            field = f"events[{row}].{bad.field}" if bad.field else f"events[{row}]"
            raise Refused(
                _("%(field)s: %(reason)s.") % {"field": field, "reason": bad.reason}, field=field
            ) from bad
