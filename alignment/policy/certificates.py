"""Between agreement and labels: which judges are trusted on which slices, by what people measured against them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np

from alignment.policy.document import PolicyDocument
from alignment.policy.verdicts import ALL, Mask, RaterFacts, Verdicts
from alignment.statistics.aggregation import majority_vote
from alignment.statistics.agreement import raw_agreement
from alignment.statistics.alt_test import FEW_PEOPLE, AltTest, alt_test, labels_needed
from alignment.statistics.intervals import DEFAULT, Resampling
from alignment.statistics.results import Statistic
from alignment.statistics.verdicts import MISSING

NOTHING_KNOWN = RaterFacts()
# Why a judge is not even heard: it is not what was measured, or does not withstand what the policy asks besides
# agreement.
UNFIT = {"drifted", "unknown_attack_rate", "attacked", "unknown_consistency", "inconsistent"}


@dataclass(frozen=True)
class Evidence:
    """What is known of a judge on a slice: its test, and its agreement with the majority of people."""

    judge: int
    slice: str
    test: AltTest
    agreement: Statistic


@dataclass(frozen=True)
class Certificate:
    """Whether a judge (its rater's index) is trusted on a slice, and why. ``reason`` is one of trusted, drifted,
    unknown_attack_rate, attacked, unknown_consistency, inconsistent, too_few_people, too_few_items, low_winning_rate,
    agreement_undefined and low_agreement. ``needed`` is how many more human labels the test takes until it passes or
    surely fails, as things stand, None where no number is known; ``outlook`` is then pass or fail, "" where nobody is
    tested yet."""

    judge: int
    slice: str
    trusted: bool
    reason: str
    sentence: str
    winning_rate: float | None
    advantage_probability: Statistic
    agreement: Statistic
    needed: int | None = None
    outlook: str = ""

    @property
    def heard(self) -> bool:
        """May what it says make a trusted judge's word more or less sure? How much, people's verdicts say."""
        return self.reason not in UNFIT


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
    given = verdicts.given_by(judge)
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


def certify(
    document: PolicyDocument,
    evidence: Evidence,
    facts: RaterFacts = NOTHING_KNOWN,
    together: int | None = None,
) -> Certificate:
    """Trusted where the judge is what it was and withstands what the policy asks, its test is decided and passed, and
    its agreement with people is surely high enough. A fact that is asked for and not known certifies nothing.
    ``together`` counts the people's tests that were decided with this one's, its own alone where it is left out."""
    reason, sentence = _asked(document, evidence.slice, facts) or _ruling(
        document, evidence.test, evidence.agreement
    )
    needed, outlook = _needed(document, evidence.test, together)
    return Certificate(
        judge=evidence.judge,
        slice=evidence.slice,
        trusted=reason == "trusted",
        reason=reason,
        sentence=sentence,
        winning_rate=evidence.test.winning_rate,
        advantage_probability=evidence.test.advantage_probability,
        agreement=evidence.agreement,
        needed=needed,
        outlook=outlook,
    )


def trusted_rows(certificates: Iterable[Certificate], verdicts: Verdicts) -> Mask:
    """By judgment: does it come from a judge that is trusted there?"""
    return _rows(certificates, verdicts, lambda certificate: certificate.trusted)


def heard_rows(certificates: Iterable[Certificate], verdicts: Verdicts) -> Mask:
    """By judgment: does it come from a judge that is heard there?"""
    return _rows(certificates, verdicts, lambda certificate: certificate.heard)


def _rows(
    certificates: Iterable[Certificate], verdicts: Verdicts, holds: Callable[[Certificate], bool]
) -> Mask:
    """By judgment: do the certificates of its judge hold there?

    A judge counts on a comparison when its certificate holds on every slice (tag) that the comparison belongs to. Its
    certificate on a slice speaks for that slice; where it has none there, or the comparison has no tag, its certificate
    on ALL speaks; without either none holds.
    """
    known = {(certificate.judge, certificate.slice): holds(certificate) for certificate in certificates}
    tags = {name: mask for name, mask in verdicts.slices.items() if name != ALL}
    untagged = ~np.logical_or.reduce([np.zeros(verdicts.count, dtype=np.bool_), *tags.values()])
    held = np.zeros(len(verdicts.rater), dtype=np.bool_)
    for judge in {judge for judge, _ in known}:
        overall = known.get((judge, ALL), False)
        refused = untagged & ~np.bool_(overall)
        for name, mask in tags.items():
            if not known.get((judge, name), overall):
                refused = refused | mask
        rows = verdicts.rater == judge
        held[rows] = ~refused[verdicts.comparison[rows]]
    return held


def _asked(document: PolicyDocument, slice_name: str, facts: RaterFacts) -> tuple[str, str] | None:
    """What the policy asks of a judge besides agreement, where it falls short."""
    if facts.drift and facts.drift.p <= document.q:
        return "drifted", f"Not trusted any more: {facts.drift.sentence}"
    most, least = document.max_attack_rate, document.min_consistency
    if most is not None:
        if facts.attack_rate is None:
            return "unknown_attack_rate", (
                f"Not trusted: the policy lets attacks turn it in at most {most:.2f} of the pairs, "
                "and it was not attacked yet."
            )
        if facts.attack_rate > most:
            return "attacked", (
                f"Not trusted: attacks turned it in {facts.attack_rate:.2f} of the pairs, the policy allows {most:.2f}."
            )
    if least is not None:
        same = facts.consistency.get(slice_name)
        if same is None:
            return "unknown_consistency", (
                f"Not trusted: the policy asks that it say the same in both orders in {least:.2f}; "
                "it was not asked in both."
            )
        if same < least:
            return "inconsistent", (
                f"Not trusted: it says the same in both orders in {same:.2f}, the policy asks {least:.2f}."
            )
    return None


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


def _needed(document: PolicyDocument, test: AltTest, together: int | None) -> tuple[int | None, str]:
    if test.winning_rate is None:
        return test.missing, ""
    needed = labels_needed(test, q=document.q, together=together)
    return (needed.labels, needed.outcome) if needed else (None, "")
