"""A run's curves, small however long the run is: the least and the greatest value of each bucket of steps.

A bucket holds `width` steps; when a line outgrows MOST_POINTS the width doubles and neighbours merge, so a
million points cost no more to keep, to send and to draw than six hundred, and no spike is lost. Pure.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any

MOST_POINTS = 600  # of one line: two a bucket, and more buckets than a chart has room for

Point = tuple[int, float | None]  # step, value; None where the value was no number


@dataclass
class Curves:
    """`lines` are in the order of steps. `cuts` counts the resumes that took steps back."""

    width: int = 1
    cuts: int = 0
    lines: dict[str, list[Point]] = field(default_factory=dict)
    last: dict[str, Point] = field(default_factory=dict)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Curves:
        """Read what `to_json` wrote; an empty object has no line."""
        lines = {
            name: [(step, value) for step, value in line] for name, line in data.get("lines", {}).items()
        }
        last = {name: (step, value) for name, (step, value) in data.get("last", {}).items()}
        return cls(data.get("width", 1), data.get("cuts", 0), lines, last)

    def to_json(self) -> dict[str, Any]:
        return {"width": self.width, "cuts": self.cuts, "lines": self.lines, "last": self.last}

    def add(self, step: int, values: Mapping[str, float | None]) -> None:
        """The values of one step, in place of those that a line has from this step on."""
        for name, value in values.items():
            line = self.lines.setdefault(name, [])
            while line and line[-1][0] >= step:
                line.pop()
            bucket = [(step, value)]
            while line and line[-1][0] // self.width == step // self.width:
                bucket.insert(0, line.pop())
            line += _extremes(bucket)
            self.last[name] = (step, value)
        while any(len(line) > MOST_POINTS for line in self.lines.values()):
            self._double()

    def cut(self, step: int) -> None:
        """A resumed run repeats what came after this step: forget it."""
        self.cuts += 1
        for name, line in self.lines.items():
            self.lines[name] = [point for point in line if point[0] <= step]
        self.lines = {name: line for name, line in self.lines.items() if line}
        self.last = {name: line[-1] for name, line in self.lines.items()}

    def since(self, step: int) -> dict[str, list[Point]]:
        """The points of the bucket that holds the step, and all later ones; each line ends with its newest."""
        start = step // self.width * self.width
        return {name: [point for point in self._with_last(name) if point[0] >= start] for name in self.lines}

    def _with_last(self, name: str) -> list[Point]:
        line, last = self.lines[name], self.last[name]
        return line if line[-1] == last else [*line, last]

    def _double(self) -> None:
        self.width *= 2
        for name, line in self.lines.items():
            buckets = groupby(line, key=lambda point: point[0] // self.width)
            self.lines[name] = [point for _, bucket in buckets for point in _extremes(list(bucket))]


def _extremes(bucket: list[Point]) -> list[Point]:
    """The least and the greatest of a bucket, in the order of steps; what is no number only where all is none."""
    numbers = [(value, step) for step, value in bucket if value is not None]
    if not numbers:
        return bucket[-1:]
    return sorted({(step, value) for value, step in (min(numbers), max(numbers))})
