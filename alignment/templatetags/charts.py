"""Figures by week as bars, drawn here: no script, no style of their own, and every number in words beside them."""

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from typing import Any

from django import template

register = template.Library()

SPARK_WEEKS = 26
CHART_WEEKS = 104
_BAR = 8  # of 10 units a week

Week = Mapping[str, Any]


@register.inclusion_tag("alignment/spark.html")
def spark(weeks: Sequence[Week], name: str) -> dict[str, Any]:
    """The last half year of one figure, as high as its highest week."""
    values = _every_week(weeks, name)[-SPARK_WEEKS:]
    highest = max((value for _monday, value in values if value is not None), default=0)
    return {
        "path": _bars(values, highest, 20),
        "width": 10 * max(1, len(values)),
        "highest": highest,
        "weeks": len(values),
    }


@register.inclusion_tag("alignment/week_chart.html")
def week_chart(weeks: Sequence[Week], name: str, title: str, top: float | None = None) -> dict[str, Any]:
    """One figure by week, up to two years; its axis ends at ``top``, or at the highest week."""
    values = _every_week(weeks, name)[-CHART_WEEKS:]
    known = [value for _monday, value in values if value is not None]
    highest = max(known, default=0)
    return {
        "title": title,
        "known": bool(known),
        "path": _bars(values, top or highest, 60),
        "width": 10 * max(1, len(values)),
        "highest": highest,
        "lowest": min(known, default=0),
        "first": values[0][0] if values else None,
        "last": values[-1][0] if values else None,
    }


def _every_week(weeks: Sequence[Week], name: str) -> list[tuple[date, float | None]]:
    """The figure of each week from the first to the last, None where there is none."""
    if not weeks:
        return []
    known = {date.fromisoformat(week["week"]): week.get(name) for week in weeks}
    first, last = min(known), max(known)
    span = (last - first).days // 7 + 1
    return [(monday, known.get(monday)) for monday in (first + timedelta(weeks=n) for n in range(span))]


def _bars(values: Sequence[tuple[date, float | None]], top: float, height: int) -> str:
    """A path with a bar for each week that has a figure; none is thinner than a line."""
    parts = []
    for place, (_monday, value) in enumerate(values):
        if value is not None and top > 0:
            bar = max(1.0, min(1.0, value / top) * height)
            parts.append(f"M{10 * place + 1} {height}v-{bar:.2f}h{_BAR}v{bar:.2f}z")
    return "".join(parts)
