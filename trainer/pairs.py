"""The pairs of an evaluation: a model's response beside its base's, with what everybody said of them.

Two identical responses are a tie whatever anybody says. Of several judges the majority decides; where no
verdict has more votes than every other, or nobody gave one, the pair has none: it is left out and counted.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from operator import itemgetter
from types import MappingProxyType
from typing import NamedTuple

from alignment.statistics.verdicts import FIRST, MISSING, SECOND, TIE
from feedback.models import Comparison, Judgment, Outcome, Prompt, RaterKind
from trainer.drawing import shuffled
from trainer.models import Evaluation

_NOBODY: Mapping[str, int] = MappingProxyType({})
CREDIT = {FIRST: 1.0, SECOND: 0.0, TIE: 0.5}


Rankings = Mapping[str, Sequence[tuple[str, tuple[int, ...]]]]
"""By kind of rater: the rater's name and its ranking."""


class Pair(NamedTuple):
    """``verdict`` is the judges': FIRST where the model wins, SECOND where the base does, TIE, or MISSING.

    ``number`` and ``sample`` are of the prompt and its sample; ``judges`` and ``rewards`` are verdicts by rater,
    ``people`` a verdict a person. ``sampled`` says that the pair was drawn to be shown to people.
    """

    comparison_id: int
    prompt: Prompt
    model_text: str
    base_text: str
    votes: int
    verdict: int
    number: int = 0
    sample: int = 0
    tags: frozenset[str] = frozenset()
    judges: Mapping[str, int] = _NOBODY
    rewards: Mapping[str, int] = _NOBODY
    people: Sequence[int] = ()
    sampled: bool = False

    @property
    def outcome(self) -> str:
        return {FIRST: "win", SECOND: "loss", TIE: "tie"}.get(self.verdict, "split" if self.votes else "none")

    @property
    def identical(self) -> bool:
        return self.model_text == self.base_text

    @property
    def judged(self) -> float | None:
        """The judges' credit: 1, ½ or 0; None without a majority."""
        return CREDIT.get(self.verdict)

    @property
    def by_people(self) -> float | None:
        """People's mean credit; identical responses that were drawn for them are a tie that nobody need confirm."""
        if self.identical:
            return 0.5 if self.sampled else None
        return sum(CREDIT[said] for said in self.people) / len(self.people) if self.people else None

    @property
    def lead(self) -> float:
        """From −½, everybody preferred the base, to ½: the mean over people, judges and reward models."""
        said = [*self.people, *self.judges.values(), *self.rewards.values()]
        return sum(CREDIT[each] for each in said) / len(said) - 0.5 if said else 0.0


def pairs_of(evaluation: Evaluation) -> Iterator[Pair]:
    """Every pair, in a fixed order."""
    said = _verdicts(evaluation)
    drawn = set(drawn_for_people(evaluation))
    comparisons = evaluation.comparisons.select_related("prompt").prefetch_related("slots__response", "tags")
    for comparison in comparisons.order_by("pk"):
        yield _pair(
            evaluation.model_version.name, comparison, said.get(comparison.pk), comparison.pk in drawn
        )


def drawn_for_people(evaluation: Evaluation) -> list[int]:
    """The random pairs that people are asked about, the same ones each time: by a hash of seed and pair."""
    if not evaluation.people_pairs:
        return []
    keys = evaluation.comparisons.values_list("pk", "external_id")
    drawn = shuffled(keys, evaluation.seed, itemgetter(1))
    return sorted(pk for pk, _ in drawn[: evaluation.people_pairs])


def majority(verdicts: list[int]) -> int:
    """The verdict with the most votes; MISSING where there is none, or where the first place is shared."""
    first = Counter(verdicts).most_common(2)
    if not first or (len(first) == 2 and first[0][1] == first[1][1]):
        return MISSING
    return first[0][0]


def _verdicts(evaluation: Evaluation) -> dict[int, dict[str, list[tuple[str, tuple[int, ...]]]]]:
    """The current rankings of each comparison by those who were asked, by kind of rater."""
    judges = set(evaluation.judges.values_list("pk", flat=True))
    scorers = set(evaluation.reward_models.values_list("name", flat=True))
    judgments = Judgment.objects.filter(
        comparison__in=evaluation.comparisons.all(), current=True, adjudicates=False, outcome=Outcome.RANKED
    )
    rows = judgments.order_by("pk").values_list(
        "comparison_id", "rater_id", "rater__kind", "rater__name", "ranking"
    )
    found: dict[int, dict[str, list[tuple[str, tuple[int, ...]]]]] = {}
    for comparison_id, rater_id, kind, name, ranking in rows:
        asked = (
            kind == RaterKind.HUMAN
            or rater_id in judges
            or (kind == RaterKind.REWARD_MODEL and name in scorers)
        )
        if asked:
            kinds = found.setdefault(comparison_id, {})
            kinds.setdefault("judge" if rater_id in judges else kind, []).append((name, ranking))
    return found


def _pair(model: str, comparison: Comparison, said: Rankings | None, sampled: bool) -> Pair:
    slots = {slot.response.source == model: slot for slot in comparison.slots.all()}
    texts = slots[True].response.text, slots[False].response.text
    ours, theirs = slots[True].position, slots[False].position
    votes = {
        kind: [(name, _vote(ranking[ours], ranking[theirs])) for name, ranking in rows]
        for kind, rows in (said or {}).items()
    }
    judges = dict(votes.get("judge", ()))
    verdict = TIE if texts[0] == texts[1] else majority(list(judges.values()))
    index, sample = comparison.external_id.split("/")[-2:]
    return Pair(
        comparison.pk,
        comparison.prompt,
        *texts,
        len(judges),
        verdict,
        int(index),
        int(sample),
        frozenset(tag.name for tag in comparison.tags.all()),
        judges,
        dict(votes.get(RaterKind.REWARD_MODEL, ())),
        [vote for _, vote in votes.get(RaterKind.HUMAN, ())],
        sampled,
    )


def _vote(our_rank: int, their_rank: int) -> int:
    if our_rank == their_rank:
        return TIE
    return FIRST if our_rank < their_rank else SECOND
