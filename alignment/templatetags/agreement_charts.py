"""The agreement section's charts as SVG that is made here: no script, no style of their own.

Their numbers stand in a table beside them. A statistic is what reports hold: ``{"value", "low", "high", "n"}``, or
``{"value": None, "reason"}``.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from django import template

register = template.Library()

Json = Mapping[str, Any]
_LEFT, _TOP, _HEIGHT, _STEP = 34, 10, 150, 56  # units of a chart of points
_MOST_LABELS = 12
_LETTER = 7  # units that a letter of a label takes
_SQUARE = 240  # units of the reliability curve's sides


@register.inclusion_tag("alignment/ceiling_axis.html")
def ceiling_axis(people: Json, judge: Json, label: str) -> dict[str, Any]:
    """One judge's agreement with people, as a dot with whiskers, over the people's own, as a band with a line, from 0
    to 1: rows of them stand on one axis."""
    return {"people": _percent(people), "judge": _percent(judge), "label": label}


@register.inclusion_tag("alignment/points_chart.html")
def points_chart(points: Sequence[Json], label: str, changes: Sequence[str] = ()) -> dict[str, Any]:
    """Statistics from 0 to 1 side by side, each a dot with whiskers over its label: ``{"label", "statistic"}``.

    Before a point whose label is among ``changes`` stands a line.
    """
    every = max(1, -(-len(points) // _MOST_LABELS))
    longest = max((len(str(point["label"])) for point in points), default=0)
    step = max(_STEP, _LETTER * longest + 12) / every
    shown = [_point(point, place, step, every, changes) for place, point in enumerate(points)]
    width = round(_LEFT + step * max(len(points), 1) + 10)
    return {
        "label": label,
        "points": shown,
        "width": width,
        "height": _TOP + _HEIGHT + 26,
        "left": _LEFT,
        "bottom": _TOP + _HEIGHT,
        "ticks": [{"value": value, "y": _down(value)} for value in (0, 0.25, 0.5, 0.75, 1)],
    }


@register.inclusion_tag("alignment/reliability_chart.html")
def reliability_chart(bins: Sequence[Json], label: str) -> dict[str, Any]:
    """How often verdicts of like confidence are right; on the diagonal, confidence keeps its word."""
    points = [
        {
            "x": _across(each["confidence"]),
            "y": _up(each["right"]["value"]),
            "low": _up(each["right"]["low"]),
            "high": _up(each["right"]["high"]),
        }
        for each in bins
        if each["right"]["value"] is not None
    ]
    path = " ".join(f"{point['x']},{point['y']}" for point in points)
    ticks = [{"value": value, "x": _across(value), "y": _up(value)} for value in (0, 0.25, 0.5, 0.75, 1)]
    return {"points": points, "path": path, "ticks": ticks, "label": label}


@register.filter
def as_points(steps: Sequence[Json], names: str) -> list[dict[str, Any]]:
    """Entries as points of a chart: ``names`` is ``LABEL,STATISTIC`` or ``FROM-TO,STATISTIC``."""
    label, statistic = names.split(",")
    return [{"label": _label(step, label), "statistic": step[statistic]} for step in steps]


@register.filter
def each(rows: Sequence[Json], name: str) -> list[Any]:
    """What every row holds under ``name``."""
    return [row[name] for row in rows]


def _label(step: Json, name: str) -> str:
    ends = [step[part] for part in name.split("-")]
    return "–".join(_times(end) if isinstance(end, float) else str(end) for end in ends)


def _times(end: float) -> str:
    return f"{end:.1f}×" if end < 10 else f"{end:.0f}×"


def _point(point: Json, place: int, step: float, every: int, changes: Sequence[str]) -> dict[str, Any]:
    statistic = point["statistic"]
    ends = {name: _down(statistic.get(name)) for name in ("value", "low", "high")}
    named = place % every == 0
    x = round(_LEFT + step * (place + 0.5), 1)
    return {
        **ends,
        "x": x,
        "label": point["label"] if named else "",
        "change": round(x - step / 2, 1) if point["label"] in changes else None,
    }


def _down(value: float | None) -> float | None:
    return None if value is None else round(_TOP + _HEIGHT * (1 - min(1.0, max(0.0, value))), 1)


def _across(value: float) -> float:
    return round(30 + (_SQUARE - 40) * value, 1)


def _up(value: float | None) -> float | None:
    return None if value is None else round(10 + (_SQUARE - 40) * (1 - value), 1)


def _percent(statistic: Json) -> dict[str, float | None]:
    ends = {name: statistic.get(name) for name in ("value", "low", "high")}
    shares = {
        name: None if end is None else round(100 * min(1.0, max(0.0, end)), 2) for name, end in ends.items()
    }
    low, high = shares["low"], shares["high"]
    return shares | {"width": None if low is None or high is None else round(high - low, 2)}
