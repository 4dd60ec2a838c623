"""When a run has to stop early: a CANCEL file, SIGTERM, the death of who started it, an alarm, or its budget."""

from __future__ import annotations

import os
import signal
import time
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
        self._deadline: float | None = None
        self._own: str | None = None

    @property
    def by_itself(self) -> bool:
        """Whether an alarm or the budget stops the run, and nobody from outside."""
        return self._signal is None and self._own is not None

    def allow(self, seconds: float) -> None:
        """From now on for so long, the rest of the budget."""
        self._deadline = time.monotonic() + seconds

    def ask(self, reason: str) -> None:
        """The run itself has found a reason to stop."""
        self._own = self._own or reason

    def reason(self) -> str | None:
        """Why the run has to stop, or None."""
        if self._signal:
            return f"{self._signal} was received"
        if self._cancel_file.exists():
            return "a CANCEL file was found"
        if os.getppid() != self._parent:
            return "the process that started the run has died"
        if self._deadline is not None and time.monotonic() >= self._deadline:
            self.ask("its budget is spent")
        return self._own

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
