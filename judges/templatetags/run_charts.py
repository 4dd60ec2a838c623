"""A run's course, drawn here: calls and dollars by time, every number in words beside the lines."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from django import template

from judges.course import Moment

register = template.Library()
WIDTH, HEIGHT = 600, 160


@register.inclusion_tag("judges/run_chart.html")
def run_chart(course: Sequence[Moment]) -> dict[str, Any]:
    """Two lines over the same time, each as high as its last value."""
    if len(course) < 2 or course[0].at == course[-1].at:
        return {"known": False}
    first, last = course[0], course[-1]
    return {
        "known": True,
        "width": WIDTH,
        "height": HEIGHT,
        "calls": _path(course, [float(moment.calls) for moment in course]),
        "cost": _path(course, [float(moment.cost) for moment in course]) if last.cost else "",
        "first": first.at,
        "last": last.at,
        "end": last,
    }


def _path(course: Sequence[Moment], values: Sequence[float]) -> str:
    """A line from moment to moment."""
    start, span = course[0].at, _seconds(course[0].at, course[-1].at) or 1.0
    top = max(values) or 1.0
    points = [
        (WIDTH * _seconds(start, moment.at) / span, HEIGHT - (HEIGHT - 4) * value / top)
        for moment, value in zip(course, values, strict=True)
    ]
    return "M" + " L".join(f"{x:.1f} {y:.1f}" for x, y in points)


def _seconds(start: datetime, end: datetime) -> float:
    return (end - start).total_seconds()
