"""Plots drawn here as SVG: lines with their intervals, over two labelled axes. Every number stands in a table too."""

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from django import template

from trainer.costs import Cost
from trainer.trials import Trial

register = template.Library()

WIDTH, HEIGHT = 480, 240
LEFT, RIGHT, TOP, BOTTOM = 52, 12, 12, 40
HEAD, BASE, MARGIN, STEP = 36, 260, 76, 160  # of parallel coordinates
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


class Scale(NamedTuple):
    """One vertical axis of parallel coordinates: a number from low to high, or one of ``choices``."""

    name: str
    low: float = 0.0
    high: float = 1.0
    log: bool = False
    choices: tuple[str, ...] = ()

    def at(self, value: Any) -> float | None:
        """How high a value lies, in pixels; None for what is none of this axis."""
        if self.choices:
            places = [place for place, name in enumerate(self.choices) if name == str(value)]
            share = _share(places[0], 0, len(self.choices) - 1) if places else None
        elif not isinstance(value, int | float) or (self.log and value <= 0):
            share = None
        else:
            scaled = math.log if self.log else float
            share = _share(scaled(value), scaled(self.low), scaled(self.high))
        return None if share is None else round(BASE - share * (BASE - HEAD), 1)

    def ticks(self) -> list[dict[str, Any]]:
        """At the choices, or at the ends and the middle."""
        if self.choices:
            return [{"at": self.at(name), "name": name} for name in self.choices]
        middle = math.sqrt(self.low * self.high) if self.log else (self.low + self.high) / 2
        marks = dict.fromkeys((self.low, middle, self.high))
        return [{"at": self.at(mark), "name": f"{mark:.3g}"} for mark in marks]


@register.inclusion_tag("trainer/parallel.html")
def parallel(search: Mapping[str, Any], trials: Sequence[Trial]) -> dict[str, Any]:
    """Parallel coordinates of a search: an axis a searched parameter and one for the value, a line a trial.

    ``trials`` come with the best first; those without a value have no line. The best is drawn last.
    """
    known = [(trial, trial.value) for trial in trials if trial.value is not None]
    if not known:
        return {"known": False}
    values = sorted((value for _, value in known), reverse=search["direction"] == "maximize")
    scales = [_scale(name, each) for name, each in search["ranges"].items()]
    scales.append(Scale(search["metric"], min(values), max(values)))
    lines = [
        {
            "path": _across(scales, [*(trial.parameters.get(scale.name) for scale in scales[:-1]), value]),
            "place": 1 + values.index(value) * 5 // len(values),
            "pruned": trial.state == "pruned",
            "best": index == 0 and trial.state == "complete",
            "name": f"{trial.number}: {value:.4g}",
        }
        for index, (trial, value) in enumerate(known)
    ]
    return {
        "known": True,
        "width": 2 * MARGIN + (len(scales) - 1) * STEP,
        "height": BASE + 16,
        "top": HEAD,
        "bottom": BASE,
        "axes": [
            {"name": scale.name, "x": MARGIN + place * STEP, "ticks": scale.ticks()}
            for place, scale in enumerate(scales)
        ],
        "lines": lines[::-1],
        "any_pruned": any(line["pruned"] for line in lines),
    }


def _across(scales: Sequence[Scale], values: Sequence[Any]) -> str:
    heights = [scale.at(value) for scale, value in zip(scales, values, strict=True)]
    points = [f"{MARGIN + place * STEP} {y}" for place, y in enumerate(heights) if y is not None]
    return f"M{' L'.join(points)}"


def _scale(name: str, wanted: Mapping[str, Any]) -> Scale:
    if "choices" in wanted:
        return Scale(name, choices=tuple(map(str, wanted["choices"])))
    return Scale(name, wanted["low"], wanted["high"], wanted["log"])


def _share(value: float, low: float, high: float) -> float:
    """Where it lies between the two, in the middle where they are one; what lies outside is at the nearer end."""
    return min(1.0, max(0.0, (value - low) / (high - low))) if high > low else 0.5


@register.simple_tag
def dollars_of(cost: Cost, per_hour: float | None) -> str:
    """What a version's training cost, at so much an hour or at its launchers' prices."""
    dollars = cost.training_at(per_hour)
    return "–" if dollars is None else f"{dollars:.2f}"
