"""The pairs of an evaluation: a model's response beside its base's, with what the judges said of them.

Two identical responses are a tie whatever anybody says. Of several judges the majority decides; where no
verdict has more votes than every other, or nobody gave one, the pair has none: it is left out and counted.
"""

from collections import Counter
from collections.abc import Iterator
from typing import NamedTuple

from alignment.statistics.verdicts import FIRST, MISSING, SECOND, TIE
from feedback.models import Comparison, Judgment, Outcome, Prompt
from trainer.models import Evaluation


class Pair(NamedTuple):
    """``verdict`` is FIRST where the model wins, SECOND where the base does, TIE, or MISSING."""

    comparison_id: int
    prompt: Prompt
    model_text: str
    base_text: str
    votes: int
    verdict: int

    @property
    def outcome(self) -> str:
        return {FIRST: "win", SECOND: "loss", TIE: "tie"}.get(self.verdict, "split" if self.votes else "none")


def pairs_of(evaluation: Evaluation) -> Iterator[Pair]:
    """Every pair, in a fixed order."""
    rankings = _rankings(evaluation)
    comparisons = evaluation.comparisons.select_related("prompt").prefetch_related("slots__response")
    for comparison in comparisons.order_by("pk"):
        yield _pair(evaluation.model_version.name, comparison, rankings.get(comparison.pk, []))


def majority(verdicts: list[int]) -> int:
    """The verdict with the most votes; MISSING where there is none, or where the first place is shared."""
    first = Counter(verdicts).most_common(2)
    if not first or (len(first) == 2 and first[0][1] == first[1][1]):
        return MISSING
    return first[0][0]


def _rankings(evaluation: Evaluation) -> dict[int, list[tuple[int, ...]]]:
    """The judges' current rankings of each comparison."""
    found: dict[int, list[tuple[int, ...]]] = {}
    judgments = Judgment.objects.filter(
        comparison__in=evaluation.comparisons.all(),
        rater__judge__in=evaluation.judges.all(),
        current=True,
        outcome=Outcome.RANKED,
    )
    for comparison_id, ranking in judgments.values_list("comparison_id", "ranking"):
        found.setdefault(comparison_id, []).append(ranking)
    return found


def _pair(model: str, comparison: Comparison, rankings: list[tuple[int, ...]]) -> Pair:
    slots = {slot.response.source == model: slot for slot in comparison.slots.all()}
    texts = slots[True].response.text, slots[False].response.text
    ours, theirs = slots[True].position, slots[False].position
    votes = [_vote(ranking[ours], ranking[theirs]) for ranking in rankings]
    verdict = TIE if texts[0] == texts[1] else majority(votes)
    return Pair(comparison.pk, comparison.prompt, *texts, len(votes), verdict)


def _vote(our_rank: int, their_rank: int) -> int:
    if our_rank == their_rank:
        return TIE
    return FIRST if our_rank < their_rank else SECOND
