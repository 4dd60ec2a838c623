"""What every room's pages share: the project's navigation, and numbers shown with their interval and n.

A statistic is what the rooms store and send: ``{"value", "low", "high", "n"}``, or ``{"value": None, "reason"}``.
"""

from collections.abc import Iterable, Mapping
from itertools import groupby
from typing import Any, NamedTuple

from django import template
from django.template import RequestContext
from django.urls import reverse
from django.utils.functional import Promise
from django.utils.translation import gettext, pgettext
from django.utils.translation import gettext_lazy as _

from feedback.models import Project
from feedback.permissions import Permission, grants
from feedback.templatetags.verdicts import words

register = template.Library()

# group, section, the page's name, what one must be allowed to do to see it
SECTIONS = (
    ("", _("Overview"), "loop", Permission.VIEW),
    ("", _("Annotate"), "feedback:annotate", Permission.ANNOTATE),
    ("", _("My work"), "feedback:own-work", Permission.ANNOTATE),
    ("", _("Guidelines"), "feedback:guidelines", Permission.VIEW),
    (_("Feedback"), _("Review"), "feedback:review", Permission.REVIEW),
    (_("Feedback"), _("Comparisons"), "feedback:comparisons", Permission.REVIEW),
    (_("Feedback"), _("Import"), "alignment:imports", Permission.ENGINEER),
    (_("Feedback"), _("Gold"), "feedback:gold", Permission.REVIEW),
    (_("Feedback"), _("Judges"), "judges:judges", Permission.REVIEW),
    (_("Alignment"), _("People"), "alignment:people", Permission.REVIEW),
    (_("Alignment"), _("Agreement"), "alignment:agreement", Permission.REVIEW),
    (_("Alignment"), _("Labels"), "alignment:labels", Permission.REVIEW),
    (_("Alignment"), _("Snapshots"), "alignment:snapshots", Permission.REVIEW),
    (_("Training"), _("Runs"), "trainer:runs", Permission.REVIEW),
    (_("Training"), _("Models"), "trainer:models", Permission.REVIEW),
    (_("Training"), _("Rounds"), "trainer:rounds", Permission.REVIEW),
    (_("Project"), _("Queue"), "feedback:queue", Permission.ENGINEER),
    (_("Project"), _("Answers"), "feedback:answer-form", Permission.OWN),
    (_("Project"), _("Members"), "feedback:members", Permission.OWN),
)


class Section(NamedTuple):
    group: str | Promise
    name: str | Promise
    url: str
    current: bool


@register.inclusion_tag("project_navigation.html", takes_context=True)
def project_navigation(context: RequestContext) -> dict[str, Any]:
    """The sections of the page's ``project`` that this person may see; nothing where the page has no project."""
    project, request = context.get("project"), context.get("request")
    if not isinstance(project, Project) or request is None:
        return {"groups": []}
    allowed = grants(request.user, project)
    shown = [_section(row, project, request.path) for row in SECTIONS if row[3] in allowed]
    return {
        "groups": [
            (name, list(rows)) for name, rows in groupby(shown, key=lambda section: str(section.group))
        ]
    }


def _section(
    row: tuple[str | Promise, str | Promise, str, Permission], project: Project, path: str
) -> Section:
    group, name, view, _permission = row
    url = reverse(view, args=[project.slug])
    current = path == url if view == "loop" else path.startswith(url)
    return Section(group, name, url, current)


@register.inclusion_tag("statistic.html")
def statistic(statistic: Mapping[str, Any] | None, digits: int = 2, percent: bool = False) -> dict[str, Any]:
    """A statistic in words: value, interval and n, or the reason why it has no value."""
    known = statistic or {"value": None, "reason": gettext("not computed yet")}
    return {
        "statistic": known,
        **{key: figure(known.get(key), digits=digits, percent=percent) for key in ("value", "low", "high")},
    }


@register.inclusion_tag("interval_bar.html")
def interval_bar(
    statistic: Mapping[str, Any] | None, start: float = 0.0, end: float = 1.0, mark: float | None = None
) -> dict[str, Any]:
    """A statistic as a dot with whiskers on the axis from ``start`` to ``end``, with a tick at ``mark``."""
    known = statistic or {"value": None, "reason": gettext("not computed yet")}
    places = {key: _place(known.get(key), start, end) for key in ("low", "high")}
    return {
        "statistic": known,
        "dot": _place(known.get("value"), start, end),
        "mark": _place(mark, start, end),
        "label": _spoken(known),
        **places,
    }


@register.inclusion_tag("measured.html")
def measured(
    statistic: Mapping[str, Any] | None, mark: float | None = None, digits: int = 2
) -> dict[str, Any]:
    """A statistic from 0 to 1 as a table's cell has it: drawn, and in words beneath, or the reason why not."""
    return {"measure": statistic, "mark": mark, "digits": digits}


@register.inclusion_tag("stat_tile.html")
def stat_tile(name: str, value: object, note: str = "") -> dict[str, Any]:
    """One figure with its name. A statistic is shown with its interval and n beneath it."""
    if not isinstance(value, Mapping):
        return {"name": name, "value": value, "note": note}
    if value.get("value") is None:
        return {"name": name, "value": None, "note": value.get("reason", "")}
    return {"name": name, "value": figure(value["value"]), "note": note or _range_and_n(value)}


@register.inclusion_tag("share_bar.html")
def share_bar(counts: Mapping[str, int]) -> dict[str, Any]:
    """Counts by name as one bar; each part has the class ``is-NAME``."""
    total, start, parts = sum(counts.values()), 0.0, []
    for name, count in counts.items():
        width = 100 * count / total if total else 0.0
        parts.append({"name": name, "start": round(start, 3), "width": round(width, 3)})
        start += width
    return {
        "parts": parts if total else [],
        "label": ", ".join(f"{n} {words(name)}" for name, n in counts.items()),
    }


@register.inclusion_tag("station.html")
def station(name: str, count: int, url: str = "", kind: str = "", note: str = "") -> dict[str, Any]:
    """One stage of the loop; ``kind`` is ``people`` or ``machine`` where its colour says who."""
    return {"name": name, "count": figure(count), "none": not count, "url": url, "kind": kind, "note": note}


@register.filter
def figure(value: float | int | None, digits: int = 2, percent: bool = False) -> str | None:
    """A number as text: counts with thin spaces between thousands, others to so many decimals; None stays None."""
    if value is None:
        return None
    if percent:
        text = f"{100 * value:.{max(digits - 2, 0)}f} %"
    else:
        text = (
            f"{value:,}" if isinstance(value, int) else f"{round(value, digits) + 0:,.{digits}f}"
        )  # no "−0"
    point = pgettext("decimal separator", ".")
    return text.replace(",", "\u202f").replace("-", "\u2212").replace(".", point)


@register.filter
def percent(value: float | None, digits: int = 0) -> str | None:
    """A share as percents with so many decimals; None stays None."""
    return figure(value, digits=digits + 2, percent=True)


@register.filter
def share(part: int, whole: int) -> int:
    """``part`` of ``whole`` in whole percents, never rounded up to 100 while something is left."""
    return min(99, round(100 * part / whole)) if part < whole else 100 if whole else 0


def _place(value: float | None, start: float, end: float) -> float | None:
    if value is None:
        return None
    return round(100 * min(1.0, max(0.0, (value - start) / (end - start))), 2)


def _range_and_n(statistic: Mapping[str, Any]) -> str:
    parts: Iterable[str | None] = (
        gettext("%(low)s to %(high)s") % {key: figure(statistic[key]) for key in ("low", "high")}
        if statistic.get("low") is not None
        else None,
        f"n = {figure(statistic['n'])}" if statistic.get("n") is not None else None,
    )
    return ", ".join(part for part in parts if part)


def _spoken(statistic: Mapping[str, Any]) -> str:
    if statistic.get("value") is None:
        return str(statistic.get("reason", gettext("undefined")))
    return ", ".join(part for part in (figure(statistic["value"]), _range_and_n(statistic)) if part)


@register.filter
def item(found: Mapping[Any, Any], key: Any) -> Any:
    """What ``found`` holds under ``key``, or None."""
    return found.get(key)
