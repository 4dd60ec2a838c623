"""The queue: who judges what next. Leases are taken, given back and expired; slots never go below none.

Every path that takes a slot does so in one UPDATE on the queue's narrow row, whose constraint refuses a negative
count; so neither two browsers nor two servers can give a comparison to more people than it asks for.
"""

import random
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Exists, F, OuterRef
from django.utils import timezone

from feedback.errors import Refused
from feedback.models import Assignment, Comparison, Judgment, Outcome, QueueItem, Rater, RaterKind

MOST_PEOPLE = 9  # asked about one comparison
AT_ONCE = 200  # rows a transaction, so that people at work are never kept waiting


def take_next(*, rater: Rater) -> Assignment | None:
    """The person's open assignment if there is one, else a new lease on the most urgent free comparison, else None."""
    now = timezone.now()
    with transaction.atomic():
        lease_end = now + timedelta(seconds=rater.project.lease_seconds)
        held = rater.assignments.filter(done_at=None, expires_at__gt=now).order_by("created_at").first()
        if held:
            Assignment.objects.filter(pk=held.pk, done_at=None).update(expires_at=lease_end)
            return held
        comparison = _most_urgent(rater)
        return assign(rater=rater, comparison=comparison, until=lease_end) if comparison else None


def assign(*, rater: Rater, comparison: Comparison, until: datetime) -> Assignment:
    """Lease one comparison to one person; Refused where all its slots are taken."""
    with transaction.atomic():
        take_slot(comparison.pk)
        assignment, created = Assignment.objects.get_or_create(
            comparison=comparison,
            rater=rater,
            defaults={"shown": shown_order(rater, comparison), "expires_at": until},
        )
        if not created:
            raise Refused("This comparison was given to you before.")
        return assignment


def release_assignment(*, rater: Rater, comparison_id: int) -> None:
    """Give a comparison back unjudged, so that somebody else, or the same person later, can take it."""
    with transaction.atomic():
        deleted, _ = Assignment.objects.filter(
            rater=rater, comparison_id=comparison_id, done_at=None
        ).delete()
        if deleted:
            free_slots(comparison_id)


def expire_assignments(*, now: datetime | None = None) -> int:
    """Delete the open leases that have run out and free their slots; the number of them."""
    total = 0
    while True:
        with transaction.atomic():
            lapsed = list(
                Assignment.objects.select_for_update(skip_locked=True)
                .filter(done_at=None, expires_at__lt=now or timezone.now())
                .order_by("comparison_id")
                .values_list("pk", "comparison_id")[:AT_ONCE]
            )
            if not lapsed:
                return total
            Assignment.objects.filter(pk__in=[pk for pk, _ in lapsed]).delete()
            for comparison_id, count in sorted(Counter(comparison_id for _, comparison_id in lapsed).items()):
                free_slots(comparison_id, count)
            total += len(lapsed)


def undo_last(*, rater: Rater) -> Assignment:
    """Take back the person's newest answer: it stays as history, and the comparison is open for them again."""
    with transaction.atomic():
        last = (
            Judgment.objects.filter(rater=rater, current=True, comparison__assignments__rater=rater)
            .order_by("-at", "-pk")
            .first()
        )
        if last is None:
            raise Refused("There is nothing to undo: you have not judged anything here yet.")
        if not Judgment.objects.filter(pk=last.pk, current=True).update(current=False):
            raise Refused("Your last answer was taken back or changed at this very moment; look again.")
        if last.outcome == Outcome.SKIPPED:
            take_slot(last.comparison_id)
        lease_end = timezone.now() + timedelta(seconds=rater.project.lease_seconds)
        Assignment.objects.filter(comparison_id=last.comparison_id, rater=rater).update(
            done_at=None, expires_at=lease_end
        )
        return Assignment.objects.get(comparison_id=last.comparison_id, rater=rater)


def set_priorities(priorities: dict[int, int]) -> int:
    """Set how urgent comparisons are, by id; higher comes first. The number of queue items changed."""
    by_priority: dict[int, list[int]] = {}
    for comparison_id, priority in priorities.items():
        by_priority.setdefault(priority, []).append(comparison_id)
    return sum(
        QueueItem.objects.filter(pk__in=ids[start : start + 500])
        .exclude(priority=priority)
        .update(priority=priority)
        for priority, ids in sorted(by_priority.items())
        for start in range(0, len(ids), 500)
    )


def ask_people(comparison_ids: Sequence[int], *, overlap: int) -> None:
    """Ask at least so many people about each of these comparisons; one that asks more already stays as it is."""
    if not 0 <= overlap <= MOST_PEOPLE:
        raise Refused(f"People asked about one comparison are at most {MOST_PEOPLE}.", field="overlap")
    for start in range(0, len(comparison_ids), AT_ONCE):
        with transaction.atomic():
            asking = Comparison.objects.select_for_update().filter(
                pk__in=comparison_ids[start : start + AT_ONCE], overlap__lt=overlap
            )
            for comparison_id, asked in asking.order_by("pk").values_list("pk", "overlap"):
                Comparison.objects.filter(pk=comparison_id).update(overlap=overlap)
                QueueItem.objects.filter(pk=comparison_id).update(
                    slots_free=F("slots_free") + overlap - asked
                )


def reopen(comparison_ids: list[int], *, priority: int) -> int:
    """Ask one more person about each of these comparisons that nobody can take now, before others.

    A comparison's overlap grows by one, to at most 9; one that still has a free slot only becomes more urgent.
    """
    reopened = 0
    for start in range(0, len(comparison_ids), AT_ONCE):
        chunk = comparison_ids[start : start + AT_ONCE]
        with transaction.atomic():
            taken = QueueItem.objects.filter(pk__in=chunk, slots_free=0, comparison__overlap__lt=MOST_PEOPLE)
            full = list(taken.values_list("pk", flat=True))
            Comparison.objects.filter(pk__in=full).update(overlap=F("overlap") + 1)
            QueueItem.objects.filter(pk__in=full).update(slots_free=F("slots_free") + 1)
            reopened += QueueItem.objects.filter(pk__in=chunk, slots_free__gt=0).update(priority=priority)
    return reopened


def take_slot(comparison_id: int) -> None:
    """Use one free slot; Refused where there is none."""
    if not QueueItem.objects.filter(pk=comparison_id, slots_free__gt=0).update(
        slots_free=F("slots_free") - 1
    ):
        raise Refused(
            "This comparison already has all the judgments it asked for, so this one is not needed."
        )


def free_slots(comparison_id: int, count: int = 1) -> None:
    """Give slots back."""
    QueueItem.objects.filter(pk=comparison_id).update(slots_free=F("slots_free") + count)


def fill_slots(given: Mapping[int, int]) -> None:
    """Count people's verdicts that came past the queue, so many by comparison id; more than it asks for widen it."""
    alike: dict[tuple[int, int], list[int]] = {}
    for item in QueueItem.objects.select_for_update().filter(pk__in=given).order_by("pk"):
        beyond = max(0, given[item.pk] - item.slots_free)
        alike.setdefault((given[item.pk] - beyond, beyond), []).append(item.pk)
    for (filled, beyond), comparisons in alike.items():
        QueueItem.objects.filter(pk__in=comparisons).update(slots_free=F("slots_free") - filled)
        if beyond:
            Comparison.objects.filter(pk__in=comparisons).update(overlap=F("overlap") + beyond)


def shown_order(rater: Rater, comparison: Comparison) -> tuple[int, ...]:
    """The order of canonical positions this rater sees: a coin flip of its own for each (rater, comparison)."""
    order = list(comparison.slots.order_by("position").values_list("position", flat=True))
    random.Random(f"{rater.pk}:{comparison.pk}").shuffle(order)
    return tuple(order)


def _most_urgent(rater: Rater) -> Comparison | None:
    if rater.kind != RaterKind.HUMAN:
        raise Refused("Only people take comparisons from the queue; judges are asked by a judge run.")
    given_before = Assignment.objects.filter(comparison_id=OuterRef("comparison_id"), rater=rater)
    judged_before = Judgment.objects.filter(
        comparison_id=OuterRef("comparison_id"), rater=rater, current=True
    )
    item = (
        QueueItem.objects.select_for_update(skip_locked=True)
        .filter(~Exists(given_before), ~Exists(judged_before), project_id=rater.project_id, slots_free__gt=0)
        .order_by("-priority", "comparison_id")
        .first()
    )
    return Comparison.objects.get(pk=item.pk) if item else None
