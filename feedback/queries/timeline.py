"""One comparison's whole history in one line of time: who was given it, what was said, flagged, sent back, changed."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.contrib.auth.models import User
from django.utils import timezone

from feedback.models import AuditEntry, Comparison, Judgment, Rater

MOST_ENTRIES = 200  # of the audit trail

GIVEN, HELD, LAPSED, FINISHED = "given", "held", "lapsed", "finished"


@dataclass(frozen=True)
class Event:
    """``kind`` says which row it is about; ``rater`` or ``person`` did it, or nobody who is known."""

    at: datetime
    kind: str
    row: Any
    rater: Rater | None = None
    person: User | None = None


def history(comparison: Comparison) -> list[Event]:
    """All there is, the earliest first; judgments that were superseded and machines' among them."""
    parts = (_came, _assignments, _judgments, _second_looks, _flags, _returns, _doubts, _audit)
    return sorted((event for part in parts for event in part(comparison)), key=lambda event: event.at)


def scores_of(judgment: Judgment) -> list[tuple[str, list[int | None]]]:
    """What each criterion was scored, a value for each response in canonical order; reads the prefetched scores."""
    found: dict[str, dict[int, int]] = {}
    for score in judgment.scores.all():
        found.setdefault(score.criterion.name, {})[score.position] = score.value
    count = 1 + max((position for values in found.values() for position in values), default=-1)
    return [(name, [values.get(position) for position in range(count)]) for name, values in found.items()]


def _came(comparison: Comparison) -> Iterator[Event]:
    yield Event(comparison.created_at, "came", comparison)


def _assignments(comparison: Comparison) -> Iterator[Event]:
    now = timezone.now()
    for row in comparison.assignments.select_related("rater"):
        held = row.expires_at is not None and row.expires_at > now
        state = FINISHED if row.done_at else HELD if held else LAPSED
        yield Event(row.created_at, GIVEN, {"assignment": row, "state": state}, rater=row.rater)


def _judgments(comparison: Comparison) -> Iterator[Event]:
    rows = comparison.judgments.select_related("rater").prefetch_related("scores__criterion", "spans")
    for row in rows.order_by("pk"):
        yield Event(row.at, "judgment", {"judgment": row, "scores": scores_of(row)}, rater=row.rater)


def _second_looks(comparison: Comparison) -> Iterator[Event]:
    rows = Judgment.objects.filter(comparison=comparison, second_look__isnull=False)
    for row in rows.select_related("rater", "second_look"):
        yield Event(row.second_look.at, "second look", row.second_look, rater=row.rater)


def _flags(comparison: Comparison) -> Iterator[Event]:
    for row in comparison.flags.select_related("judgment__rater", "settled_by"):
        yield Event(row.judgment.at, "flag", row, rater=row.judgment.rater)
        if row.settled_at:
            yield Event(row.settled_at, "flag settled", row, person=row.settled_by)


def _returns(comparison: Comparison) -> Iterator[Event]:
    for judgment in comparison.judgments.filter(returns__isnull=False).distinct().select_related("rater"):
        for row in judgment.returns.select_related("returned_by"):
            yield Event(
                row.returned_at, "return", {"return": row, "to": judgment.rater}, person=row.returned_by
            )


def _doubts(comparison: Comparison) -> Iterator[Event]:
    for row in comparison.doubts.select_related("raised_by"):
        yield Event(row.raised_at, "doubt", row, person=row.raised_by)


def _audit(comparison: Comparison) -> Iterator[Event]:
    rows = AuditEntry.objects.filter(
        target="comparison", target_id=comparison.pk, project=comparison.project_id
    )
    for row in rows.select_related("actor").order_by("-pk")[:MOST_ENTRIES]:
        yield Event(row.at, "audit", row, person=row.actor)
