"""A finding of the health report: what was looked for, how grave it is, its numbers, and the rows behind it."""

from dataclasses import dataclass, field
from typing import Any, NamedTuple

OK, NOTE, WARNING = LEVELS = ("ok", "note", "warning")
MOST_ROWS = 500  # that a finding names; the others are counted


class Pair(NamedTuple):
    """One row on its way into a snapshot, with what it is examined by. ``comparison`` is its number in the store."""

    comparison: int
    split: str
    prompt: str
    prompt_text: str
    chosen: str
    rejected: str
    chosen_source: str
    tags: tuple[str, ...]
    confidence: float | None
    terms: frozenset[str]


@dataclass
class Finding:
    """``numbers`` are counts, shares and statistics as JSON; ``rows`` are (comparison, why), at most MOST_ROWS of
    ``count``."""

    kind: str
    level: str = OK
    numbers: dict[str, Any] = field(default_factory=dict)
    rows: list[tuple[int, str]] = field(default_factory=list)
    count: int = 0

    def add(self, comparison: int, why: str) -> None:
        self.count += 1
        if len(self.rows) < MOST_ROWS:
            self.rows.append((comparison, why))

    def as_json(self) -> dict[str, Any]:
        return {
            "kind": self.kind,
            "level": self.level,
            "numbers": self.numbers,
            "rows": [list(row) for row in self.rows],
            "count": self.count,
        }
