"""Runs the runner as a process of this machine: in a group of its own, without the server's secrets.

A slot is a lock file for each of its cards, whichever launcher it belongs to. The runner inherits the locked files, so
the slot is free again when the runner has ended, however it ended, and not before: two runs never share a card by
accident, whoever of this side dies. A slot that a launcher names twice is shared on purpose.
"""

import fcntl
import os
import signal
import subprocess
import sys
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from urllib.parse import quote

from django.conf import settings
from django.utils.translation import gettext_noop

from trainer.launchers.launcher import Handle, NoFreeSlot, runner_words
from trainer.launchers.settings import LauncherSettings

ROOT = Path(__file__).resolve().parents[2]
# What a runner is told of the server's environment. Everything else stays here: it may hold secrets.
PASSED_ON = frozenset(
    {
        "PATH",
        "HOME",
        "USER",
        "LANG",
        "TZ",
        "TMPDIR",
        "LD_LIBRARY_PATH",
        "HF_HOME",
        "HF_HUB_CACHE",
        "XDG_CACHE_HOME",
    }
)
PASSED_ON_PREFIXES = ("LC_", "CUDA_", "NVIDIA_", "NCCL_", "PYTORCH_", "TORCH_", "TRITON_")
CPU = "cpu"


@dataclass(frozen=True)
class LocalLauncher:
    settings: LauncherSettings
    outlives = False  # the runner saves a checkpoint and stops when its parent dies

    def start(self, spec_path: Path) -> Handle:
        """Start a runner; what it prints before it has its own log open goes to runner.log as well."""
        slot, locks = _free_slot(self.settings.slots or own_slots())
        try:
            with (spec_path.parent / "runner.log").open("ab") as log:
                process = subprocess.Popen(
                    runner_words(sys.executable, len(_cards(slot)), spec_path),
                    cwd=ROOT,
                    env=_environment(slot) | self.settings.passed_on,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    start_new_session=True,
                    pass_fds=locks,
                )
        finally:
            _close(locks)  # the runner's own copies keep the slot
        return _Process(process)


@dataclass(frozen=True)
class _Process:
    process: subprocess.Popen[bytes]

    def poll(self) -> int | None:
        return self.process.poll()

    def cancel(self) -> None:
        self._signal(signal.SIGTERM)

    def kill(self) -> None:
        self._signal(signal.SIGKILL)

    def _signal(self, number: signal.Signals) -> None:
        if self.process.poll() is None:
            with suppress(ProcessLookupError):
                os.killpg(self.process.pid, number)


def own_slots() -> tuple[str, ...]:
    """One run a card, by NVIDIA's driver; without a card one run at a time."""
    return tuple(str(number) for number in range(len(cards_gib()))) or (CPU,)


@cache
def cards_gib() -> tuple[float, ...]:
    """The memory of each card of this machine in GiB; none without NVIDIA's driver."""
    asked = ["nvidia-smi", "--query-gpu=memory.total", "--format=csv,noheader,nounits"]
    try:
        said = subprocess.run(asked, capture_output=True, text=True, timeout=10, check=True).stdout
        return tuple(float(line) / 1024 for line in said.splitlines() if line.strip())
    except (OSError, subprocess.SubprocessError, ValueError):
        return ()


def _free_slot(slots: tuple[str, ...]) -> tuple[str, tuple[int, ...]]:
    """A slot that nobody holds, with the descriptors of its locked files. Raises NoFreeSlot."""
    for number, slot in enumerate(slots):
        locks = _locked(_cards(slot), slots[:number].count(slot))
        if locks:
            return slot, locks
    raise NoFreeSlot(gettext_noop("It waits for a free place: other runs hold every card."))


def _locked(cards: list[str], place: int) -> tuple[int, ...]:
    """The locked files of all these cards, or none of them; ``place`` counts the equal slots of a launcher."""
    folder = Path(settings.VAR) / "slots"
    folder.mkdir(parents=True, exist_ok=True)
    locks: list[int] = []
    for card in cards:
        path = folder / f"{quote(card, safe='')}-{place}.lock"
        locks.append(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
        try:
            fcntl.flock(locks[-1], fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            _close(locks)
            return ()
    return tuple(locks)


def _close(locks: Iterable[int]) -> None:
    for lock in locks:
        os.close(lock)


def _cards(slot: str) -> list[str]:
    """The cards of a slot, "cpu" being one; in one order, so that a card is named alike everywhere."""
    return sorted({card.strip() for card in slot.split(",")})


def _environment(slot: str) -> dict[str, str]:
    shown = "" if slot == CPU else slot
    fixed = {"HF_HUB_OFFLINE": "1", "HF_HUB_DISABLE_TELEMETRY": "1", "TRL_EXPERIMENTAL_SILENCE": "1"}
    return {**harmless_environment(), **fixed, "CUDA_VISIBLE_DEVICES": shown}


def harmless_environment() -> dict[str, str]:
    """What of the server's environment is no secret."""
    return {
        name: value
        for name, value in os.environ.items()
        if name in PASSED_ON or name.startswith(PASSED_ON_PREFIXES)
    }
