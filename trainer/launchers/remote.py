"""A run on a machine that reaches this server and is not reached by it: a rented GPU, a notebook.

Somebody starts deploy/remote/run_remote.py there; it fetches the spec and the rows, and sends events and weights
back over the API (trainer/api/remote.py), which lays them into the run's folder as a runner here would.
"""

from dataclasses import dataclass
from pathlib import Path

from trainer.events import read_events
from trainer.launchers import far
from trainer.launchers.launcher import Handle
from trainer.launchers.settings import LauncherSettings

STATUS = {"finished": 0, "failed": 1, "cancelled": 143}


@dataclass(frozen=True)
class RemoteLauncher:
    settings: LauncherSettings
    outlives = True

    def start(self, spec_path: Path) -> Handle:
        """Wait for what the other machine sends from here on."""
        note = far.remembered(spec_path)
        offset = int(note.get("offset", 0))
        handle = RemoteRun(spec_path, offset)
        if not note or handle.poll() is not None:
            _, offset = read_events(spec_path.parent / "events.jsonl")
            far.remember(spec_path, offset=offset)
            far.forget_stop(spec_path)
        return RemoteRun(spec_path, offset)


@dataclass(frozen=True)
class RemoteRun:
    spec_path: Path
    offset: int

    def poll(self) -> int | None:
        """By the last event of this attempt; the weights come before the event that it has finished."""
        events, _ = read_events(self.spec_path.parent / "events.jsonl", self.offset)
        return STATUS.get(events[-1]["kind"]) if events else None

    def cancel(self) -> None:
        far.ask_to_stop(self.spec_path)

    def kill(self) -> None:
        far.ask_to_stop(self.spec_path)
