"""The rows of the reviewers' queue, kept beside every judgment: what people's current judgments add up to.

Each change locks the comparison's row first and only then reads the judgments, so that of two people who answer at the
same moment the second sees the first, and no disagreement goes unnoticed.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field

from django.db.models import Count, Q

from feedback.models import MEASURING, Comparison, Judgment, Outcome, RaterKind, Return, ReviewItem
from feedback.rankings import Ranking, agreement_in_thousandths

_KEPT = ("verdicts", "agreement", "conflict", "let_stand", "flags", "returns", "open")


@dataclass
class _Said:
    """What people say of one comparison now."""

    rankings: list[Ranking] = field(default_factory=list)
    flags: int = 0
    decided: bool = False


def judged(judgment: Judgment) -> None:
    """A person's answer was stored, its flags with it: answer what was sent back to them, and weigh again.

    Called last in the transaction that stores the answer.
    """
    items = _lock([judgment.comparison_id])
    if items[0].returns:
        Return.objects.filter(
            rater=judgment.rater_id, judgment__comparison=judgment.comparison_id, answered_by=None
        ).update(answered_by=judgment)
    _weigh(items)


def taken_back(judgment: Judgment) -> None:
    """A person took their answer back: what it answered is open again."""
    items = _lock([judgment.comparison_id])
    Return.objects.filter(answered_by=judgment).update(answered_by=None)
    _weigh(items)


def weigh(comparison_ids: Collection[int]) -> None:
    """Make the rows of these comparisons say what their judgments do; inside a transaction."""
    _weigh(_lock(comparison_ids))


def lock_item(comparison: Comparison) -> ReviewItem:
    """This comparison's row, held until the transaction ends."""
    (item,) = _lock([comparison.pk])
    return item


def _lock(comparison_ids: Collection[int]) -> list[ReviewItem]:
    """The rows of these comparisons, made where there are none yet, in one order for everybody."""
    rows = (
        ReviewItem.objects.select_for_update(of=("self",))
        .select_related("comparison")
        .filter(pk__in=comparison_ids)
        .order_by("pk")
    )
    found = list(rows)
    if len(found) == len(set(comparison_ids)):
        return found
    missing = set(comparison_ids) - {item.pk for item in found}
    projects = Comparison.objects.filter(pk__in=missing).order_by("pk").values_list("pk", "project_id")
    ReviewItem.objects.bulk_create(
        (ReviewItem(comparison_id=pk, project_id=project) for pk, project in projects),
        ignore_conflicts=True,
        batch_size=500,
    )
    return list(rows.all())


def _weigh(items: Collection[ReviewItem]) -> None:
    comparison_ids = [item.pk for item in items]
    said, returns = _said(comparison_ids), _open_returns(comparison_ids)
    changed = [item for item in items if _weighed(item, said.get(item.pk, _Said()), returns.get(item.pk, 0))]
    ReviewItem.objects.bulk_update(changed, _KEPT, batch_size=100)


def _said(comparison_ids: Collection[int]) -> dict[int, _Said]:
    current = Judgment.objects.filter(
        comparison__in=comparison_ids, current=True, rater__kind=RaterKind.HUMAN
    ).annotate(open_flags=Count("flags", filter=Q(flags__settled_at=None)))
    said: dict[int, _Said] = {}
    for comparison, outcome, ranking, adjudicates, flags in current.values_list(
        "comparison_id", "outcome", "ranking", "adjudicates", "open_flags"
    ):
        about = said.setdefault(comparison, _Said())
        about.flags += flags
        about.decided |= adjudicates
        if outcome == Outcome.RANKED and not adjudicates:
            about.rankings.append(ranking)
    return said


def _open_returns(comparison_ids: Collection[int]) -> dict[int, int]:
    waiting: Iterable[tuple[int, int]] = (
        Return.objects.filter(judgment__comparison__in=comparison_ids, answered_by=None)
        .values_list("judgment__comparison_id")
        .annotate(Count("pk"))
        .order_by()
    )
    return dict(waiting)


def _weighed(item: ReviewItem, said: _Said, returns: int) -> bool:
    """Bring the row up to date; was it not?"""
    before = [getattr(item, name) for name in _KEPT]
    # On what measures people, they are many and told apart from the known answer: only flags matter there.
    rankings = [] if item.comparison.purpose in MEASURING else said.rankings
    agreement = agreement_in_thousandths(rankings)
    # Somebody changed the disagreement that a reviewer let stand.
    item.let_stand = item.let_stand and agreement == item.agreement
    item.verdicts, item.agreement = len(rankings), agreement
    item.conflict = agreement < 1000 and not said.decided and not item.let_stand
    item.flags, item.returns = said.flags, returns
    wanted = item.conflict or item.flags > 0
    item.open = wanted and not returns and item.comparison.retired_at is None
    return before != [getattr(item, name) for name in _KEPT]
