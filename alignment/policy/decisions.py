"""The policy at work: judgments and what was learnt from them become labels with reasons, which decides what may train.

Where a reviewer decided a comparison, after seeing what the others said, that decision stands alone.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from alignment.policy.basis import NOT_SHOWN, Basis
from alignment.policy.certificates import trusted_rows
from alignment.policy.combining import Counted, combine, count
from alignment.policy.document import PolicyDocument
from alignment.policy.guarantee import on_their_word, rounded
from alignment.policy.labels import DROPPED, REASONS, ROUTED, USED, Labels
from alignment.policy.verdicts import ALL, Adjudication, Mask, Verdicts
from alignment.statistics.aggregation import Consensus, majority_vote
from alignment.statistics.verdicts import MISSING, Codes, Floats, Ranking

_OUTCOMES = {"route": ROUTED, "adjudicate": ROUTED, "drop": DROPPED}
_COLUMNS = (
    "comparison_ids",
    "decision",
    "reason",
    "ranking",
    "confidence",
    "margin",
    "threshold",
    "people",
    "judges",
)
_REASON = {name: index for index, name in enumerate(REASONS)}


def decide(
    document: PolicyDocument,
    basis: Basis,
    verdicts: Verdicts,
    adjudications: Iterable[Adjudication] = (),
) -> Labels:
    """Label every comparison, whatever the order in which the columns hold them.

    What was adjudicated, at most once each, is as the reviewer decided, whether or not anybody else judged it.
    ValueError where rankings of one comparison differ in length.
    """
    wanted = {
        name: mask
        for name, mask in verdicts.slices.items()
        if name != ALL and (document.slices is None or name in document.slices)
    }
    sliced = replace(verdicts, slices=wanted)
    person = (sliced.verdict != MISSING) & sliced.people[sliced.rater] & basis.counts(sliced)[sliced.rater]
    by_people = np.bincount(sliced.comparison[person], minlength=sliced.count) > 0
    trusted = (sliced.verdict != MISSING) & trusted_rows(basis.certificates, sliced)
    counted = count(document, sliced, (person | trusted) & by_people[sliced.comparison], basis.families)
    alone = on_their_word(document, sliced, basis.certificates, basis.families, ~by_people)
    conflict = _conflicts(counted, sliced.count)
    if document.conflict == "people_win":
        counted = counted.where(counted.person | ~conflict[counted.comparison])
    best = combine(basis.model, counted, sliced.rankings, sliced.count)
    judges = combine(basis.weighing, alone, sliced.rankings, sliced.count)
    best = Consensus(*(np.where(by_people, *both) for both in zip(best, judges, strict=True)))
    labels = _labels(document, basis, sliced, counted.beside(alone), conflict, best)
    return _with_adjudications(_by_id(labels), list(adjudications))


def _conflicts(counted: Counted, n: int) -> Mask:
    """Where a majority of two people or more gives one ranking, and a majority of the judges another."""
    people, judges = counted.where(counted.person), counted.where(~counted.person)
    by_people = majority_vote(people.comparison, people.verdict, n)
    by_judges = majority_vote(judges.comparison, judges.verdict, n)
    several = np.bincount(people.comparison, minlength=n) > 1
    conflict: Mask = several & (by_people != by_judges) & (by_people != MISSING) & (by_judges != MISSING)
    return conflict


def _labels(
    document: PolicyDocument,
    basis: Basis,
    verdicts: Verdicts,
    counted: Counted,
    conflict: Mask,
    best: Consensus,
) -> Labels:
    n = verdicts.count
    people = np.bincount(counted.comparison[counted.person], minlength=n)
    judges = np.bincount(counted.comparison[counted.able & ~counted.person], minlength=n)
    confidence = np.where(people > 0, best.confidence, basis.calibrator.apply(np.nan_to_num(best.confidence)))
    confidence = np.where(best.codes == MISSING, np.nan, confidence).astype(np.float64).round(9)
    threshold = np.where(people > 0, document.min_confidence, basis.threshold_of(document, verdicts))
    judged = np.bincount(verdicts.comparison[verdicts.verdict != MISSING], minlength=n) > 0
    facts = _Facts(best, confidence, threshold, people, judges, conflict, judged, bool(basis.thresholds))
    decision, reason = _rule(document, facts, verdicts.rankings)
    order = np.lexsort((counted.judgment, counted.comparison))
    starts = np.searchsorted(counted.comparison, np.arange(n + 1))
    return Labels(
        document=document,
        comparison_ids=verdicts.comparison_ids,
        decision=decision,
        reason=reason,
        ranking=best.codes,
        rankings=verdicts.rankings,
        confidence=confidence,
        margin=_log_odds(best.confidence),
        threshold=threshold,
        people=people,
        judges=judges,
        starts=starts,
        sources=counted.judgment[order],
        raters=counted.rater[order],
    )


@dataclass(frozen=True)
class _Facts:
    """What the rules look at, by comparison."""

    best: Consensus
    confidence: Floats
    threshold: Floats
    people: Codes
    judges: Codes
    conflict: Mask
    judged: Mask
    guaranteed: bool


def _rule(document: PolicyDocument, facts: _Facts, rankings: list[Ranking]) -> tuple[Codes, Codes]:
    """Decision and reason by comparison: of the first rule that applies."""
    none = facts.best.codes == MISSING
    alone = facts.people == 0
    reached = np.where(alone & facts.guaranteed, rounded(facts.confidence), facts.confidence)
    tie_codes = np.array([len(set(ranking)) == 1 for ranking in rankings])
    unjudged = _OUTCOMES[document.unjudged]
    rules = [
        (none & facts.judged, unjudged, "no_trusted_verdict"),
        (none, unjudged, "no_verdict"),
        *(
            [(facts.conflict, _OUTCOMES[document.conflict], "conflict")]
            if document.conflict != "people_win"
            else []
        ),
        (facts.threshold == NOT_SHOWN, ROUTED, "not_proven"),
        ((reached < facts.threshold) | facts.best.tied, ROUTED, "low_confidence"),
        *([(tie_codes[facts.best.codes], DROPPED, "tie")] if document.ties == "drop" else []),
        (facts.conflict, USED, "people_win"),
        (alone, USED, "judges"),
        (facts.judges > 0, USED, "people_and_judges"),
    ]
    conditions = [condition for condition, *_ in rules]
    decision = np.select(conditions, [np.int64(outcome) for _, outcome, _ in rules], USED)
    reason = np.select(conditions, [np.int64(_REASON[name]) for *_, name in rules], _REASON["people"])
    return decision, reason


def _log_odds(posterior: Floats) -> Floats:
    """Natural log odds, to six digits, within ±20."""
    with np.errstate(divide="ignore"):
        odds = np.log(posterior) - np.log1p(-posterior)
    rounded_odds: Floats = np.round(np.clip(odds, -20.0, 20.0), 6)
    return rounded_odds


def _by_id(labels: Labels) -> Labels:
    ids = labels.comparison_ids
    if (ids[1:] > ids[:-1]).all():
        return labels
    return _taken(labels, np.argsort(ids, kind="stable"))


def _taken(labels: Labels, order: Codes) -> Labels:
    """These labels, in this order."""
    sizes = np.diff(labels.starts)[order]
    starts = np.concatenate([[0], np.cumsum(sizes)])
    offset = np.arange(starts[-1]) - np.repeat(starts[:-1], sizes)
    taken: dict[str, Any] = {name: getattr(labels, name)[order] for name in _COLUMNS}
    rows = np.repeat(labels.starts[:-1][order], sizes) + offset
    return replace(labels, **taken, starts=starts, sources=labels.sources[rows], raters=labels.raters[rows])


def _with_adjudications(labels: Labels, cases: list[Adjudication]) -> Labels:
    """The reviewers' rankings, taken as certain; whether a tie can be used is still the policy's to say."""
    if not cases:
        return labels
    cases = sorted(cases, key=lambda case: case.comparison)
    ids = np.array([case.comparison for case in cases], dtype=np.int64)
    known = {ranking: code for code, ranking in enumerate(labels.rankings)}
    for case in cases:
        known.setdefault(case.ranking, len(known))
    ties = np.array([labels.document.ties == "drop" and len(set(case.ranking)) == 1 for case in cases])
    n = len(cases)
    final = replace(
        labels,
        comparison_ids=ids,
        decision=np.where(ties, DROPPED, USED),
        reason=np.where(ties, _REASON["tie"], _REASON["adjudicated"]),
        ranking=np.array([known[case.ranking] for case in cases], dtype=np.int64),
        confidence=np.ones(n),
        margin=np.full(n, np.nan),
        threshold=np.zeros(n),
        people=np.zeros(n, dtype=np.int64),
        judges=np.zeros(n, dtype=np.int64),
        starts=np.arange(n + 1),
        sources=np.array([case.judgment for case in cases], dtype=np.int64),
        raters=np.full(n, -1, dtype=np.int64),
    )
    kept = _taken(labels, np.flatnonzero(~np.isin(labels.comparison_ids, ids)))
    return _by_id(_joined(kept, final, list(known)))


def _joined(one: Labels, two: Labels, rankings: list[Ranking]) -> Labels:
    both: dict[str, Any] = {
        name: np.concatenate([getattr(one, name), getattr(two, name)])
        for name in (*_COLUMNS, "sources", "raters")
    }
    starts = np.concatenate([one.starts, one.starts[-1] + two.starts[1:]])
    return replace(one, **both, starts=starts, rankings=rankings)
