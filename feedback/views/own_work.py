"""My work: a person's own progress, pace, right gold answers, time to be paid and answers; nobody else's."""

from dataclasses import dataclass
from datetime import date, timedelta
from itertools import chain

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET

from feedback.actions.projects import rater_of
from feedback.models import Assignment, Judgment, Purpose, Rater
from feedback.parameters import whole_number
from feedback.people import logged_in
from feedback.permissions import Permission, project_for
from feedback.queries.measuring import checks_answered, midnight, score_of
from feedback.queries.own_work import (
    CHART_DAYS,
    OwnRow,
    Worked,
    first_chart_day,
    own_page,
    pace_of,
    worked_by_day,
    worked_by_month,
)
from feedback.queries.progress import progress_of
from feedback.spreadsheets import csv_response
from feedback.views.annotate import page_with
from feedback.views.drafts import draft_of
from feedback.views.workspace import draft_item, in_letters

CHART_HEIGHT = 96.0  # of the highest bar, in the drawing's units
BAR = 20.0  # from one bar to the next


@dataclass(frozen=True)
class Bar:
    """One day of the pace chart, in the drawing's units."""

    day: date
    seconds: float
    x: float
    y: float
    height: float


@dataclass(frozen=True)
class Day:
    """What was worked on a day, and its median seconds an item."""

    worked: Worked
    pace: float | None


@dataclass(frozen=True)
class Line:
    """One own answer in the letters that the person saw; ``revise`` is the number it goes by, where it may change."""

    row: OwnRow
    said: str
    revise: int | None


@never_cache
@require_GET
def own_work(request: HttpRequest, slug: str) -> HttpResponse:
    """Right gold answers count up to midnight: a figure that moved with an answer would tell which items are gold."""
    rater = _rater(request, slug)
    page = own_page(rater, before=whole_number(request, "before"))
    days, pace = worked_by_day(rater, since=first_chart_day()), pace_of(rater)
    context = {
        "project": rater.project,
        "progress": progress_of(rater),
        "pace": pace.median,
        "bars": _bars(pace.by_day),
        "chart_width": BAR * CHART_DAYS,
        "gold": score_of(checks_answered(rater).filter(at__lt=midnight())),
        "days": [Day(day, pace.by_day.get(day.day)) for day in reversed(days)],
        "today": next((day for day in days if day.day == timezone.localdate()), None),
        "months": worked_by_month(rater),
        "lines": [_line(row) for row in page.rows],
        "before": page.before,
    }
    return render(request, "feedback/own_work.html", context)


@never_cache
@require_GET
def own_time(request: HttpRequest, slug: str) -> HttpResponse:
    """The person's time by day as CSV: the date, the items answered, the active seconds."""
    rater = _rater(request, slug)
    rows = ((day.day.isoformat(), day.items, round(day.seconds)) for day in worked_by_day(rater))
    return csv_response(
        f"{rater.project.slug}-my-time.csv", chain([("date", "items", "active_seconds")], rows)
    )


@never_cache
@require_GET
def revise(request: HttpRequest, slug: str, pk: int) -> HttpResponse:
    """One's own answer on the annotator's page again, as it was given; another answer takes its place."""
    rater = _rater(request, slug)
    mine = Assignment.objects.filter(rater=rater, done_at__isnull=False).select_related("comparison")
    assignment = get_object_or_404(mine, pk=pk)
    if assignment.comparison.purpose == Purpose.PRACTICE:
        raise Http404("The answer to a practice item has been told.")
    return page_with(request, rater, draft_item(rater, assignment, draft_of(assignment)))


def _rater(request: HttpRequest, slug: str) -> Rater:
    project = project_for(request.user, slug, Permission.ANNOTATE)
    return rater_of(project=project, user=logged_in(request.user))


def _line(row: OwnRow) -> Line:
    told = row.judgment.comparison.purpose == Purpose.PRACTICE
    return Line(row, _said(row.judgment), None if told else row.assignment)


def _said(judgment: Judgment) -> str:
    """The ranking as it was seen; a judgment from a file may not say what was shown first."""
    shown = judgment.shown or range(len(judgment.ranking))
    return in_letters([judgment.ranking[position] for position in shown]) if judgment.ranking else ""


def _bars(paces: dict[date, float]) -> list[Bar]:
    """A bar for each day with answers, at its place among the last CHART_DAYS days."""
    first, most = timezone.localdate() - timedelta(days=CHART_DAYS - 1), max(paces.values(), default=0.0)
    bars = []
    for day, seconds in paces.items():
        height = round(CHART_HEIGHT * seconds / most, 1) if most else 0.0
        bars.append(Bar(day, seconds, BAR * (day - first).days + 3, CHART_HEIGHT - height + 4, height))
    return bars
