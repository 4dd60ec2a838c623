"""One run on several cards of a machine: a process for each card, `python -m trainer.runner.ranks CARDS SPEC.json`.

In place of torchrun, which gives status 1 for every end, and 30 seconds after the first process has ended kills those
that are still writing a checkpoint. Here SIGTERM and the death of whoever started it are handed on to all, which stop
after the same step; the exit status is the first rank's, or that of a rank that failed. Over several machines each
runs this with NNODES, MASTER_ADDR and MASTER_PORT set, and NODE_RANK or Slurm's SLURM_NODEID. No torch here.
"""

from __future__ import annotations

import json
import math
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from types import FrameType

from trainer.methods import TRAINING_METHODS
from trainer.runner.execution import BUSY, CANCELLED, FAILED, FINISHED, STOPPED_ITSELF

ORDERLY = (FINISHED, CANCELLED, STOPPED_ITSELF)
# Seconds that the others have: they may wait for ever for one that has failed or left.
GRACE = 30.0
AFTER_THE_FIRST = 5.0  # it alone writes
CARDS = "CONCORD_CARDS"  # tells a search, which is one process, how many cards each of its trials has
_POLL = 0.05

Rank = subprocess.Popen[bytes]


class Wish:
    """To stop: a signal was received, or who started this has died."""

    def __init__(self) -> None:
        self._parent, self._signalled = os.getppid(), False
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._note)

    def __bool__(self) -> bool:
        return self._signalled or os.getppid() != self._parent

    def _note(self, _number: int, _frame: FrameType | None) -> None:
        self._signalled = True


def main(arguments: list[str]) -> int:
    if len(arguments) != 2 or not arguments[0].isdecimal() or int(arguments[0]) < 1:
        sys.stderr.write("Usage: python -m trainer.runner.ranks CARDS SPEC.json\n")
        return FAILED
    wish = Wish()
    nodes = int(os.environ.get("NNODES", "1"))
    node = int(os.environ.get("NODE_RANK") or os.environ.get("SLURM_NODEID") or 0) if nodes > 1 else 0
    cards = int(arguments[0])
    os.environ[CARDS] = str(cards)
    if not _spreads(Path(arguments[1])):
        if node > 0:
            return FINISHED
        cards = nodes = 1
    ranks = start(cards, arguments[1], node, nodes)
    follow(ranks, wish)
    return status_of([rank.returncode for rank in ranks], node)


def _spreads(spec: Path) -> bool:
    """Whether it works on more than one card: methods that only answer would each write the same file, and of a
    search it is the trials that do."""
    try:
        read = json.loads(spec.read_text())
        return read["method"] in TRAINING_METHODS and not read.get("search")
    except (OSError, ValueError, LookupError, TypeError):
        return False  # the runner says what is wrong with it


def start(cards: int, spec: str, node: int, nodes: int) -> list[Rank]:
    """A process for each card of this machine, as torch.distributed finds them by the environment."""
    shared = {
        "WORLD_SIZE": str(cards * nodes),
        "LOCAL_WORLD_SIZE": str(cards),
        "MASTER_ADDR": os.environ.get("MASTER_ADDR", "127.0.0.1"),
        "MASTER_PORT": os.environ.get("MASTER_PORT") or str(_free_port()),
    }
    return [
        subprocess.Popen(
            [sys.executable, "-m", "trainer.runner", spec],
            env=os.environ | shared | {"RANK": str(node * cards + local), "LOCAL_RANK": str(local)},
            close_fds=False,  # the slot's lock is held for as long as any of them lives
        )
        for local in range(cards)
    ]


def follow(ranks: list[Rank], wish: Wish) -> None:
    """Until all have ended. The first is waited for, whatever it still writes, unless another has failed."""
    told = False
    kill_at = math.inf
    while any(rank.poll() is None for rank in ranks):
        if wish and not told:
            told = True
            for rank in ranks:
                rank.terminate()
        kill_at = min(kill_at, time.monotonic() + _patience([rank.returncode for rank in ranks]))
        if time.monotonic() >= kill_at:
            for rank in ranks:
                rank.kill()
        time.sleep(_POLL)


def _patience(codes: list[int | None]) -> float:
    """The seconds that the others have left, by how those have ended that have."""
    if codes[0] == BUSY:
        return 0.0
    if codes[0] is not None:
        return AFTER_THE_FIRST
    return GRACE if any(code not in (None, *ORDERLY) for code in codes) else math.inf


def status_of(codes: list[int], node: int) -> int:
    """The first rank's, which says how the run has ended; where it failed, that of one that was not killed."""
    failed = [code for code in codes if code not in (*ORDERLY, -signal.SIGKILL)]
    if codes[0] in ORDERLY:
        # The first machine says it; srun gives the largest of all.
        return codes[0] if node == 0 else FINISHED
    code = (failed or codes)[0]
    return code if code >= 0 else 128 - code


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
