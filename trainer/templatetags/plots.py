"""Plots drawn here as SVG: lines with their intervals, over two labelled axes. Every number stands in a table too."""

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from django import template

from trainer.costs import Cost

register = template.Library()

WIDTH, HEIGHT = 480, 240
LEFT, RIGHT, TOP, BOTTOM = 52, 12, 12, 40
Point = tuple[float, Mapping[str, Any]]
"""x, and a statistic: value, low and high."""


class Axis(NamedTuple):
    low: float
    high: float
    start: float
    end: float

    def at(self, value: float) -> float:
        share = (value - self.low) / (self.high - self.low)
        return round(self.start + share * (self.end - self.start), 1)

    def ticks(self, values: Sequence[float] = ()) -> list[dict[str, Any]]:
        """At these values, or at round ones."""
        chosen = values or _round(self.low, self.high)
        return [{"at": self.at(value), "name": f"{value:.3g}"} for value in chosen]


@register.inclusion_tag("trainer/plot.html")
def plot(
    title: str,
    series: Sequence[tuple[str, Sequence[Point]]],
    x_name: str,
    y_name: str,
    y_range: str = "",
    diagonal: bool = False,
    lines: bool = True,
    mark: float | None = None,
) -> dict[str, Any]:
    """``series``: name and points each. ``y_range`` is "low high"; without it the values set it.

    ``diagonal`` draws where y is x, ``mark`` a line at one y; ``lines`` joins the points.
    """
    points = [(x, said) for _, line in series for x, said in line if said.get("value") is not None]
    if not points:
        return {"title": title, "known": False}
    xs = sorted({x for x, _ in points})
    values = [
        said[key] for _, said in points for key in ("low", "value", "high") if said.get(key) is not None
    ]
    low, high = map(float, y_range.split()) if y_range else _padded(values)
    across = Axis(*_padded(xs, 0.04), LEFT, WIDTH - RIGHT)
    if diagonal:
        across = Axis(low, high, LEFT, WIDTH - RIGHT)
    up = Axis(low, high, HEIGHT - BOTTOM, TOP)
    return {
        "title": title,
        "known": True,
        "x_name": x_name,
        "y_name": y_name,
        "width": WIDTH,
        "height": HEIGHT,
        "frame": (LEFT, TOP, WIDTH - RIGHT, HEIGHT - BOTTOM),
        "x_ticks": across.ticks(() if diagonal else _few(xs)),
        "y_ticks": up.ticks(),
        "diagonal": diagonal and (across.at(low), up.at(low), across.at(high), up.at(high)),
        "mark": None if mark is None or not low <= mark <= high else up.at(mark),
        "lines": [
            _line(index, name, line, across, up, joined=lines) for index, (name, line) in enumerate(series, 1)
        ],
    }


def _line(
    index: int, name: str, line: Sequence[Point], across: Axis, up: Axis, *, joined: bool
) -> dict[str, Any]:
    known = [(across.at(x), said) for x, said in line if said.get("value") is not None]
    dots = [
        {
            "x": x,
            "y": up.at(said["value"]),
            "low": None if said.get("low") is None else up.at(said["low"]),
            "high": None if said.get("high") is None else up.at(said["high"]),
            "name": said.get("name", ""),
        }
        for x, said in known
    ]
    path = "M" + " L".join(f"{dot['x']} {dot['y']}" for dot in dots) if joined and len(dots) > 1 else ""
    return {"name": name, "place": (index - 1) % 5 + 1, "path": path, "dots": dots}


def _padded(values: Sequence[float], share: float = 0.08) -> tuple[float, float]:
    """Their range with some room; what is never negative has no room below 0."""
    low, high = min(values), max(values)
    room = (high - low) * share or 0.5
    return (max(0.0, low - room) if low >= 0 else low - room), high + room


def _round(low: float, high: float) -> list[float]:
    """Four or so values in steps of 1, 2, 2.5 or 5 times a power of ten."""
    least = (high - low) / 5
    power = 10.0 ** math.floor(math.log10(least))
    step = next(power * factor for factor in (1, 2, 2.5, 5, 10) if power * factor >= least)
    first = math.ceil(low / step)
    return [round(place * step, 10) for place in range(first, math.floor(high / step + 1e-9) + 1)]


def _few(values: Sequence[float]) -> list[float]:
    """At most eight of them."""
    step = -(-len(values) // 8)
    return list(values[::step])


@register.simple_tag
def dollars_of(cost: Cost, per_hour: float | None) -> str:
    """What a version's training cost, at so much an hour or at its launchers' prices."""
    dollars = cost.training_at(per_hour)
    return "–" if dollars is None else f"{dollars:.2f}"
