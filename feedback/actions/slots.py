"""How many people a comparison still wants, and in which order comparisons are called.

Every path that takes a slot does so in one UPDATE on the queue's narrow row, whose constraint refuses a negative
count; so neither two browsers nor two servers can give a comparison to more people than it asks for. Where rows are
locked it is in one order, comparisons before queue items and both by id, so that no two actions wait for each other.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence

from django.db import transaction
from django.db.models import Count, F, Q
from django.utils.translation import gettext as _

from feedback.errors import Refused
from feedback.models import (
    MEASURING,
    Assignment,
    Comparison,
    Judgment,
    Outcome,
    QueueEpoch,
    QueueItem,
    RaterKind,
)

MOST_PEOPLE = 9  # asked about one comparison
AT_ONCE = 200  # rows a transaction, so that people at work are never kept waiting


def take_slot(comparison_id: int) -> None:
    """Use one free slot; Refused where there is none, also because the comparison is not in the queue."""
    free = QueueItem.objects.filter(pk=comparison_id, slots_free__gt=0)
    if not free.update(slots_free=F("slots_free") - 1):
        raise Refused(
            _("This comparison already has all the judgments it asked for, so this one is not needed.")
        )


def free_slots(comparison_id: int, count: int = 1) -> None:
    """Give slots back. Whoever has passed the comparison meets it again when they look back."""
    QueueItem.objects.filter(pk=comparison_id).update(slots_free=F("slots_free") + count)


def fill_slots(given: Mapping[int, int]) -> None:
    """Count people's verdicts that came past the queue, so many by comparison id; more than it asks for widen it."""
    alike: dict[tuple[int, int], list[int]] = {}
    for item in _locked(given):
        beyond = max(0, given[item.pk] - item.slots_free)
        alike.setdefault((given[item.pk] - beyond, beyond), []).append(item.pk)
    for (filled, beyond), comparisons in alike.items():
        QueueItem.objects.filter(pk__in=comparisons).update(slots_free=F("slots_free") - filled)
        if beyond:
            Comparison.objects.filter(pk__in=comparisons).update(overlap=F("overlap") + beyond)


def set_priorities(priorities: Mapping[int, int]) -> int:
    """Set how urgent comparisons are, by id; higher comes first. The number of queue items changed."""
    changed = 0
    for ids in _chunks(sorted(priorities)):
        with transaction.atomic():
            items = [item for item in _locked(ids) if item.priority != priorities[item.pk]]
            for item in items:
                item.priority = priorities[item.pk]
            QueueItem.objects.bulk_update(items, ["priority"])
            line_changed({item.project_id for item in items})
        changed += len(items)
    return changed


def ask_people(comparison_ids: Sequence[int], *, overlap: int) -> None:
    """Ask at least so many people about each of these comparisons; one that asks more already stays as it is."""
    if not 0 <= overlap <= MOST_PEOPLE:
        said = _("People asked about one comparison are at most %(most)s.") % {"most": MOST_PEOPLE}
        raise Refused(said, field="overlap")
    for ids in _chunks(comparison_ids):
        with transaction.atomic():
            items = _locked(ids)
            asked = dict(Comparison.objects.filter(pk__in=ids).values_list("pk", "overlap"))
            wanting = [item for item in items if asked[item.pk] < overlap]
            for item in wanting:
                item.slots_free += overlap - asked[item.pk]
            QueueItem.objects.bulk_update(wanting, ["slots_free"])
            Comparison.objects.filter(pk__in=[item.pk for item in wanting]).update(overlap=overlap)
            line_changed({item.project_id for item in wanting})


def reopen(comparison_ids: Sequence[int], *, priority: int) -> int:
    """Ask one more person about each of these comparisons that nobody can take now, before others.

    A comparison's overlap grows by one, to at most 9; one that still has a free slot only becomes more urgent.
    """
    reopened = 0
    for ids in _chunks(comparison_ids):
        with transaction.atomic():
            items = _locked(ids)
            full = Comparison.objects.filter(
                pk__in=[item.pk for item in items if not item.slots_free], overlap__lt=MOST_PEOPLE
            )
            widened = list(full.values_list("pk", flat=True))
            Comparison.objects.filter(pk__in=widened).update(overlap=F("overlap") + 1)
            QueueItem.objects.filter(pk__in=widened).update(slots_free=F("slots_free") + 1)
            reopened += QueueItem.objects.filter(pk__in=ids, slots_free__gt=0).update(priority=priority)
            line_changed({item.project_id for item in items})
    return reopened


def hold(comparison_ids: Iterable[int]) -> None:
    """Lock these comparisons and their queue items until the transaction ends, so that what is then done to them, in
    whatever order, waits for no other action."""
    for ids in _chunks(sorted(comparison_ids)):
        _locked(ids)


def leave_queue(comparison_ids: Sequence[int]) -> None:
    """Take comparisons out of the queue, as retired ones are. Who holds one may still answer it."""
    for ids in _chunks(comparison_ids):
        with transaction.atomic():
            _locked(ids)
            QueueItem.objects.filter(pk__in=ids).delete()


def join_queue(comparison_ids: Sequence[int], *, pools: Mapping[int, int]) -> None:
    """Put comparisons (back) into the queue, each into its pool; what people hold and have said of it counts.

    Those that are in it already, are retired, or measure people, stay as they are.
    """
    for ids in _chunks(comparison_ids):
        with transaction.atomic():
            # Whoever answers one of these at this moment holds their assignment, so nothing is counted twice.
            list(
                Assignment.objects.select_for_update().filter(comparison__in=ids).order_by("comparison", "pk")
            )
            rows = Comparison.objects.filter(pk__in=ids, queue_item=None, retired_at=None)
            found = {row.pk: row for row in rows.exclude(purpose__in=MEASURING).annotate(n=Count("slots"))}
            taken = _taken(found)
            QueueItem.objects.bulk_create(
                QueueItem(
                    comparison=row,
                    project_id=row.project_id,
                    pool_id=pools[number],
                    slots_free=max(0, row.overlap - taken.get(number, 0)),
                    responses=row.n,
                )
                for number, row in sorted(found.items())
            )
            for number, row in found.items():
                if taken.get(number, 0) > row.overlap:
                    Comparison.objects.filter(pk=number).update(overlap=taken[number])
            line_changed({row.project_id for row in found.values()})


def line_changed(projects: Iterable[int]) -> None:
    """Tell the people of these projects that the order of their line changed, so that they look back from its start."""
    for project in sorted(projects):
        QueueEpoch.objects.filter(project=project).update(number=F("number") + 1)


def _taken(comparison_ids: Iterable[int]) -> dict[int, int]:
    """How many slots are in use: open leases, and people's verdicts for themselves."""
    ids = list(comparison_ids)
    leases = Assignment.objects.filter(comparison__in=ids, done_at=None, expires_at__isnull=False)
    verdicts = Judgment.objects.filter(
        Q(comparison__in=ids, current=True, adjudicates=False, rater__kind=RaterKind.HUMAN)
        & ~Q(outcome=Outcome.SKIPPED)
    )
    taken: dict[int, int] = {}
    for rows in (leases, verdicts):
        for number, count in rows.values_list("comparison").annotate(n=Count("pk")):
            taken[number] = taken.get(number, 0) + count
    return taken


def _locked(ids: Iterable[int]) -> list[QueueItem]:
    """These comparisons' queue items, both locked; nobody takes them until the transaction ends."""
    wanted = list(ids)
    list(Comparison.objects.select_for_update(no_key=True).filter(pk__in=wanted).order_by("pk").only("pk"))
    return list(QueueItem.objects.select_for_update().filter(pk__in=wanted).order_by("pk"))


def _chunks(ids: Sequence[int]) -> Iterator[Sequence[int]]:
    for start in range(0, len(ids), AT_ONCE):
        yield ids[start : start + AT_ONCE]
