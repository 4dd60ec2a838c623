"""A person's leases: taken, kept alive, given back, lapsed, and taken up again when an answer is undone.

A lease is held while ``expires_at`` is set and ``done_at`` is not, until the sweep finds that it lapsed. One person's
takes, answers and undos happen one after the other (``in_turn``), so that two windows of theirs are as safe as one.
"""

from collections import Counter
from collections.abc import Sequence
from datetime import datetime, timedelta

from django.db import connection, transaction
from django.db.models import QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _

from feedback.actions.extras import next_extra
from feedback.actions.line import lease_next
from feedback.actions.review_items import taken_back
from feedback.actions.sides import next_shown
from feedback.actions.slots import (
    AT_ONCE,
    MOST_PEOPLE,
    ask_people,
    fill_slots,
    free_slots,
    hold,
    reopen,
    set_priorities,
    take_slot,
)
from feedback.actions.standing import check_may_work, room_under_caps
from feedback.errors import Refused
from feedback.models import MEASURING, Assignment, Comparison, Judgment, Outcome, Rater, RaterKind
from feedback.queries.returns import returned_assignments
from feedback.statements import objects

__all__ = [
    "AT_ONCE",
    "MOST_PEOPLE",
    "ask_people",
    "assign",
    "expire_assignments",
    "fill_slots",
    "free_slots",
    "heartbeat",
    "hold",
    "in_turn",
    "release_assignment",
    "reopen",
    "set_priorities",
    "take",
    "take_next",
    "take_slot",
    "undo_last",
]

_HELD = """
SELECT * FROM feedback_assignment
WHERE rater_id = %s AND done_at IS NULL AND expires_at IS NOT NULL ORDER BY created_at, id
"""

# A lease that a crash of the database forgets has harmed nobody, so its commit waits for no disk. And the line is gone
# along by its index, whatever the planner believes: from what it knew of a new project's tables, it read and sorted
# the whole queue for each take.
_OFF_IN_A_TAKE = ("synchronous_commit", "enable_seqscan", "enable_bitmapscan", "enable_sort")


def take(*, rater: Rater, count: int = 1) -> list[Assignment]:
    """What the person holds, oldest first, filled up to ``count`` with new leases; fewer where nothing waits.

    Before all of it comes what a reviewer sent back to them: an answered assignment, to be answered again. Nobody is
    given more than the project's batch at once. A lease of which less than half is left is renewed.
    Refused as ``check_may_work`` does, and to whoever is no person.
    """
    if rater.kind != RaterKind.HUMAN:
        raise Refused(_("Only people take comparisons from the queue; judges are asked by a judge run."))
    check_may_work(rater)
    only_taking = not connection.in_atomic_block
    with transaction.atomic():
        in_turn(rater, only_taking=only_taking)
        now = timezone.now()
        until = _lease_end(rater, now)
        held = objects(Assignment, _HELD, [rater.pk])
        if any(each.expires_at and each.expires_at - now < (until - now) / 2 for each in held):
            _held(rater).update(expires_at=until)
        room, most = room_under_caps(rater), min(count, rater.project.batch_size)
        most = most if room is None else min(most, len(held) + room)
        returned = returned_assignments(rater)
        held = [*returned, *(each for each in held if each not in returned)]
        while len(held) < most:
            extra = next_extra(rater)
            new = (
                assign(rater=rater, comparison=extra, until=until)
                if extra
                else lease_next(rater=rater, until=until)
            )
            if new is None:
                break
            held.append(new)
    return held


def take_next(*, rater: Rater) -> Assignment | None:
    """The oldest comparison that the person holds, or else a new lease on the next one, or None."""
    return next(iter(take(rater=rater)), None)


def assign(*, rater: Rater, comparison: Comparison, until: datetime) -> Assignment:
    """Lease one comparison to one person; Refused where all its slots are taken. One that measures people has none."""
    with transaction.atomic():
        in_turn(rater)
        given = Assignment.objects.filter(comparison=comparison, rater=rater).first()
        if given and (given.done_at or given.expires_at):
            raise Refused(_("This comparison was given to you before."))
        if comparison.purpose not in MEASURING:
            take_slot(comparison.pk)
        if given is None:
            shown = next_shown(rater, comparison.slots.count())
            given = Assignment(comparison=comparison, rater=rater, shown=shown)
        given.expires_at = until
        given.save()
        return given


def heartbeat(*, rater: Rater, comparison_ids: Sequence[int]) -> None:
    """The person still has these before them: their leases start anew. One that has lapsed stays so."""
    held = _held(rater).filter(comparison__in=comparison_ids)
    held.update(expires_at=_lease_end(rater, timezone.now()))


def release_assignment(*, rater: Rater, comparison_id: int) -> None:
    """Give a comparison back unjudged, so that somebody else, or the same person later, can take it."""
    with transaction.atomic():
        in_turn(rater)
        if _held(rater).filter(comparison=comparison_id).update(expires_at=None):
            free_slots(comparison_id)


def expire_assignments(*, now: datetime | None = None) -> int:
    """End the leases that have run out and free their slots; the number of them."""
    total = 0
    while True:
        with transaction.atomic():
            lapsed = dict(
                Assignment.objects.select_for_update(skip_locked=True)
                .filter(done_at=None, expires_at__lt=now or timezone.now())
                .order_by("comparison_id")
                .values_list("pk", "comparison_id")[:AT_ONCE]
            )
            Assignment.objects.filter(pk__in=lapsed).update(expires_at=None)
            for comparison_id, count in sorted(Counter(lapsed.values()).items()):
                free_slots(comparison_id, count)
        total += len(lapsed)
        if not lapsed:
            return total


def undo_last(*, rater: Rater) -> Assignment:
    """Take back the person's newest answer: it stays as history, and the comparison is open for them again."""
    with transaction.atomic():
        in_turn(rater)
        own = Judgment.objects.filter(rater=rater, current=True, adjudicates=False)
        last = own.filter(comparison__assignments__rater=rater).order_by("-at", "-pk").first()
        if last is None:
            raise Refused(_("There is nothing to undo: you have not judged anything here yet."))
        given = Assignment.objects.select_for_update().get(comparison=last.comparison_id, rater=rater)
        if last.outcome == Outcome.SKIPPED and last.comparison.purpose not in MEASURING:
            take_slot(last.comparison_id)
        Judgment.objects.filter(pk=last.pk).update(current=False)
        given.done_at, given.expires_at = None, _lease_end(rater, timezone.now())
        given.save(update_fields=["done_at", "expires_at"])
        taken_back(last)
        return given


def in_turn(rater: Rater, *, only_taking: bool = False) -> None:
    """Wait until nothing else of this person's is under way, in any window; it ends with the transaction.

    ``only_taking`` is for a transaction that does nothing but lease: see ``_OFF_IN_A_TAKE``.
    """
    if connection.vendor != "postgresql":
        return  # its transactions are one after the other
    with connection.cursor() as cursor:
        what = (
            ", ".join(f"set_config('{name}', 'off', true)" for name in _OFF_IN_A_TAKE) if only_taking else "1"
        )
        cursor.execute(
            f"SELECT {what} FROM feedback_rater WHERE id = %s FOR NO KEY UPDATE",  # noqa: S608  # our own text
            [rater.pk],
        )


def _held(rater: Rater) -> QuerySet[Assignment]:
    return Assignment.objects.filter(rater=rater, done_at=None, expires_at__isnull=False)


def _lease_end(rater: Rater, now: datetime) -> datetime:
    return now + timedelta(seconds=rater.project.lease_seconds)
