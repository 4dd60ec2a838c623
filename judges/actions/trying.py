"""A judge is tried on a few comparisons before a run is paid for; its replies are kept, so that the run has them."""

from collections.abc import Callable, Mapping, Sequence

from feedback.models import Comparison
from feedback.people import Person
from judges.actions.calls import StoredReply, ask
from judges.actions.cases import Case
from judges.actions.ledger import Call
from judges.actions.questions import Questions
from judges.models import Judge, JudgeCall

Rows = Mapping[str, JudgeCall]


def try_out(*, judge: Judge, comparisons: Sequence[Comparison], by: Person) -> None:
    """Ask all that is missing about these comparisons, and again what can not be read, as often as the judge allows.

    No verdict is stored: that is for runs. Refused: see ``ask``.
    """

    def asked(calls: Sequence[Call]) -> Rows:
        rows = ask(judge=judge, requests=[call.request for call in calls], by=by)
        return {row.request_sha256: row for row in rows}

    questions = Questions.of(judge)
    complete([Case(questions, comparison, questions.calls(comparison)) for comparison in comparisons], asked)


def complete(cases: Sequence[Case], look: Callable[[Sequence[Call]], Rows]) -> dict[str, JudgeCall]:
    """Fill in the replies of the rows that ``look`` gives for calls, other samples of what can not be read included.

    All rows that were met, by hash.
    """
    met: dict[str, JudgeCall] = {}
    waiting = list(cases)
    while waiting:
        rows = look([call for case in waiting for call in case.missing])
        met |= rows
        for case in waiting:
            found = [rows[call.sha256] for call in case.missing if call.sha256 in rows]
            case.replies |= {
                row.request_sha256: StoredReply(row.reply, row.stop_reason)
                for row in found
                if row.answered_at
            }
        waiting = [case for case in waiting if not case.missing and case.ask_again()]
    return met
