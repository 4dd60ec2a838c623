"""The progress protocol between a runner and the web side: JSON lines in events.jsonl, both ends.

One event a line: `{"seq": 1, "at": ISO time in UTC, "kind": …, …}` and the fields that `FIELDS` names for
its kind. `seq` counts from 1 and goes on after a resume. A resumed run repeats the steps after its last
checkpoint: of two events for one step the later one holds. Only rank 0 of a distributed run writes.
"""

from __future__ import annotations

import errno
import json
import math
import os
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType, TracebackType
from typing import Any, Self

Event = dict[str, Any]

FIELDS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "started": ("method", "spec_sha256", "versions", "device", "rows", "columns", "resumed_step"),
        "metric": ("step", "total_steps", "epoch", "values"),
        "checkpoint": ("step", "path"),
        "evaluation": ("step", "values"),
        # What the model answers to the same prompts each time: a list of {prompt, text, step}.
        "samples": ("step", "samples"),
        # One of `trainer.alarms.ALARMS`, with the figures that set it off as a sentence.
        "alarm": ("step", "alarm", "evidence"),
        # One try of a search: {"number", "parameters", "state", "value"} with the values on its way by step.
        "trial": ("number", "parameters", "state", "value", "values"),
        "warning": ("message",),
        "finished": ("result",),
        "failed": ("message",),
        "cancelled": ("step", "checkpoint", "reason"),
    }
)
KINDS = tuple(FIELDS)
_READ = 4 << 20  # bytes of a long log in memory at a time


class EventWriter:
    """Appends events to a file, each written whole and at once; picks up where a killed runner left off."""

    def __init__(self, path: Path) -> None:
        self._rank = int(os.environ.get("RANK", "0"))
        self._path = path
        self.last: Event | None = None
        if self._rank == 0:
            self._file = path.open("ab", buffering=0)
            self._drop_half_line()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._rank == 0:
            self._file.close()

    def write(self, kind: str, **values: Any) -> None:
        """Append one event; numbers that JSON cannot hold become null. Raises OSError on a full disk."""
        if set(values) != set(FIELDS[kind]):
            raise ValueError(f"a {kind} event has the fields {FIELDS[kind]}, not {tuple(values)}")
        if self._rank != 0:
            return
        seq = self.last["seq"] + 1 if self.last else 1
        event = {"seq": seq, "at": datetime.now(UTC).isoformat(), "kind": kind, **_storable(values)}
        self._append(json.dumps(event, allow_nan=False).encode() + b"\n")
        self.last = event

    def _append(self, line: bytes) -> None:
        end = os.fstat(self._file.fileno()).st_size
        if self._file.write(line) != len(line):
            self._file.truncate(end)
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(self._path))

    def _drop_half_line(self) -> None:
        """A runner killed while writing leaves half a line, which would swallow the next event: remove it."""
        end, going_on = 0, True
        while going_on:
            events, after = read_events(self._path, end, _READ)
            for event in events:
                self.remember(event)
            going_on, end = after > end, after
        self._file.truncate(end)

    def remember(self, event: Event) -> None:
        """Called with each event of earlier attempts, in order."""
        self.last = event


def read_events(path: Path, offset: int = 0, most: int = -1) -> tuple[list[Event], int]:
    """The whole events after `offset` (bytes), and the offset to go on from; read at most `most` bytes.

    A file that is not there yet has no events; a last line still being written is left for the next call; a
    damaged line is left out, which the gap in `seq` shows.
    """
    try:
        with path.open("rb") as file:
            file.seek(offset)
            data = file.read(most)
    except FileNotFoundError:
        return [], offset
    end = data.rfind(b"\n") + 1
    if end == 0 and len(data) == most:
        return read_events(path, offset, 2 * most)  # one line longer than that
    events = [_parse(line) for line in data[:end].split(b"\n")[:-1]]
    return [event for event in events if event is not None], offset + end


def _parse(line: bytes) -> Event | None:
    try:
        event = json.loads(line)
    except (ValueError, RecursionError):
        return None
    known = isinstance(event, dict) and isinstance(event.get("kind"), str) and event["kind"] in FIELDS
    return event if known else None


def _storable(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _storable(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_storable(each) for each in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
