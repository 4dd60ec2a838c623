"""What a judge is asked about a comparison, and the verdict that its replies come to.

Nothing is asked and nothing is stored here: calls go out by ``calls`` and verdicts in by ``feedback``.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid5

from feedback.actions.judgments import MachineVerdict
from feedback.answers import Verdict
from feedback.models import Comparison
from judges.actions.ledger import Call, StoredReply
from judges.core.combining import combine
from judges.core.providers import GRADER
from judges.core.rendering import JudgeText, render, requests_for
from judges.core.verdict import UNPARSEABLE, CallVerdict, read_verdict
from judges.models import Judge
from judges.queries import grader_item, judge_text

SUBMISSIONS = UUID("b3e1f6a0-5a6e-5c43-8d7e-0f6f3b1f9a52")  # namespace of the ids made for judges' verdicts


@dataclass(frozen=True)
class Questions:
    """One judge's way to ask. ``criteria`` holds the keys of the rubric's criteria by name."""

    judge: Judge
    text: JudgeText
    criteria: Mapping[str, int]

    @classmethod
    def of(cls, judge: Judge) -> "Questions":
        criteria = dict(judge.rubric.criteria.values_list("name", "pk"))
        return cls(judge=judge, text=judge_text(judge), criteria=criteria)

    def calls(self, comparison: Comparison) -> list[Call]:
        """One call an order and sample, more where the mode asks about pairs or responses alone.

        The comparison's prompt, slots and responses are read.
        """
        requests = requests_for(
            self.text,
            comparison.prompt.messages,
            [slot.response.text for slot in comparison.slots.all()],
            seed=comparison.content_sha256,
            reference=comparison.prompt.reference,
            item=self._item(comparison),
        )
        return [Call(comparison.pk, request, request.sha256()) for request in requests]

    @property
    def parse_retries(self) -> int:
        """How often a reply that does not parse is asked for again."""
        return self.judge.parse_retries

    def parses(self, call: Call, reply: StoredReply) -> bool:
        return read_verdict(call.request, *reply).outcome != UNPARSEABLE

    def another(self, comparison: Comparison, call: Call) -> Call:
        """The same question as another sample, of a number that none of the comparison's calls has."""
        request = render(
            self.text,
            comparison.prompt.messages,
            [slot.response.text for slot in comparison.slots.all()],
            shown=call.request.shown,
            sample=call.request.sample + self.judge.samples,
            reference=comparison.prompt.reference,
            item=self._item(comparison),
        )
        return Call(comparison.pk, request, request.sha256())

    def _item(self, comparison: Comparison) -> dict[str, Any] | None:
        return grader_item(comparison) if self.judge.provider == GRADER else None

    def verdict(
        self, comparison: Comparison, calls: Sequence[Call], replies: Mapping[str, StoredReply]
    ) -> MachineVerdict:
        """The verdict of the replies to all of ``calls``; ``replies`` holds each of them by the call's hash."""
        said = combine(self.text, [read_verdict(call.request, *replies[call.sha256]) for call in calls])
        hashes = ",".join(call.sha256 for call in calls)
        return MachineVerdict(
            comparison=comparison,
            submission_id=uuid5(SUBMISSIONS, f"{comparison.pk}:{hashes}"),
            verdict=self._stored_form(said),
            shown=said.shown,
        )

    def _stored_form(self, said: CallVerdict) -> Verdict:
        scores = {(self.criteria[name], position): level for (name, position), level in said.scores.items()}
        return Verdict(
            outcome=said.outcome,
            ranking=said.ranking,
            rationale=said.rationale,
            scores=scores,
            all_bad=said.all_bad,
        )
