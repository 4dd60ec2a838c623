"""The policy at work: judgments and certificates become labels with reasons, which decides what may train.

A judge counts on a comparison when it is trusted on every slice (tag) that the comparison belongs to. Its
certificate on a slice speaks for that slice; where it has none there, or the comparison has no tag, its
certificate on ALL speaks; without either it is not trusted. People always count. Where a reviewer decided a
comparison, after seeing what the others said, that decision stands alone.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

import numpy as np

from alignment.policy.certificates import Certificate
from alignment.policy.document import PolicyDocument
from alignment.policy.verdicts import ALL, Mask, Verdicts
from alignment.statistics.aggregation import consensus, fit_one_coin, majority_vote, split_rankings
from alignment.statistics.verdicts import MISSING, Codes, Floats, Ranking

Decision = Literal["used", "routed", "dropped"]


@dataclass(frozen=True)
class LabelDecision:
    """The policy's decision on one comparison, and why.

    ``ranking`` is there where the decision is used; ``confidence``, the chance that the likeliest ranking is
    right, wherever a verdict counted; ``weight`` is that confidence where used and 0 elsewhere. ``sources``
    are the judgments that counted, for and against. ``reason`` is one of people, judges, people_and_judges,
    people_win and adjudicated (used), no_verdict, no_trusted_verdict, conflict, low_confidence and tie.
    """

    comparison: int
    decision: Decision
    ranking: Ranking | None
    confidence: float | None
    weight: float
    sources: tuple[int, ...]
    reason: str
    sentence: str


@dataclass(frozen=True)
class Adjudication:
    """A reviewer's decision on one comparison: no vote among others, but final."""

    comparison: int
    judgment: int
    ranking: Ranking


@dataclass(frozen=True)
class _Counted:
    """The verdicts that count, as columns; ``comparison`` indexes comparisons in the order of their ids."""

    comparison: Codes
    rater: Codes
    verdict: Codes
    person: Mask
    judgment: Codes

    def where(self, kept: Mask) -> _Counted:
        return _Counted(
            self.comparison[kept],
            self.rater[kept],
            self.verdict[kept],
            self.person[kept],
            self.judgment[kept],
        )


def decide(
    document: PolicyDocument,
    certificates: Iterable[Certificate],
    verdicts: Verdicts,
    adjudications: Iterable[Adjudication] = (),
) -> list[LabelDecision]:
    """Label every comparison, in the order of their ids, whatever the order in which the columns hold them.

    Verdicts of people and trusted judges are weighed by their raters' accuracies, which one-coin Dawid–Skene
    estimates over the whole project. What was adjudicated, at most once each, is as the reviewer decided, whether or
    not anybody else judged it. ValueError where rankings of one comparison differ in length.
    """
    final = {case.comparison: _final(document, case) for case in adjudications}
    by_votes = _by_votes(document, certificates, verdicts)
    others = (decision for decision in by_votes if decision.comparison not in final)
    return sorted([*others, *final.values()], key=lambda decision: decision.comparison)


def _final(document: PolicyDocument, case: Adjudication) -> LabelDecision:
    """The reviewer's ranking, taken as certain; whether a tie can be used is still the policy's to say."""
    drops = document.ties == "drop" and len(set(case.ranking)) == 1
    return LabelDecision(
        comparison=case.comparison,
        decision="dropped" if drops else "used",
        ranking=None if drops else case.ranking,
        confidence=1.0,
        weight=0.0 if drops else 1.0,
        sources=(case.judgment,),
        reason="tie" if drops else "adjudicated",
        sentence="A reviewer decided on a tie, and the policy drops ties."
        if drops
        else "A reviewer decided it.",
    )


def _by_votes(
    document: PolicyDocument, certificates: Iterable[Certificate], verdicts: Verdicts
) -> list[LabelDecision]:
    order = np.argsort(verdicts.comparison_ids, kind="stable")
    n = verdicts.count
    counted = _counted(verdicts, certificates, np.argsort(order))
    conflict = _conflicts(counted, n)
    split = split_rankings(counted.comparison, counted.verdict, verdicts.rankings, n)
    model = fit_one_coin(split.pairs, counted.rater[split.rows], split.labels, len(verdicts.people))
    if document.conflict == "people_win":
        counted = counted.where(counted.person | ~conflict[counted.comparison])
        split = split_rankings(counted.comparison, counted.verdict, verdicts.rankings, n)
    best = consensus(model, counted.comparison, counted.rater, counted.verdict, split, n)
    judged = np.bincount(verdicts.comparison[verdicts.verdict != MISSING], minlength=n)[order] > 0
    return _write(document, verdicts, order, counted, conflict, judged, best.codes, best.confidence)


def _counted(verdicts: Verdicts, certificates: Iterable[Certificate], place: Codes) -> _Counted:
    person = verdicts.people[verdicts.rater]
    trusted = _trusted(verdicts, certificates)
    rows = np.flatnonzero((verdicts.verdict != MISSING) & (person | trusted))
    rows = rows[np.lexsort((verdicts.rater[rows], place[verdicts.comparison[rows]]))]
    return _Counted(
        comparison=place[verdicts.comparison[rows]],
        rater=verdicts.rater[rows],
        verdict=verdicts.verdict[rows],
        person=person[rows],
        judgment=verdicts.judgment_ids[rows],
    )


def _trusted(verdicts: Verdicts, certificates: Iterable[Certificate]) -> Mask:
    """By judgment: does it come from a judge that is trusted there?"""
    known = {(certificate.judge, certificate.slice): certificate.trusted for certificate in certificates}
    tags = {name: mask for name, mask in verdicts.slices.items() if name != ALL}
    untagged = ~np.logical_or.reduce([np.zeros(verdicts.count, dtype=np.bool_), *tags.values()])
    trusted = np.zeros(len(verdicts.rater), dtype=np.bool_)
    for judge in {judge for judge, _ in known}:
        overall = known.get((judge, ALL), False)
        refused = untagged & ~np.bool_(overall)
        for name, mask in tags.items():
            if not known.get((judge, name), overall):
                refused |= mask
        rows = verdicts.rater == judge
        trusted[rows] = ~refused[verdicts.comparison[rows]]
    return trusted


def _conflicts(counted: _Counted, n: int) -> Mask:
    """Where a majority of two people or more gives one ranking, and a majority of the judges another."""
    people, judges = counted.where(counted.person), counted.where(~counted.person)
    by_people = majority_vote(people.comparison, people.verdict, n)
    by_judges = majority_vote(judges.comparison, judges.verdict, n)
    several = np.bincount(people.comparison, minlength=n) > 1
    conflict: Mask = several & (by_people != by_judges) & (by_people != MISSING) & (by_judges != MISSING)
    return conflict


def _write(
    document: PolicyDocument,
    verdicts: Verdicts,
    order: Codes,
    counted: _Counted,
    conflict: Mask,
    judged: Mask,
    codes: Codes,
    confidence: Floats,
) -> list[LabelDecision]:
    people = np.bincount(counted.comparison[counted.person], minlength=len(order)).tolist()
    ends = np.searchsorted(counted.comparison, np.arange(len(order) + 1)).tolist()
    judgments = counted.judgment.tolist()
    decisions = []
    columns = (verdicts.comparison_ids[order], codes, np.round(confidence, 9), conflict, judged)
    for index, (comparison, code, sure, contradicted, has_verdict) in enumerate(
        zip(*(column.tolist() for column in columns), strict=True)
    ):
        sources = tuple(sorted(judgments[ends[index] : ends[index + 1]]))
        ranking = None if code == MISSING else verdicts.rankings[code]
        case = _Case(ranking, sure, contradicted, has_verdict, people[index], len(sources) - people[index])
        decision, reason, sentence = _rule(document, case)
        used = decision == "used"
        decisions.append(
            LabelDecision(
                comparison=comparison,
                decision=decision,
                ranking=ranking if used else None,
                confidence=None if ranking is None else sure,
                weight=sure if used else 0.0,
                sources=sources,
                reason=reason,
                sentence=sentence,
            )
        )
    return decisions


@dataclass(frozen=True, slots=True)
class _Case:
    """What the rules look at in one comparison."""

    ranking: Ranking | None
    confidence: float
    conflict: bool
    judged: bool
    people: int
    judges: int

    @property
    def counted(self) -> str:
        people = f"{self.people} {'person' if self.people == 1 else 'people'}"
        judges = f"{self.judges} trusted {'judge' if self.judges == 1 else 'judges'}"
        return " and ".join(text for text, number in ((people, self.people), (judges, self.judges)) if number)


_ACTIONS: dict[str, tuple[Decision, str]] = {
    "route": ("routed", "it goes to people"),
    "drop": ("dropped", "it is dropped"),
}


def _rule(document: PolicyDocument, case: _Case) -> tuple[Decision, str, str]:
    """The decision, its reason and its sentence: the first rule that applies."""
    if case.ranking is None:
        decision, action = _ACTIONS[document.unjudged]
        if case.judged:
            return decision, "no_trusted_verdict", f"Only judges not trusted here gave a verdict: {action}."
        return decision, "no_verdict", f"Nobody gave a verdict: {action}."
    if case.conflict and document.conflict != "people_win":
        decision, action = _ACTIONS[document.conflict]
        return decision, "conflict", f"The trusted judges contradict the majority of people: {action}."
    if case.confidence < document.min_confidence:
        return (
            "routed",
            "low_confidence",
            (
                f"{case.counted} leave a confidence of {case.confidence:.3f}, "
                f"below the policy's {document.min_confidence:.3f}: it goes to people."
            ),
        )
    if document.ties == "drop" and len(set(case.ranking)) == 1:
        return "dropped", "tie", f"A tie by {case.counted}, and the policy drops ties."
    return "used", _used(case), f"By {case.counted}, with a confidence of {case.confidence:.3f}."


def _used(case: _Case) -> str:
    if case.conflict:
        return "people_win"
    if case.people and case.judges:
        return "people_and_judges"
    return "people" if case.people else "judges"
