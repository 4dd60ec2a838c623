"""How strong the walls are on this machine: found out by trying, never assumed.

``namespaces``: bubblewrap gives the program namespaces of its own: no network at all, no process but its own, a
file system of the interpreter (read-only) and an empty /tmp of limited size. Within it the program locks itself
down as well (see ``programs.lockdown``).

``filters``: without bubblewrap, or where the system forbids namespaces, the lockdown alone: no socket, no new
process, no signal to others, no file but the interpreter's, nothing written. Both Landlock and seccomp must stand.

``limits``: the rest, such as an old kernel: time, memory and output are bounded, but the network and the files
of the user who runs it are open. Code runs there only where ``CONCORD_UNISOLATED_CODE=yes`` says so.
"""

import os
import shutil
import sys
import sysconfig
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from judges.core.sandbox.limits import Limits, Ran
from judges.core.sandbox.process import run_process

PROGRAMS = Path(__file__).with_name("programs")
OWN_PACKAGES = frozenset({"feedback", "judges", "alignment", "trainer", "deploy"})
SETTING = "CONCORD_UNISOLATED_CODE"
SCRATCH = "/tmp"  # noqa: S108  a file system of its own, empty and gone with the process
# Nothing of the server's environment: it holds its secrets.
ENVIRONMENT = {
    "PATH": "/usr/bin",
    "HOME": SCRATCH,
    "LANG": "C.UTF-8",
    "MALLOC_ARENA_MAX": "1",
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
}


class NoSandbox(Exception):
    """This machine can not run foreign code safely; the message says what is missing and the way out."""


@dataclass(frozen=True)
class Sandbox:
    """One level. ``required``: the parts of the lockdown without which the program does not start its work."""

    level: str
    prefix: tuple[str, ...]
    required: tuple[str, ...]
    writable: tuple[str, ...] = ()

    def run(self, program: str, job: Mapping[str, Any], limits: Limits, *, cases: int = 1) -> Ran:
        """Run one of ``programs`` on a job in a process of its own, which is gone when this returns.

        Blocks for as long as it takes; ``cases`` of the job may take ``limits.seconds`` each.
        """
        whole = {
            **job,
            "seconds": limits.seconds,
            "cpu_seconds": int(limits.start_seconds + cases * limits.seconds) + 1,
            "memory_bytes": limits.memory_bytes,
            "file_bytes": limits.file_bytes,
            "readable": readable_paths(),
            "writable": [*self.writable, "/dev/null"],
            "path": [_site_packages()],
            "folder": SCRATCH if self.writable else "/",
            "required": self.required,
        }
        command = [*self.prefix, _interpreter(), "-I", "-S", "-B", "-c", _script(program)]
        return run_process(command, whole, limits, ENVIRONMENT, cases)


def sandbox() -> Sandbox:
    """The strongest level that works here. Raises NoSandbox where only ``limits`` would, and nobody allowed it."""
    found = strongest()
    if found.level == "limits" and os.environ.get(SETTING, "").lower() != "yes":
        raise NoSandbox(
            "This machine can not keep code from the network and from files: bubblewrap does not work here, and "
            f"the kernel lacks Landlock or seccomp. Install bubblewrap, or set {SETTING}=yes to run code anyway."
        )
    return found


@cache
def strongest() -> Sandbox:
    """Tried once a process."""
    for level in (namespaces(), filters()):
        if level is not None and works(level):
            return level
    return Sandbox("limits", prefix=(), required=())


def works(level: Sandbox) -> bool:
    """Does a program start at this level, with every part that the level needs?"""
    ran = level.run("functions", {"source": "grade = lambda s, i: 1", "cases": [[{}, {}]]}, Limits())
    return ran.answers[1:] == [{"case": 0, "reward": 1.0}]


def filters() -> Sandbox:
    return Sandbox("filters", prefix=(), required=("landlock", "seccomp"))


def namespaces() -> Sandbox | None:
    """None without bubblewrap. Everything is unshared; the root of the new file system is read-only as well."""
    bwrap = shutil.which("bwrap")
    if bwrap is None:
        return None
    command = [bwrap, "--unshare-all", "--unshare-user", "--disable-userns", "--die-with-parent"]
    command += [
        "--new-session",
        "--cap-drop",
        "ALL",
        "--uid",
        "65534",
        "--gid",
        "65534",
        "--hostname",
        "sandbox",
    ]
    command += ["--proc", "/proc", "--dev", "/dev"]
    command += ["--size", str(Limits().file_bytes), "--tmpfs", SCRATCH]
    for path in mounted_paths():
        command += ["--ro-bind-try", path, path]
    command += ["--remount-ro", "/dev", "--remount-ro", "/", "--chdir", SCRATCH]
    return Sandbox("namespaces", tuple(command), required=(), writable=(SCRATCH,))


def mounted_paths() -> list[str]:
    """What the interpreter needs: itself, its packages and the system's libraries; no program but itself."""
    libraries = ["/lib", "/lib64", "/usr/lib", "/usr/lib64", "/etc/ld.so.cache"]
    return list(dict.fromkeys([*libraries, sys.base_prefix, _site_packages()]))


def readable_paths() -> list[str]:
    """The same, without our own packages where they are installed beside the others."""
    own: list[str] = []
    others: list[str] = []
    site = Path(_site_packages())
    for entry in sorted(site.iterdir()):
        (own if entry.name in OWN_PACKAGES else others).append(str(entry))
    packages = [f"{site}:list", *others] if own else [str(site)]
    devices = ["/dev/null", "/dev/urandom", "/dev/zero"]
    return [path for path in mounted_paths() if path != str(site)] + packages + devices


def _script(program: str) -> str:
    texts = [(PROGRAMS / f"{name}.py").read_text() for name in ("lockdown", program)]
    return "\n".join([*texts, "main(work)"])


def _interpreter() -> str:
    """Without the virtual environment around it, whose start-up files would run first."""
    return str(getattr(sys, "_base_executable", sys.executable))


def _site_packages() -> str:
    return str(Path(sysconfig.get_path("purelib")).resolve())
