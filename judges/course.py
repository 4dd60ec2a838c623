"""The course of a run over time: calls answered and dollars spent, as a chart draws it."""

from datetime import datetime, timedelta
from decimal import Decimal
from typing import NamedTuple

from django.db.models import Count, Max, Min, Sum
from django.db.models.functions import Trunc

from judges.models import JudgeCall, JudgeRun


class Moment(NamedTuple):
    """Calls of the run answered up to a time, and dollars of those whose price is known."""

    at: datetime
    calls: int
    cost: Decimal


def course_of(run: JudgeRun) -> list[Moment]:
    """From the first call sent to the last answered, in at most some two hundred steps unless it took for days."""
    answered = JudgeCall.objects.filter(run=run, answered_at__isnull=False)
    ends = answered.aggregate(first=Min("sent_at"), last=Max("answered_at"))
    if ends["last"] is None:
        return []
    steps = answered.annotate(at=Trunc("answered_at", _unit(ends["last"] - ends["first"]))).values_list("at")
    moments = [Moment(ends["first"], 0, Decimal(0))]
    for at, count, dollars in steps.annotate(n=Count("pk"), dollars=Sum("cost")).order_by("at"):
        before = moments[-1]
        moments.append(Moment(max(at, before.at), before.calls + count, before.cost + (dollars or 0)))
    return moments


def _unit(lasted: timedelta) -> str:
    if lasted < timedelta(minutes=3):
        return "second"
    return "minute" if lasted < timedelta(hours=3) else "hour"
