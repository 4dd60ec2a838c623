"""Labels as columns: a million decisions with their reasons take a second, and a sentence is made once for all
alike."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np

from alignment.policy.chance import mixed
from alignment.policy.document import PolicyDocument
from alignment.statistics.verdicts import MISSING, Codes, Floats, Ranking

Decision = Literal["used", "routed", "dropped"]
DECISIONS: tuple[Decision, ...] = ("used", "routed", "dropped")
REASONS = (
    "people",
    "judges",
    "people_and_judges",
    "people_win",
    "adjudicated",
    "no_verdict",
    "no_trusted_verdict",
    "conflict",
    "low_confidence",
    "not_proven",
    "tie",
)
USED, ROUTED, DROPPED = range(3)


@dataclass(frozen=True)
class LabelDecision:
    """The policy's decision on one comparison, and why.

    ``ranking`` is there where the decision is used; ``confidence``, the chance that the likeliest ranking is right,
    wherever a verdict counted: for judges alone calibrated on people's verdicts, else the posterior. ``margin`` is the
    log odds of that ranking by the verdicts, before calibration. ``weight`` is the confidence where used and 0
    elsewhere. ``sources`` are the judgments that counted, for and against. ``reason`` is one of REASONS.
    """

    comparison: int
    decision: Decision
    ranking: Ranking | None
    confidence: float | None
    weight: float
    margin: float | None
    sources: tuple[int, ...]
    reason: str
    sentence: str


@dataclass(frozen=True)
class Labels:
    """The same for many, by ascending comparison id. ``ranking`` is an index into ``rankings``, the likeliest ranking
    whatever the decision, or MISSING; ``confidence`` and ``margin`` are NaN where there is none. ``people`` and
    ``judges`` count the verdicts of people and of trusted judges, ``threshold`` is what was asked of the confidence.
    ``sources[starts[i]:starts[i + 1]]`` are label i's, those of other judges that are heard among them, and ``raters``
    whose they are, -1 for a reviewer's.
    """

    document: PolicyDocument
    comparison_ids: Codes
    decision: Codes
    reason: Codes
    ranking: Codes
    rankings: list[Ranking]
    confidence: Floats
    margin: Floats
    threshold: Floats
    people: Codes
    judges: Codes
    starts: Codes
    sources: Codes
    raters: Codes

    def __len__(self) -> int:
        return len(self.comparison_ids)

    def __iter__(self) -> Iterator[LabelDecision]:
        sentences = self.sentences()
        return (self._one(index, sentences[index]) for index in range(len(self)))

    @property
    def weight(self) -> Floats:
        return np.where(self.decision == USED, np.nan_to_num(self.confidence), 0.0)

    def used_ranking(self) -> Codes:
        """The ranking of the labels that are used, MISSING elsewhere."""
        return np.where(self.decision == USED, self.ranking, MISSING)

    def digests(self, sources: Codes) -> Codes:
        """A number for each label that covers all it says; ``sources`` numbers its judgments in some way.

        Two labels that differ have the same one with a chance of 2⁻⁶⁴.
        """
        names = np.array([_text_number(",".join(map(str, ranking))) for ranking in self.rankings] + [0])
        sentences = self.sentences()
        said = {text: _text_number(text) for text in set(sentences)}
        label = np.repeat(np.arange(len(self)), np.diff(self.starts))
        total = np.zeros(len(self), dtype=np.uint64)
        np.add.at(total, label, mixed(sources.astype(np.uint64) + np.uint64(1)))
        columns = (
            names.astype(np.uint64)[self.used_ranking()],
            self.decision.astype(np.uint64),
            self.reason.astype(np.uint64),
            self.confidence.view(np.uint64),
            self.margin.view(np.uint64),
            np.array([said[text] for text in sentences], dtype=np.uint64),
        )
        for column in columns:
            total = mixed(total * np.uint64(31) + column)
        return total.view(np.int64)

    def sentences(self) -> list[str]:
        """A sentence for each label. Those of the same numbers, as it says them, are alike: so few are put together."""
        numbers = (_thousandths(self.confidence), _thousandths(self.threshold))
        counts = (self.people, self.judges, self._others)
        columns = (self.decision, self.reason, *counts, *(number + 1 for number in numbers))
        key = np.zeros(len(self), dtype=np.int64)
        for column in columns:
            key = key * (int(column.max(initial=0)) + 1) + column
        _, first, index = np.unique(key, return_index=True, return_inverse=True)
        others = self._others[first].tolist()
        said = [self._sentence(at, heard) for at, heard in zip(first.tolist(), others, strict=True)]
        return [said[place] for place in index.tolist()]

    @property
    def _others(self) -> Codes:
        """How many judges are heard besides those that are trusted."""
        others: Codes = np.maximum(np.diff(self.starts) - self.people - self.judges, 0)
        return others

    def _one(self, index: int, sentence: str) -> LabelDecision:
        used = self.decision[index] == USED
        confidence, margin = float(self.confidence[index]), float(self.margin[index])
        return LabelDecision(
            comparison=int(self.comparison_ids[index]),
            decision=DECISIONS[self.decision[index]],
            ranking=self.rankings[self.ranking[index]] if used else None,
            confidence=None if np.isnan(confidence) else confidence,
            weight=confidence if used else 0.0,
            margin=None if np.isnan(margin) else margin,
            sources=tuple(self.sources[self.starts[index] : self.starts[index + 1]].tolist()),
            reason=REASONS[self.reason[index]],
            sentence=sentence,
        )

    def _sentence(self, index: int, others: int) -> str:
        reason, decision = REASONS[self.reason[index]], DECISIONS[self.decision[index]]
        action = {"routed": "it goes to people", "dropped": "it is dropped"}.get(decision, "")
        counted = _counted(int(self.people[index]), int(self.judges[index]), others)
        confidence, threshold = (
            _thousandths(column[index : index + 1])[0] / 1000 for column in (self.confidence, self.threshold)
        )
        sure = f"a confidence of {confidence:.3f}"
        if reason == "conflict" and self.document.conflict == "adjudicate":
            action = "a reviewer decides"
        if reason == "low_confidence":
            asked = f"the policy's {threshold:.3f}"
            return f"{counted} leave {sure}, below {asked} or without one side ahead: {action}."
        if reason == "not_proven":
            share = f"{100 * (self.document.max_error or 0):g}%"
            return (
                f"{counted} would say so with {sure}, but it is not shown that people contradict at most {share} "
                f"of such labels: {action}."
            )
        fixed = {
            "no_verdict": f"Nobody who counts gave a verdict: {action}.",
            "no_trusted_verdict": f"Only raters that do not count here gave a verdict: {action}.",
            "conflict": f"The trusted judges contradict the majority of people: {action}.",
            "adjudicated": "A reviewer decided it.",
        }
        if reason == "tie":
            by = "A reviewer decided on a tie" if not counted else f"A tie by {counted}"
            return f"{by}, and the policy drops ties."
        return fixed.get(reason) or f"By {counted}, with {sure}."


def _counted(people: int, judges: int, others: int) -> str:
    beside = f" in view of {others} {'other' if others == 1 else 'others'}" if others else ""
    said = (
        (people, f"{people} {'person' if people == 1 else 'people'}"),
        (judges, f"{judges} trusted {'judge' if judges == 1 else 'judges'}{beside}"),
    )
    return " and ".join(text for number, text in said if number)


def _thousandths(values: Floats) -> Codes:
    """Shares in thousandths, -1 where there is none."""
    known = np.isfinite(values)
    return np.where(known, np.round(np.where(known, values, 0.0) * 1000), -1).astype(np.int64)


def _text_number(text: str) -> int:
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "little")
