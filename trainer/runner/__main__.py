"""The command the launchers start: `python -m trainer.runner SPEC.json`; see `trainer.runner.execution`."""

from __future__ import annotations

import sys
from pathlib import Path

from trainer.runner.execution import FAILED, execute


def main(arguments: list[str]) -> int:
    if len(arguments) != 1:
        sys.stderr.write("Usage: python -m trainer.runner SPEC.json\n")
        return FAILED
    return execute(Path(arguments[0]))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
