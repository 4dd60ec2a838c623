"""A runner under a lease: started, followed while it works, stopped when asked, and its end put into words.

The runner writes its own log beside the spec; this side only starts it, reads, and keeps the job's lease
alive. Whatever ends this process also ends the runner, which saves a checkpoint when its parent dies.
"""

import json
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from feedback.actions.jobs import JobCancelled, JobInterrupted, Lease
from feedback.errors import Refused
from trainer.launchers.launcher import Handle, Launcher
from trainer.runner.checkpoints import last_complete
from trainer.runner.execution import BUSY, CANCELLED, FINISHED, STOPPED_ITSELF
from trainer.spec import RunSpec

HEARTBEAT_SECONDS = 1.0
# How long a resumed run waits for the runner of the attempt before it, which stops after the step it is in.
BUSY_SECONDS = 20.0


@dataclass
class Progress:
    """What the event log says so far. ``said`` is the sentence of the last failure or stop."""

    step: int = 0
    total: int | None = None
    said: str = ""


def write_spec(folder: Path, spec: RunSpec) -> None:
    """Put spec.json into the folder, whole or not at all."""
    folder.mkdir(parents=True, exist_ok=True)
    part = folder / "spec.part"
    part.write_text(spec.to_json())
    part.replace(folder / "spec.json")


def carry_out_spec(
    *, folder: Path, launcher: Launcher, lease: Lease, read: Callable[[], Progress]
) -> dict[str, Any]:
    """Run the folder's spec.json to its end; returns its result. ``read`` is called about once a second.

    Raises JobCancelled once the runner has saved its checkpoint, JobInterrupted where something else stopped
    it, Refused with the runner's own sentence where it failed, JobLost where the lease is gone.
    """
    deadline = time.monotonic() + BUSY_SECONDS
    while True:
        handle = launcher.start(folder / "spec.json")
        asked = _follow(handle, lease, read)
        status = handle.poll()
        if status != BUSY or asked or time.monotonic() > deadline:
            break
        time.sleep(0.5)
    progress = read()
    lease.renew(done=progress.step, total=progress.total)
    if status != FINISHED:
        raise JobCancelled if asked else _why_it_ended(status, progress, folder)
    result: dict[str, Any] = json.loads((folder / "result.json").read_text())
    return result


def _follow(handle: Handle, lease: Lease, read: Callable[[], Progress]) -> bool:
    """Until the runner ends; whether a cancel was passed on to it."""
    asked = False
    try:
        while not _ends_within(handle, HEARTBEAT_SECONDS):
            progress = read()
            if lease.renew(done=progress.step, total=progress.total) and not asked:
                handle.cancel()
                asked = True
    finally:
        handle.cancel()
    return asked


def _ends_within(handle: Handle, seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while handle.poll() is None:
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


def _why_it_ended(status: int | None, progress: Progress, folder: Path) -> Exception:
    killed_by = _killing_signal(status)
    if killed_by is not None:
        return JobInterrupted(
            f"The runner was killed (signal {killed_by}){_where(progress)}; {_way_on(folder)}"
        )
    if status == CANCELLED:
        return JobInterrupted(
            f"The runner was stopped from outside{_where(progress)} ({progress.said}); {_way_on(folder)}"
        )
    if status == STOPPED_ITSELF:
        return JobInterrupted(
            f"It stopped by itself{_where(progress)}: {progress.said}. {_way_on(folder).capitalize()}"
        )
    if status == BUSY:
        return JobInterrupted(
            "The runner of an earlier attempt is still at work in this run's folder; it stops after the step "
            "it is in. Resume again in a minute."
        )
    return Refused(
        progress.said
        or f"The runner ended with status {status} and gave no reason; the end of its log may show one."
    )


def _killing_signal(status: int | None) -> int | None:
    if status is None or status == CANCELLED:
        return None
    if status < 0:
        return -status
    known = {int(number) for number in signal.Signals}
    return status - 128 if status - 128 in known else None


def _where(progress: Progress) -> str:
    if progress.total is None:
        return " before its first step"
    return f" at step {progress.step} of {progress.total}"


def _way_on(folder: Path) -> str:
    step, checkpoint = last_complete(folder)
    if any(folder.glob("*.jsonl.part")):
        return "what it wrote is kept. Resume continues from there."
    if checkpoint is None:
        return "it had no checkpoint yet. Resume starts it again from the beginning."
    return f"its last checkpoint is step {step}. Resume continues from there."
