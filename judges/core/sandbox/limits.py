"""What foreign code may use, and what came of running it."""

from dataclasses import dataclass
from typing import Any, NamedTuple

MIB = 2**20


@dataclass(frozen=True)
class Limits:
    """``seconds``: of wall time until the next answer, and of each case. ``start_seconds`` come before the first.

    Memory is the whole process's address space. ``file_bytes`` is all that may be written, where writing is
    allowed at all; ``output_bytes`` bounds answers and printed text each.
    """

    seconds: float = 10.0
    start_seconds: float = 30.0
    memory_bytes: int = 2048 * MIB
    file_bytes: int = 64 * MIB
    output_bytes: int = 4 * MIB


class Ran(NamedTuple):
    """``answers``: what the program said, in order. ``ended`` says in words why it did not end by itself, else "".

    ``printed``: the end of what the foreign code wrote to standard output and standard error.
    """

    answers: list[dict[str, Any]]
    ended: str
    printed: str
    seconds: float
