"""What is left of a run, a few comparisons at a time, with the replies that are stored already.

A reply that does not parse is asked again as another sample, at most as often as the judge allows; the one that
parses counts, or the last. Live and batched runs read the same cases, so they ask the same.
"""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field

from django.db.models import QuerySet

from feedback.actions.judgments import MachineVerdict
from feedback.models import Comparison
from judges.actions.ledger import Call, StoredReply
from judges.actions.questions import Questions
from judges.models import JudgeCall, JudgeRun
from judges.queries import comparisons_left

BATCH = 100  # comparisons read at once


@dataclass
class Case:
    """One comparison: its calls as they count now, and what is known of them by hash.

    ``reused``: replies that this run did not pay for; ``failed``: calls it does not ask again by itself.
    """

    questions: Questions
    comparison: Comparison
    calls: list[Call]
    replies: dict[str, StoredReply] = field(default_factory=dict)
    failed: set[str] = field(default_factory=set)
    reused: set[str] = field(default_factory=set)
    again: int = 0

    @property
    def missing(self) -> list[Call]:
        return [call for call in self.calls if call.sha256 not in self.replies]

    @property
    def has_failed(self) -> bool:
        return any(call.sha256 in self.failed for call in self.calls)

    def ask_again(self) -> bool:
        """Once all calls have replies: put another sample in the place of each that does not parse. False: no more."""
        if self.again >= self.questions.parse_retries:
            return False
        unread = [call for call in self.calls if not self.questions.parses(call, self.replies[call.sha256])]
        if not unread:
            return False
        self.again += 1
        self.calls = [
            self.questions.another(self.comparison, call) if call in unread else call for call in self.calls
        ]
        return True

    def verdict(self) -> MachineVerdict:
        return self.questions.verdict(self.comparison, self.calls, self.replies)

    def paid_before(self) -> int:
        """How many of the replies were there before the run."""
        return len({call.sha256 for call in self.calls} & self.reused)


def cases_left(run: JudgeRun, questions: Questions) -> Iterator[list[Case]]:
    """What is left, in order of primary key, each comparison once; failed ones too."""
    return cases_of(comparisons_left(run), run, questions)


def cases_of(comparisons: QuerySet[Comparison], run: JudgeRun, questions: Questions) -> Iterator[list[Case]]:
    """These comparisons, BATCH at a time."""
    rows = comparisons.select_related("prompt").prefetch_related("slots__response").order_by("pk")
    last = 0
    while batch := list(rows.filter(pk__gt=last)[:BATCH]):
        cases = [Case(questions, comparison, questions.calls(comparison)) for comparison in batch]
        _look_up(cases, run)
        yield cases
        last = batch[-1].pk


def _look_up(cases: Sequence[Case], run: JudgeRun) -> None:
    """Fill in what is stored, other samples of what does not parse included."""
    unknown = list(cases)
    while unknown:
        _fill_in(unknown, run)
        unknown = [case for case in unknown if not case.missing and case.ask_again()]


def _fill_in(cases: Sequence[Case], run: JudgeRun) -> None:
    hashes = {call.sha256 for case in cases for call in case.missing}
    replies, failed, reused = _stored(hashes, run)
    for case in cases:
        own = {call.sha256 for call in case.calls}
        case.replies |= {sha256: replies[sha256] for sha256 in own & set(replies)}
        case.failed |= own & failed
        case.reused |= own & reused


def _stored(hashes: Collection[str], run: JudgeRun) -> tuple[dict[str, StoredReply], set[str], set[str]]:
    """Replies by hash, what failed in this run, and which replies are not of it. Any judge's of the project will do."""
    rows = JudgeCall.objects.filter(judge__project=run.judge.project_id, request_sha256__in=hashes)
    replies, failed, reused = {}, set(), set()
    for sha256, run_id, answered_at, reply, stop_reason, failure in rows.values_list(
        "request_sha256", "run", "answered_at", "reply", "stop_reason", "failure"
    ):
        if answered_at is not None:
            replies[sha256] = StoredReply(reply, stop_reason)
            if run_id != run.pk:
                reused.add(sha256)
        elif failure and run_id == run.pk:
            failed.add(sha256)
    return replies, failed - set(replies), reused
