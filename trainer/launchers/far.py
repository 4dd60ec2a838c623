"""What launchers of other machines share: a note of what was started, in its folder, and the wish to stop.

Those machines see the run's folder under the same path. A stop is asked for with a CANCEL file, which the runner
heeds after its step wherever it is; the machine's own way to stop comes after that, since most kill within seconds.
"""

import json
from pathlib import Path
from typing import Any

from trainer.events import read_events

LOST = 74  # EX_IOERR: the machine no longer knows of what it was given


def remember(spec_path: Path, **note: Any) -> None:
    """Keep what is needed to find again what was started, whole or not at all."""
    part = spec_path.parent / "launched.part"
    part.write_text(json.dumps(note))
    part.replace(spec_path.parent / "launched.json")


def remembered(spec_path: Path) -> dict[str, Any]:
    """What was noted last; nothing where nothing was."""
    try:
        note: dict[str, Any] = json.loads((spec_path.parent / "launched.json").read_text())
    except (FileNotFoundError, ValueError):
        return {}
    return note


def ask_to_stop(spec_path: Path) -> None:
    """The runner saves a checkpoint after its step and removes the file again."""
    (spec_path.parent / "CANCEL").touch()


def forget_stop(spec_path: Path) -> None:
    """A new start is not to find the wish of an old one."""
    (spec_path.parent / "CANCEL").unlink(missing_ok=True)


def ended_well(spec_path: Path) -> bool:
    """Whether the runner's own log ends with its result, whatever its machine says."""
    events, _ = read_events(spec_path.parent / "events.jsonl")
    return bool(events) and events[-1]["kind"] == "finished"


def append_log(spec_path: Path, text: str) -> None:
    """What the machine itself has to say of a start, beside what the runner printed."""
    with (spec_path.parent / "runner.log").open("a") as log:
        log.write(text.rstrip("\n") + "\n")
