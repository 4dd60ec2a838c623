"""Reads of a person's own work: how long each answer took, and the time to be paid, by day and by month.

Time is the active seconds that came with each answer, also with those taken back or revised later: that was work
too. An item counts once a day. Days are those of the server's time zone.
"""

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from statistics import median

from django.db.models import Count, DateField, Func, Q, QuerySet, Sum
from django.db.models.functions import TruncDate, TruncMonth

from feedback.models import Assignment, Judgment, Rater
from feedback.queries.measuring import midnight

CHART_DAYS = 30
PAGE = 25


@dataclass(frozen=True)
class Worked:
    """A day, or a month by its first day: the items answered and the active seconds."""

    day: date
    items: int
    seconds: float


@dataclass(frozen=True)
class Pace:
    """The median seconds of an answer: on each day that has any, and over all these days."""

    by_day: dict[date, float]
    median: float | None


@dataclass(frozen=True)
class OwnRow:
    """One own answer as its list shows it. ``assignment`` leads to its page; None where it came with a file."""

    judgment: Judgment
    assignment: int | None


@dataclass(frozen=True)
class OwnPage:
    """Own answers, newest first; ``before`` is the judgment that the next page follows."""

    rows: list[OwnRow]
    before: int | None


def worked_by_day(rater: Rater, *, since: datetime | None = None) -> list[Worked]:
    """Every day on which this person answered something, the first one first."""
    answers = _answers(rater)
    return _worked(answers.filter(at__gte=since) if since else answers, TruncDate("at"))


def worked_by_month(rater: Rater) -> list[Worked]:
    """The same by month, the newest first."""
    return _worked(_answers(rater), TruncMonth("at", output_field=DateField()))[::-1]


def first_chart_day() -> datetime:
    """The midnight with which the chart's days begin."""
    return midnight() - timedelta(days=CHART_DAYS - 1)


def pace_of(rater: Rater) -> Pace:
    """How quickly this person answered over the last CHART_DAYS days."""
    timed = _answers(rater).filter(at__gte=first_chart_day()).annotate(day=TruncDate("at"))
    found: dict[date, list[float]] = {}
    for day, seconds in timed.order_by("day").values_list("day", "seconds"):
        if seconds is not None:
            found.setdefault(day, []).append(seconds)
    everything = [seconds for each in found.values() for seconds in each]
    by_day = {day: median(each) for day, each in found.items()}
    return Pace(by_day, median(everything) if everything else None)


def own_page(rater: Rater, *, before: int | None = None) -> OwnPage:
    """The PAGE newest own answers before one; its cost does not grow with how far one has paged."""
    current = _answers(rater).filter(current=True)
    last = _answers(rater).filter(pk=before).first() if before else None
    if last:
        current = current.filter(Q(at__lt=last.at) | Q(at=last.at, pk__lt=last.pk))
    rows = list(current.select_related("comparison__prompt").order_by("-at", "-pk")[: PAGE + 1])
    more, rows = len(rows) > PAGE, rows[:PAGE]
    given = Assignment.objects.filter(rater=rater, comparison__in=[row.comparison_id for row in rows])
    numbers = dict(given.values_list("comparison_id", "pk"))
    shown = [OwnRow(row, numbers.get(row.comparison_id)) for row in rows]
    return OwnPage(shown, rows[-1].pk if more else None)


def _answers(rater: Rater) -> QuerySet[Judgment]:
    return Judgment.objects.filter(rater=rater, adjudicates=False)


def _worked(answers: QuerySet[Judgment], day: Func) -> list[Worked]:
    grouped = answers.order_by().annotate(day=day).values("day")
    counted = grouped.annotate(items=Count("comparison", distinct=True), seconds=Sum("seconds"))
    return [Worked(row["day"], row["items"], row["seconds"] or 0.0) for row in counted.order_by("day")]
