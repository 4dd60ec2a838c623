"""Runs the runner as a job of a Slurm cluster whose commands are on this machine: sbatch, squeue, sacct, scancel."""

import shlex
import subprocess
from dataclasses import dataclass
from pathlib import Path
from string import Template

from django.utils.translation import gettext as _

from feedback.errors import Refused
from trainer.launchers import far
from trainer.launchers.launcher import Handle, LauncherAway
from trainer.launchers.local import harmless_environment
from trainer.launchers.settings import LauncherSettings

TEMPLATE = Path(__file__).parent / "templates" / "slurm.sh"
SECONDS = 60.0
ENDED_WELL = "COMPLETED"
ENDED_BADLY = ("FAILED", "OUT_OF_MEMORY", "NODE_FAIL", "BOOT_FAIL", "DEADLINE")
STOPPED = {"CANCELLED", "TIMEOUT", "PREEMPTED"}
STOPPED_STATUS = 143
# How Slurm's commands put it.
NO_ACCOUNTING = "accounting storage is disabled"
NO_SUCH_JOB = "Invalid job id specified"


@dataclass(frozen=True)
class SlurmLauncher:
    settings: LauncherSettings
    outlives = True

    def start(self, spec_path: Path) -> Handle:
        """Take up the job that this folder has in the queue, or submit one."""
        note = far.remembered(spec_path)
        if note and SlurmJob(spec_path, note["id"]).poll() is None:
            return SlurmJob(spec_path, note["id"])
        far.forget_stop(spec_path)
        script = spec_path.parent / "slurm.sh"
        script.write_text(self.render(spec_path))
        # A job is given sbatch's whole environment where nothing is said, the server's secrets with it.
        handed_on = ",".join({**harmless_environment(), **self.settings.passed_on})
        said = _said("sbatch", "--parsable", f"--export={handed_on}", str(script))
        number = said.split(";")[0].strip()
        if not number.isdecimal():
            raise Refused(_("sbatch gave no number of a job: %(said)s") % {"said": number}, field="launcher")
        far.remember(spec_path, id=number)
        return SlurmJob(spec_path, number)

    def render(self, spec_path: Path) -> str:
        """The batch script. Raises Refused for a template with a placeholder that is not filled."""
        settings = self.settings
        path = Path(settings.template) if settings.template else TEMPLATE
        known = {
            "name": f"concord-{spec_path.parent.name}",
            "log": shlex.quote(str(spec_path.parent / "runner.log")),
            "nodes": settings.nodes,
            "cards": settings.cards,
            "partition": f"#SBATCH --partition={settings.partition}" if settings.partition else "",
            "root": shlex.quote(settings.root or "."),
            "python": shlex.quote(settings.python),
            "spec": shlex.quote(str(spec_path)),
        }
        try:
            return Template(path.read_text()).substitute(known)
        except (KeyError, ValueError, OSError) as error:
            raise Refused(
                _("The template %(path)s can not be filled (%(error)s).") % {"path": path, "error": error},
                field="launcher",
            ) from error


@dataclass(frozen=True)
class SlurmJob:
    spec_path: Path
    number: str

    def poll(self) -> int | None:
        """By the accounting where it knows the job, or by the queue, which forgets what has ended."""
        line = _said(
            "sacct", "-j", self.number, "-X", "-n", "-P", "-o", "State,ExitCode", fine=NO_ACCOUNTING
        ).strip()
        state, _bar, code = line.splitlines()[-1].partition("|") if line else ("", "", "")
        if not state:
            queued = _said("squeue", "-h", "-j", self.number, "-o", "%T", fine=NO_SUCH_JOB).strip()
            return None if queued else (0 if far.ended_well(self.spec_path) else far.LOST)
        word = state.split()[0].rstrip("+")  # "CANCELLED by 1000"
        if word == ENDED_WELL:
            return 0
        if word in STOPPED:
            return STOPPED_STATUS
        return _status(code) if word in ENDED_BADLY else None

    def cancel(self) -> None:
        """One that waits is taken back; one that runs saves a checkpoint: only the runner is told."""
        far.ask_to_stop(self.spec_path)
        _said("scancel", "--state=PENDING", self.number, fine=NO_SUCH_JOB)

    def kill(self) -> None:
        _said("scancel", self.number, fine=NO_SUCH_JOB)


def _status(code: str) -> int:
    """sacct's "status:signal"."""
    status, _colon, number = code.partition(":")
    return -int(number) if number.isdecimal() and int(number) else int(status or 1) or 1


def _said(*words: str, fine: str | None = None) -> str:
    """What a command printed; nothing where it fails with the words ``fine``.

    Raises LauncherAway where it fails otherwise, since a controller that restarts comes back.
    """
    try:
        done = subprocess.run(words, capture_output=True, text=True, timeout=SECONDS, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise LauncherAway(
            f"{words[0]} can not be run here ({type(error).__name__}); it is tried again."
        ) from error
    if done.returncode and fine and fine in done.stderr:
        return ""
    if done.returncode:
        last = (done.stderr.strip().splitlines() or [f"status {done.returncode}"])[-1]
        raise LauncherAway(f"{words[0]} failed ({last}); it is tried again.")
    return done.stdout
