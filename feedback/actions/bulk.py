"""Many comparisons changed at once: those chosen on a page, or all that a filter keeps.

A few are changed while one waits; more of them by a worker, who goes on where it was stopped. Each comparison that
changes gets its line in the audit trail, in the transaction of its change.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from feedback.actions.audit import record_each
from feedback.actions.bulk_jobs import FEW, queue_change
from feedback.actions.jobs import Lease
from feedback.actions.review_items import weigh
from feedback.actions.slices import (
    APPLY_RULES,
    OVERLAP_TOO,
    RulesConflict,
    SliceRules,
    apply_slice_rules,
    tags_of,
)
from feedback.actions.slots import (
    AT_ONCE,
    MOST_PEOPLE,
    join_queue,
    leave_queue,
    line_changed,
    set_priorities,
)
from feedback.errors import Refused
from feedback.models import BulkChange, Comparison, Project, QueueItem, ReviewItem, Tag
from feedback.models.queue import MOST_URGENT_PRIORITY
from feedback.people import Person
from feedback.queries.search import ComparisonFilter, few_comparisons, matching
from feedback.records import BadRecord, check_text


@dataclass(frozen=True)
class _Change:
    """What a verb does to at most AT_ONCE comparisons, in a transaction; it gives the ids of those it changed."""

    project: Project
    apply: Callable[[Project, Sequence[int], str], list[int]]
    value: str


def change_comparisons(*, project: Project, verb: str, value: str, ids: Sequence[int], by: Person) -> int:
    """Do ``verb`` to these comparisons of the project; the number of those that it changed.

    Refused: an unknown verb, a value that it can not take, a tag whose rule can not be met beside another's.
    """
    change = _checked(project, verb, value)
    own = Comparison.objects.filter(project=project, pk__in=ids).order_by("pk").values_list("pk", flat=True)
    return sum(_change(change, verb, chunk, by) for chunk in _chunks(list(own)))


def change_matching(
    *, project: Project, verb: str, value: str, wanted: ComparisonFilter, by: Person
) -> int | BulkChange:
    """Do it to all that the filter keeps now: the number changed, or a worker's task where they are more than FEW.

    Refused as ``change_comparisons``, and where the filter keeps nothing.
    """
    _checked(project, verb, value)
    few = few_comparisons(project, wanted, FEW)
    if few is not None:
        if not few:
            raise Refused(_("No comparison fits these filters any more."))
        return change_comparisons(project=project, verb=verb, value=value, ids=few, by=by)
    return queue_change(project=project, verb=verb, value=value, wanted=wanted, by=by)


def carry_out_bulk_change(lease: Lease) -> None:
    """The worker's part of ``change_matching``; started again, it goes on after the last comparison it changed."""
    asked = BulkChange.objects.select_related("project", "created_by").get(job_id=lease.job_id)
    change = _checked(asked.project, asked.verb, asked.value)
    wanted = ComparisonFilter.of(asked.wanted)
    while asked.reached < asked.last:
        # A stretch of ids, not the next so many that fit: looking for these could take longer than the lease.
        until = min(asked.last, asked.reached + 10 * AT_ONCE)
        for chunk in _chunks(matching(asked.project, wanted, asked.reached + 1, until)):
            with transaction.atomic():
                asked.changed += _change(change, asked.verb, chunk, asked.created_by)
                asked.reached = chunk[-1]
                asked.save(update_fields=("changed", "reached"))
                lease.report(done=asked.reached, total=asked.last)
        asked.reached = until
        asked.save(update_fields=("reached",))
        lease.report(done=until, total=asked.last)
    lease.report(message=f"{asked.changed:,} comparisons changed.")


def check_change(*, project: Project, verb: str, value: str) -> None:
    """Refused where the verb is not known or can not take this value."""
    _checked(project, verb, value)


def _change(change: _Change, verb: str, ids: Sequence[int], by: Person) -> int:
    with transaction.atomic():
        try:
            changed = change.apply(change.project, ids, change.value)
        except RulesConflict as conflict:
            raise Refused(str(conflict), field="value") from conflict
        detail = {"value": change.value} if change.value else {}
        words = verb.replace("_", " ")
        record_each(by=by, verb=words, model=Comparison, ids=changed, project=change.project, **detail)
    return len(changed)


def _retire(_project: Project, ids: Sequence[int], _value: str) -> list[int]:
    changed = _locked(ids, retired_at=None)
    Comparison.objects.filter(pk__in=changed).update(retired_at=timezone.now())
    leave_queue(changed)
    _weigh(changed)
    return changed


def _bring_back(project: Project, ids: Sequence[int], _value: str) -> list[int]:
    changed = _locked(ids, retired_at__isnull=False)
    Comparison.objects.filter(pk__in=changed).update(retired_at=None)
    rules, tags = SliceRules(project), tags_of(changed)
    join_queue(changed, pools={pk: rules.pool(rules.asked(tags.get(pk, ()))) for pk in changed})
    _weigh(changed)
    return changed


def _ask_one_more(project: Project, ids: Sequence[int], _value: str) -> list[int]:
    return _set_overlap(project, ids, lambda overlap, _taken: min(MOST_PEOPLE, overlap + 1))


def _overlap(project: Project, ids: Sequence[int], value: str) -> list[int]:
    return _set_overlap(project, ids, lambda _overlap, taken: max(int(value), taken))


def _set_overlap(project: Project, ids: Sequence[int], asked: Callable[[int, int], int]) -> list[int]:
    """Ask another number of people; never fewer than hold or have judged the comparison now."""
    queued = Comparison.objects.select_for_update(no_key=True).filter(pk__in=ids, retired_at=None)
    comparisons = {row.pk: row for row in queued.order_by("pk")}
    items = list(QueueItem.objects.select_for_update().filter(pk__in=comparisons).order_by("pk"))
    changed = []
    for item in items:
        comparison = comparisons[item.pk]
        overlap = asked(comparison.overlap, comparison.overlap - item.slots_free)
        if overlap != comparison.overlap:
            item.slots_free += overlap - comparison.overlap
            comparison.overlap = overlap
            changed.append(item)
    Comparison.objects.bulk_update([comparisons[item.pk] for item in changed], ["overlap"])
    QueueItem.objects.bulk_update(changed, ["slots_free"])
    if changed:
        line_changed([project.pk])
    return [item.pk for item in changed]


def _priority(_project: Project, ids: Sequence[int], value: str) -> list[int]:
    items = QueueItem.objects.select_for_update().filter(pk__in=ids).exclude(priority=int(value))
    changed = list(items.order_by("pk").values_list("pk", flat=True))
    set_priorities(dict.fromkeys(changed, int(value)))
    return changed


def _add_tag(project: Project, ids: Sequence[int], value: str) -> list[int]:
    tag, _made = Tag.objects.get_or_create(project=project, name=value)
    rows = Comparison.tags.through.objects
    having = set(rows.filter(tag=tag, comparison__in=ids).values_list("comparison_id", flat=True))
    changed = [pk for pk in ids if pk not in having]
    rows.bulk_create(
        (Comparison.tags.through(comparison_id=pk, tag=tag) for pk in changed), ignore_conflicts=True
    )
    _apply_rule(project, tag, changed)
    return changed


def _remove_tag(project: Project, ids: Sequence[int], value: str) -> list[int]:
    tag = Tag.objects.filter(project=project, name=value).first()
    if tag is None:
        return []
    having = Comparison.tags.through.objects.filter(tag=tag, comparison__in=ids)
    changed = sorted(having.values_list("comparison_id", flat=True))
    having.delete()
    _apply_rule(project, tag, changed)
    return changed


def _apply_rule(project: Project, tag: Tag, changed: Sequence[int]) -> None:
    """Where the tag has a rule, what its comparisons ask of people changes with it."""
    rule = project.slice_rules.filter(tag=tag).first()
    if rule:
        apply_slice_rules(changed, project=project, overlap=rule.overlap is not None)


def _locked(ids: Sequence[int], **only: object) -> list[int]:
    rows = Comparison.objects.select_for_update(no_key=True).filter(pk__in=ids, **only)
    return [row.pk for row in rows.order_by("pk").only("pk")]


def _weigh(ids: Sequence[int]) -> None:
    """What is retired waits for no reviewer, and does again when it is back."""
    weigh(list(ReviewItem.objects.filter(pk__in=ids).values_list("pk", flat=True)))


def _chunks(ids: Sequence[int]) -> list[Sequence[int]]:
    return [ids[start : start + AT_ONCE] for start in range(0, len(ids), AT_ONCE)]


def _no_value(value: str) -> None:
    if value:
        raise Refused(_("This takes no value."), field="value")


def _people(value: str) -> None:
    if not (value.isascii() and value.isdigit() and int(value[:4]) <= MOST_PEOPLE):
        said = _("People asked about one comparison are a number from 0 to %(most)s.")
        raise Refused(said % {"most": MOST_PEOPLE}, field="value")


def _urgency(value: str) -> None:
    digits = value.removeprefix("-")
    if not (digits.isascii() and digits.isdigit() and int(digits[:9]) <= MOST_URGENT_PRIORITY):
        said = _("A priority is a whole number from -%(most)s to %(most)s; new comparisons have 0.")
        raise Refused(said % {"most": MOST_URGENT_PRIORITY}, field="value")


def _tag_name(value: str) -> None:
    try:
        check_text(value, "tag", 100)
    except BadRecord as bad:
        raise Refused(_("This can be no tag: %s.") % bad.reason, field="value") from bad
    if not value.strip():
        raise Refused(_("Name the tag."), field="value")


def _apply_rules(project: Project, ids: Sequence[int], value: str) -> list[int]:
    return apply_slice_rules(ids, project=project, overlap=value == OVERLAP_TOO)


def _overlap_or_not(value: str) -> None:
    if value not in ("", OVERLAP_TOO):
        raise Refused(_("Leave the value out."), field="value")


VERBS: dict[str, tuple[Callable[[str], None], Callable[[Project, Sequence[int], str], list[int]]]] = {
    "retire": (_no_value, _retire),
    "bring_back": (_no_value, _bring_back),
    "ask_one_more": (_no_value, _ask_one_more),
    "overlap": (_people, _overlap),
    "priority": (_urgency, _priority),
    "add_tag": (_tag_name, _add_tag),
    "remove_tag": (_tag_name, _remove_tag),
    APPLY_RULES: (_overlap_or_not, _apply_rules),  # of a change of rules, not for a page to choose
}


def _checked(project: Project, verb: str, value: str) -> _Change:
    if verb not in VERBS:
        raise Refused(_("Choose what to do with them."), field="verb")
    check, apply = VERBS[verb]
    check(value)
    return _Change(project, apply, value)
