"""When a run has to stop early: a CANCEL file beside the spec, SIGTERM, or the death of who started it."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

_SIGNALS = (signal.SIGTERM, signal.SIGINT)


class Cancelled(Exception):
    """The run stops before its end; raised where its progress so far is safe on the disk."""

    def __init__(self, reason: str, step: int = 0, checkpoint: str | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.step = step
        self.checkpoint = checkpoint


class StopWatch:
    """Asked between steps; a signal only sets a mark, so a step or a checkpoint is never torn apart."""

    def __init__(self, folder: Path) -> None:
        self._cancel_file = folder / "CANCEL"
        self._parent = os.getppid()
        self._signal: str | None = None

    def reason(self) -> str | None:
        """Why the run has to stop, or None."""
        if self._signal:
            return f"{self._signal} was received"
        if self._cancel_file.exists():
            return "a CANCEL file was found"
        if os.getppid() != self._parent:
            return "the process that started the run has died"
        return None

    def check(self, step: int = 0, checkpoint: str | None = None) -> None:
        """Raise Cancelled when the run has to stop."""
        reason = self.reason()
        if reason:
            raise Cancelled(reason, step, checkpoint)

    def clear(self) -> None:
        """Remove an obeyed CANCEL file, so that starting again resumes."""
        self._cancel_file.unlink(missing_ok=True)

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Take over the signals for as long as the run lasts."""
        before = {number: signal.signal(number, self._note) for number in _SIGNALS}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _note(self, number: int, _frame: FrameType | None) -> None:
        self._signal = signal.Signals(number).name
