"""The rows of the reviewers' queue, kept beside every judgment: what people's current judgments add up to.

Each change locks the comparison's row first and only then reads the judgments, so that of two people who answer at the
same moment the second sees the first, and no disagreement goes unnoticed.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from django.db import connection

from feedback.actions.copying import store_new
from feedback.models import MEASURING, Comparison, Judgment, Outcome, Return, ReviewItem
from feedback.models.fields import IntTupleField
from feedback.rankings import Ranking, agreement_in_thousandths
from feedback.statements import places, rows, run_each

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
class Said:
    """What people say of one comparison now."""

    measuring: bool
    retired: bool = False
    returns: int = 0
    rankings: list[Ranking] = field(default_factory=list)
    flags: int = 0
    decided: bool = False

    def add(self, outcome: str | None, ranking: Ranking, adjudicates: bool, flags: int) -> None:
        """One more current judgment, with so many flags that are open."""
        self.flags += flags
        self.decided |= adjudicates
        if outcome == Outcome.RANKED and not adjudicates:
            self.rankings.append(ranking)


class _Kept(NamedTuple):
    """What a row keeps of that, beside the comparison and its project; these values where nobody has said anything."""

    verdicts: int = 0
    agreement: int = 1000
    conflict: bool = False
    let_stand: bool = False
    asked: bool = False
    flags: int = 0
    returns: int = 0
    open: bool = False


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


def weigh_new(said: Mapping[int, Said], *, project_id: int) -> None:
    """Make the rows of comparisons that this transaction has made, which have none yet, by what people say of each."""
    store_new(
        ReviewItem,
        ("comparison_id", "project_id", *_Kept._fields),
        ([pk, project_id, *_weighed(_Kept(), of)] for pk, of in sorted(said.items())),
    )


def lock_item(comparison: Comparison) -> ReviewItem:
    """This comparison's row, held until the transaction ends."""
    (item,) = _lock([comparison.pk])
    return item


def _lock(comparison_ids: Collection[int]) -> list[ReviewItem]:
    """The rows of these comparisons, made where there are none yet, in one order for everybody."""
    if not comparison_ids:
        return []
    found = rows(_LOCK.format(ids=places(comparison_ids)), list(comparison_ids))
    names = ("comparison_id", "project_id", *_Kept._fields)
    return [ReviewItem.from_db(connection.alias, names, row) for row in found]


def _weigh(items: Collection[ReviewItem]) -> None:
    said = _said([item.pk for item in items])
    before = {item.pk: _Kept(*(getattr(item, name) for name in _Kept._fields)) for item in items}
    now = {pk: _weighed(kept, said[pk]) for pk, kept in before.items()}
    run_each(_KEEP, [[*kept, pk] for pk, kept in now.items() if kept != before[pk]])


def _said(comparison_ids: Collection[int]) -> dict[int, Said]:
    said: dict[int, Said] = {}
    found = rows(_SAID.format(ids=places(comparison_ids)), list(comparison_ids)) if comparison_ids else []
    for comparison, purpose, retired_at, returns, outcome, ranking, adjudicates, flags in found:
        about = said.setdefault(comparison, Said(purpose in MEASURING, retired_at is not None, returns))
        about.add(outcome, _RANKING.to_python(ranking), bool(adjudicates), flags)
    return said


def _weighed(before: _Kept, said: Said) -> _Kept:
    """What the row says now."""
    # On what measures people, they are many and told apart from the known answer: only flags matter there.
    rankings = [] if said.measuring else said.rankings
    agreement = agreement_in_thousandths(rankings)
    # Somebody changed the disagreement that a reviewer let stand.
    let_stand = before.let_stand and agreement == before.agreement
    conflict = agreement < 1000 and not said.decided and not let_stand
    asked = before.asked and not said.decided
    wanted = conflict or asked or said.flags > 0
    return _Kept(
        verdicts=len(rankings),
        agreement=agreement,
        conflict=conflict,
        let_stand=let_stand,
        asked=asked,
        flags=said.flags,
        returns=said.returns,
        open=wanted and not said.returns and not said.retired,
    )
