"""An assignment as its answer finds it, and what its person had said of the comparison by then."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import connection

from feedback.models import MEASURING, Judgment, Outcome, Rater
from feedback.models.fields import IntTupleField
from feedback.statements import rows, run, stored

_SHOWN = IntTupleField()
_ASSIGNMENT = """
SELECT id, shown, expires_at IS NOT NULL, done_at IS NOT NULL FROM feedback_assignment
WHERE comparison_id = %s AND rater_id = %s {lock}
"""
# Asked once the assignment is locked: whoever puts gold back into the queue counts the leases that are open, and so
# waits for this answer, or has changed the purpose by now.
_SAID = """
SELECT c.purpose,
  (SELECT j.outcome FROM feedback_judgment j
   WHERE j.comparison_id = c.id AND j.rater_id = %(rater)s AND j."current" AND NOT j.adjudicates),
  EXISTS (SELECT 1 FROM feedback_judgment j WHERE j.comparison_id = c.id AND j.rater_id = %(rater)s)
FROM feedback_comparison c WHERE c.id = %(comparison)s
"""
_STORED = "SELECT id FROM feedback_judgment WHERE rater_id = %s AND submission_id = %s"
_DONE = "UPDATE feedback_assignment SET done_at = %s WHERE id = %s"


@dataclass(frozen=True)
class Given:
    """``standing`` is the outcome of the person's own current judgment; ``met`` says whether they ever gave any."""

    assignment: int
    shown: tuple[int, ...]
    leased: bool
    done: bool
    measuring: bool
    standing: str | None
    met: bool

    @property
    def holds_slot(self) -> bool:
        """An open lease does, and one that a verdict ended; not one that lapsed, was given back or skipped."""
        return self.standing not in (None, Outcome.SKIPPED) if self.done else self.leased


def locked(rater: Rater, comparison_id: int) -> Given | None:
    """The person's assignment of this comparison, held until the transaction ends; None where they have none."""
    lock = "FOR UPDATE" if connection.vendor == "postgresql" else ""
    found = rows(_ASSIGNMENT.format(lock=lock), [comparison_id, rater.pk])
    if not found:
        return None
    ((number, shown, leased, done),) = found
    ((purpose, standing, met),) = rows(_SAID, {"rater": rater.pk, "comparison": comparison_id})
    return Given(
        assignment=number,
        shown=_SHOWN.to_python(shown),
        leased=bool(leased),
        done=bool(done),
        measuring=purpose in MEASURING,
        standing=standing,
        met=bool(met),
    )


def stored_before(rater: Rater, submission_id: UUID) -> Judgment | None:
    """What this submission was stored as, if it came before."""
    number: Any = Judgment._meta.get_field("submission_id")
    found = rows(_STORED, [rater.pk, number.get_db_prep_value(submission_id, connection)])
    return Judgment.objects.get(pk=found[0][0]) if found else None


def finish(given: Given, at: datetime) -> None:
    """End the assignment: it is answered."""
    run(_DONE, [stored(at), given.assignment])
