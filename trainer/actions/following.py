"""A runner under a lease: started, followed while it works, stopped when asked, and its end put into words.

The runner writes its own log beside the spec; this side only starts it, reads, and keeps the job's lease
alive. Whatever ends this process also ends the runner, which saves a checkpoint when its parent dies.
"""

import json
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

from django.utils import timezone
from django.utils.translation import gettext

from feedback.actions.jobs import JobCancelled, JobInterrupted, JobWaits, Lease
from feedback.errors import Refused
from trainer.launchers.far import LOST
from trainer.launchers.launcher import Handle, Launcher, LauncherAway, NoFreeSlot
from trainer.runner.checkpoints import last_complete
from trainer.runner.execution import BUSY, CANCELLED, FINISHED, STOPPED_ITSELF
from trainer.spec import RunSpec

HEARTBEAT_SECONDS = 1.0
POLL_SECONDS = 0.05
# A runner that was asked to stop finishes its step and writes a checkpoint; one that takes longer than this hangs.
HANGS_AFTER_SECONDS = 600.0
WAIT_FOR_A_SLOT = timedelta(seconds=5)
WAIT_FOR_A_MACHINE = timedelta(seconds=30)
# How long a resumed run waits for the runner of the attempt before it, which stops after the step it is in.
BUSY_SECONDS = 20.0


@dataclass
class Progress:
    """What the event log says so far. ``said`` is the sentence of the last failure or stop.

    ``stop`` is the evidence of a silence on which the run is to stop, found by who reads the log.
    """

    step: int = 0
    total: int | None = None
    said: str = ""
    stop: str = ""


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
        handle = start_runner(launcher, folder)
        asked = _follow(handle, launcher, lease, read)
        status = handle.poll()
        if status != BUSY or asked or time.monotonic() > deadline:
            break
        time.sleep(0.5)
    progress = read()
    lease.renew(done=progress.step, total=progress.total)
    if status != FINISHED:
        raise JobCancelled if asked else _why_it_ended(status, progress, folder)
    return _result(folder)


def _result(folder: Path) -> dict[str, Any]:
    """What the runner wrote, or a machine elsewhere sent; a number that is none becomes null."""
    try:
        return dict(json.loads((folder / "result.json").read_text(), parse_constant=lambda _: None))
    except (OSError, ValueError, TypeError, RecursionError) as error:
        raise Refused(
            gettext(
                "The runner has finished, and its result can not be read (%(error)s); send result.json again."
            )
            % {"error": error}
        ) from error


def start_runner(launcher: Launcher, folder: Path) -> Handle:
    """A runner at work. Without a free place, or where the machine is away, the job waits in the queue."""
    try:
        return launcher.start(folder / "spec.json")
    except NoFreeSlot as full:
        raise JobWaits(timezone.now() + WAIT_FOR_A_SLOT, str(full)) from full
    except LauncherAway as away:
        raise JobWaits(timezone.now() + WAIT_FOR_A_MACHINE, str(away)) from away


def _follow(handle: Handle, launcher: Launcher, lease: Lease, read: Callable[[], Progress]) -> bool:
    """Until the runner ends; whether a stop was passed on to it. A runner that hangs on the way out is killed.

    A machine that does not answer may come back, and the run with it: that is said, and asked again.
    """
    asked_at: float | None = None
    outdated = True  # what was said while it waited is true no more
    try:
        while True:
            try:
                if _ends_within(handle, HEARTBEAT_SECONDS):
                    break
                progress = read()
                wanted = lease.renew(progress.step, progress.total, "" if outdated else None) or progress.stop
                outdated = False
                asked_at = _stop(handle, asked_at) if wanted else asked_at
            except LauncherAway as silence:
                lease.renew(message=str(silence))
                outdated = True
                time.sleep(HEARTBEAT_SECONDS)
    finally:
        if not launcher.outlives:
            handle.cancel()
    return asked_at is not None and lease.renew()


def _stop(handle: Handle, asked_at: float | None) -> float:
    """Ask the runner to stop, once; end it where it has not for long. When it was asked."""
    if asked_at is None:
        handle.cancel()
        return time.monotonic()
    if time.monotonic() > asked_at + HANGS_AFTER_SECONDS:
        handle.kill()
    return asked_at


def _ends_within(handle: Handle, seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while handle.poll() is None:
        if time.monotonic() > deadline:
            return False
        time.sleep(POLL_SECONDS)
    return True


def _why_it_ended(status: int | None, progress: Progress, folder: Path) -> Exception:
    if progress.stop:
        return JobInterrupted(
            f"It was stopped{_where(progress)}, as it had stalled. {progress.stop} {_way_on(folder, 'I')}"
        )
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
            f"It stopped by itself{_where(progress)}: {progress.said.rstrip('.')}. {_way_on(folder, 'I')}"
        )
    if status == LOST:
        return JobInterrupted(
            f"The machine that ran it no longer knows of it{_where(progress)}; {_way_on(folder)}"
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


def _way_on(folder: Path, i: str = "i") -> str:
    """Where a resume goes on; ``i`` is the sentence's first letter."""
    step, checkpoint = last_complete(folder)
    if any(folder.glob("trial-*")):
        return "its trials are kept. Resume continues from there."
    if any(folder.glob("*.jsonl.part")):
        return "what it wrote is kept. Resume continues from there."
    if checkpoint is None:
        return f"{i}t had no checkpoint yet. Resume starts it again from the beginning."
    return f"{i}ts last checkpoint is step {step}. Resume continues from there."
