"""Between agreement and labels: which judges are trusted on which slices, by what people measured against them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from alignment.policy.document import PolicyDocument
from alignment.policy.verdicts import ALL, Verdicts
from alignment.statistics.aggregation import majority_vote
from alignment.statistics.agreement import raw_agreement
from alignment.statistics.alt_test import FEW_PEOPLE, AltTest, alt_test
from alignment.statistics.intervals import DEFAULT, Resampling
from alignment.statistics.results import Statistic
from alignment.statistics.verdicts import MISSING


@dataclass(frozen=True)
class Evidence:
    """What is known of a judge on a slice: its test, and its agreement with the majority of people."""

    judge: int
    slice: str
    test: AltTest
    agreement: Statistic


@dataclass(frozen=True)
class Certificate:
    """Whether a judge (its rater's index) is trusted on a slice, and why. ``reason`` is one of trusted,
    too_few_people, too_few_items, low_winning_rate, agreement_undefined and low_agreement."""

    judge: int
    slice: str
    trusted: bool
    reason: str
    sentence: str
    winning_rate: float | None
    advantage_probability: Statistic
    agreement: Statistic


def gather(
    document: PolicyDocument,
    verdicts: Verdicts,
    judge: int,
    slice_name: str,
    resampling: Resampling = DEFAULT,
) -> Evidence:
    """Measure a judge against people on the comparisons of one slice that have a person's verdict."""
    person = verdicts.people[verdicts.rater] & (verdicts.verdict != MISSING)
    person &= verdicts.mask(slice_name)[verdicts.comparison]
    seen, item = np.unique(verdicts.comparison[person], return_inverse=True)
    label, clusters = verdicts.verdict[person], verdicts.prompts[seen]
    by_judge = verdicts.rater == judge
    given = np.full(verdicts.count, MISSING, dtype=np.int64)
    given[verdicts.comparison[by_judge]] = verdicts.verdict[by_judge]
    test = alt_test(
        item,
        verdicts.rater[person],
        label,
        given[seen],
        clusters,
        epsilon=document.epsilon,
        q=document.q,
        min_items=document.min_items,
        resampling=resampling,
    )
    majority = majority_vote(item, label, len(seen))
    agreement = raw_agreement(given[seen], majority, clusters, resampling=resampling)
    return Evidence(judge, slice_name, test, agreement)


def certify(document: PolicyDocument, evidence: Evidence) -> Certificate:
    """Trusted where the test is decided and passed, and agreement with people is surely high enough."""
    reason, sentence = _ruling(document, evidence.test, evidence.agreement)
    return Certificate(
        judge=evidence.judge,
        slice=evidence.slice,
        trusted=reason == "trusted",
        reason=reason,
        sentence=sentence,
        winning_rate=evidence.test.winning_rate,
        advantage_probability=evidence.test.advantage_probability,
        agreement=evidence.agreement,
    )


def certify_judges(
    document: PolicyDocument, verdicts: Verdicts, resampling: Resampling = DEFAULT
) -> list[Certificate]:
    """A certificate for each judge on ALL and on each slice where it gave a verdict."""
    certificates = []
    for judge in np.flatnonzero(~verdicts.people).tolist():
        given = verdicts.comparison[(verdicts.rater == judge) & (verdicts.verdict != MISSING)]
        for name in (ALL, *sorted(set(verdicts.slices) - {ALL})):
            if verdicts.mask(name)[given].any():
                certificates.append(certify(document, gather(document, verdicts, judge, name, resampling)))
    return certificates


def _ruling(document: PolicyDocument, test: AltTest, agreement: Statistic) -> tuple[str, str]:
    if test.winning_rate is None:
        return _undecided(document, test)
    tested = [person for person in test.annotators if person.p is not None]
    replaced = sum(person.rejected for person in tested)
    rate = f"it may replace {replaced} of {len(tested)} people (winning rate {test.winning_rate:.2f}"
    if test.winning_rate < document.min_winning_rate:
        return "low_winning_rate", f"Not trusted: {rate}, the policy asks {document.min_winning_rate:.2f})."
    if agreement.low is None or agreement.high is None:
        return (
            "agreement_undefined",
            f"Not trusted: its agreement with people has no interval ({agreement.reason}).",
        )
    interval = f"{agreement.value:.2f}, interval {agreement.low:.2f} to {agreement.high:.2f}, n {agreement.n}"
    if agreement.low < document.min_agreement_low:
        asked = f"the policy asks that it begin at {document.min_agreement_low:.2f}"
        return "low_agreement", f"Not trusted: agreement with the majority of people is {interval}; {asked}."
    return "trusted", f"Trusted: {rate}), agreement with the majority of people is {interval}."


def _undecided(document: PolicyDocument, test: AltTest) -> tuple[str, str]:
    if test.reason == FEW_PEOPLE:
        return "too_few_people", (
            "Not trusted yet: the test needs three people who judged the same comparisons as the judge and "
            f"another person, at least {document.min_items} each; there are {len(test.annotators)}."
        )
    return "too_few_items", (
        f"Not trusted yet: three people must each share {document.min_items} comparisons with the judge and "
        f"another person; the third still needs {test.missing}."
    )
