"""Between a run and the machine that runs it: a spec file in, a handle out. One a kind of machine."""

from pathlib import Path
from typing import Protocol


class Handle(Protocol):
    """A started runner."""

    def poll(self) -> int | None:
        """Its exit status, negative for the signal that killed it; None while it runs."""

    def cancel(self) -> None:
        """Ask it to save a checkpoint and stop; nothing where it has ended."""


class Launcher(Protocol):
    """Starts ``python -m trainer.runner SPEC.json``, which writes everything beside the spec file."""

    def start(self, spec_path: Path) -> Handle: ...
