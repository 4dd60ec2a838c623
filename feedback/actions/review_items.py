"""The rows of the reviewers' queue, kept beside every judgment: what people's current judgments add up to.

Each change locks the comparison's row first and only then reads the judgments, so that of two people who answer at the
same moment the second sees the first, and no disagreement goes unnoticed.
"""

from collections.abc import Collection
from dataclasses import dataclass, field

from django.db import connection

from feedback.actions.copying import store_new
from feedback.models import MEASURING, Comparison, Judgment, Outcome, Return, ReviewItem
from feedback.models.fields import IntTupleField
from feedback.rankings import Ranking, agreement_in_thousandths
from feedback.statements import places, rows, run_each

_KEPT = ("verdicts", "agreement", "conflict", "let_stand", "asked", "flags", "returns", "open")
_RANKING = IntTupleField()

# Made where there is none yet, and locked either way.
_LOCK = """
INSERT INTO feedback_reviewitem
  (comparison_id, project_id, verdicts, agreement, conflict, let_stand, asked, flags, returns, "open")
SELECT c.id, c.project_id, 0, 1000, false, false, false, 0, 0, false FROM feedback_comparison c
WHERE c.id IN ({ids}) ORDER BY c.id
ON CONFLICT (comparison_id) DO UPDATE SET project_id = excluded.project_id
RETURNING comparison_id, project_id, verdicts, agreement, conflict, let_stand, asked, flags, returns, "open"
"""
# A row for each current judgment of a person, and one without a judgment for a comparison that has none.
_SAID = """
SELECT c.id, c.purpose, c.retired_at,
  (SELECT COUNT(*) FROM feedback_return t JOIN feedback_judgment s ON s.id = t.judgment_id
   WHERE s.comparison_id = c.id AND t.answered_by_id IS NULL),
  j.outcome, j.ranking, j.adjudicates,
  (SELECT COUNT(*) FROM feedback_flag f WHERE f.judgment_id = j.id AND f.settled_at IS NULL)
FROM feedback_comparison c
LEFT JOIN (feedback_judgment j JOIN feedback_rater r ON r.id = j.rater_id AND r.kind = 'human')
  ON j.comparison_id = c.id AND j."current"
WHERE c.id IN ({ids})
"""
_KEEP = """
UPDATE feedback_reviewitem SET verdicts = %s, agreement = %s, conflict = %s, let_stand = %s, asked = %s,
  flags = %s, returns = %s, "open" = %s
WHERE comparison_id = %s
"""


@dataclass
class _Said:
    """What people say of one comparison now."""

    measuring: bool
    retired: bool
    returns: int
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


def weigh_new(comparison_ids: Collection[int], *, project_id: int) -> None:
    """Make the rows of comparisons that this transaction has made, which have none yet."""
    said = _said(comparison_ids)
    items = [
        ReviewItem(comparison_id=pk, project_id=project_id, verdicts=0, agreement=1000, flags=0, returns=0)
        for pk in sorted(comparison_ids)
    ]
    for item in items:
        _weighed(item, said[item.pk])
    names = ("comparison_id", "project_id", *_KEPT)
    store_new(ReviewItem, names, ([getattr(item, name) for name in names] for item in items))


def lock_item(comparison: Comparison) -> ReviewItem:
    """This comparison's row, held until the transaction ends."""
    (item,) = _lock([comparison.pk])
    return item


def _lock(comparison_ids: Collection[int]) -> list[ReviewItem]:
    """The rows of these comparisons, made where there are none yet, in one order for everybody."""
    if not comparison_ids:
        return []
    found = rows(_LOCK.format(ids=places(comparison_ids)), list(comparison_ids))
    names = ("comparison_id", "project_id", *_KEPT)
    return [ReviewItem.from_db(connection.alias, names, row) for row in found]


def _weigh(items: Collection[ReviewItem]) -> None:
    said = _said([item.pk for item in items])
    changed = [item for item in items if _weighed(item, said[item.pk])]
    run_each(_KEEP, [[*(getattr(item, name) for name in _KEPT), item.pk] for item in changed])


def _said(comparison_ids: Collection[int]) -> dict[int, _Said]:
    said: dict[int, _Said] = {}
    found = rows(_SAID.format(ids=places(comparison_ids)), list(comparison_ids)) if comparison_ids else []
    for comparison, purpose, retired_at, returns, outcome, ranking, adjudicates, flags in found:
        about = said.setdefault(comparison, _Said(purpose in MEASURING, retired_at is not None, returns))
        about.flags += flags
        about.decided |= bool(adjudicates)
        if outcome == Outcome.RANKED and not adjudicates:
            about.rankings.append(_RANKING.to_python(ranking))
    return said


def _weighed(item: ReviewItem, said: _Said) -> bool:
    """Bring the row up to date; was it not?"""
    before = [getattr(item, name) for name in _KEPT]
    # On what measures people, they are many and told apart from the known answer: only flags matter there.
    rankings = [] if said.measuring else said.rankings
    agreement = agreement_in_thousandths(rankings)
    # Somebody changed the disagreement that a reviewer let stand.
    item.let_stand = item.let_stand and agreement == item.agreement
    item.verdicts, item.agreement = len(rankings), agreement
    item.conflict = agreement < 1000 and not said.decided and not item.let_stand
    item.flags, item.returns = said.flags, said.returns
    item.asked = item.asked and not said.decided
    wanted = item.conflict or item.asked or item.flags > 0
    item.open = wanted and not said.returns and not said.retired
    return before != [getattr(item, name) for name in _KEPT]
