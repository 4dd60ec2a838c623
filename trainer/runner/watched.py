"""The event writer of a run that watches itself: each event passes the alarms, and their word goes into the log."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from trainer.alarms import ALARMS, Watch
from trainer.budget import cap_seconds, seconds_used
from trainer.events import Event, EventWriter
from trainer.runner.stopping import StopWatch
from trainer.spec import RunSpec


class WatchedEvents(EventWriter):
    """Raises each alarm once a run, over all its attempts; a resumed run remembers what it saw before."""

    def __init__(self, path: Path, stop: StopWatch) -> None:
        self._stop = stop
        self._stop_on: tuple[str, ...] = ()
        self._watch = Watch()
        self._used = 0.0
        self._cap: float | None = None
        super().__init__(path)

    def remember(self, event: Event) -> None:
        self._used += seconds_used([event] if self.last is None else [self.last, event])
        self._watch.remember(event)
        super().remember(event)

    def obey(self, spec: RunSpec) -> None:
        """From here on the spec says on which alarms, and at which cap, the run stops."""
        self._stop_on = spec.stop_on
        self._cap = cap_seconds(spec.budget)

    def write(self, kind: str, **values: Any) -> None:
        super().write(kind, **values)
        if kind == "started" and self._cap is not None:
            self._stop.allow(self._cap - self._used)
        if self.last is None or self._rank != 0:
            return
        for raised in self._watch.feed(self.last):
            super().write("alarm", step=raised.step, alarm=raised.alarm, evidence=raised.evidence)
            if raised.alarm in self._stop_on:
                self._stop.ask(f"alarm: {ALARMS[raised.alarm].title}. {raised.evidence}")
