"""Between a run and the machine that runs it: a spec file in, a handle out. One a kind of machine."""

from pathlib import Path
from typing import Protocol


def runner_words(python: str, cards: int, spec_path: Path) -> list[str]:
    """The runner's command on one machine: a process for each of its cards."""
    if cards <= 1:
        return [python, "-m", "trainer.runner", str(spec_path)]
    return [python, "-m", "trainer.runner.ranks", str(cards), str(spec_path)]


class NoFreeSlot(Exception):
    """Every place of this machine is taken: the run waits its turn. Carries one sentence."""


class LauncherAway(Exception):
    """The machine that runs the run does not answer: nothing is known of it for now. Carries one sentence."""


class Handle(Protocol):
    """A started runner."""

    def poll(self) -> int | None:
        """Its exit status, negative for the signal that killed it; None while it runs. Raises LauncherAway."""

    def cancel(self) -> None:
        """Ask it to save a checkpoint and stop; nothing where it has ended."""

    def kill(self) -> None:
        """End it at once, for a runner that hangs."""


class Launcher(Protocol):
    """Runs ``python -m trainer.runner SPEC.json``, which writes everything beside the spec file.

    ``outlives`` says whether a runner goes on when this side dies; ``start`` then takes up one that still runs.
    """

    @property
    def outlives(self) -> bool: ...

    def start(self, spec_path: Path) -> Handle:
        """Raises NoFreeSlot, LauncherAway, or Refused where the machine declines the run for good."""
