"""Which checkpoints of a run are whole: one is marked when everything in it has been written."""

from __future__ import annotations

import shutil
from pathlib import Path

_MARK = "complete"


def mark_complete(checkpoint: Path) -> None:
    """Called once the trainer has written its last file."""
    (checkpoint / _MARK).touch()


def last_complete(folder: Path) -> tuple[int, str | None]:
    """The step and the path of the newest whole checkpoint; step 0 and None where there is none."""
    whole = [path for path in _checkpoints(folder) if (path / _MARK).exists()]
    if not whole:
        return 0, None
    newest = max(whole, key=_step)
    return _step(newest), str(newest)


def remove_half_written(folder: Path) -> None:
    """Delete what a killed runner was writing, so that no trainer takes it for a checkpoint."""
    for path in _checkpoints(folder):
        if not (path / _MARK).exists():
            shutil.rmtree(path)


def remove_older(folder: Path, kept: tuple[int, ...]) -> None:
    """Delete checkpoints but those of the steps ``kept``, and one whole one beside them."""
    older = sorted((path for path in _checkpoints(folder) if _step(path) not in kept), key=_step)
    for path in older[:-1]:
        shutil.rmtree(path)


def _checkpoints(folder: Path) -> list[Path]:
    return [path for path in folder.glob("checkpoint-*") if path.name.removeprefix("checkpoint-").isdigit()]


def _step(checkpoint: Path) -> int:
    return int(checkpoint.name.removeprefix("checkpoint-"))
