"""A project's judgments as policies look at them: what does not depend on a document's every field is measured once.

A page that moves one field after the other keeps one study; a labelling makes one and throws it away.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Sequence
from typing import TypeVar

import numpy as np

from alignment.policy.certificates import Certificate, Evidence, certify, gather
from alignment.policy.chance import mixed
from alignment.policy.document import PolicyDocument
from alignment.policy.people import Standing, standings
from alignment.policy.verdicts import ALL, Ground, Mask, RaterFacts, Verdicts
from alignment.statistics.aggregation import majority_vote
from alignment.statistics.agreement import raw_agreement
from alignment.statistics.alt_test import AltTest, Outcomes, across, alt_test_of_counts, outcomes
from alignment.statistics.intervals import DEFAULT, Resampling
from alignment.statistics.results import Statistic
from alignment.statistics.verdicts import MISSING, Codes

FOLDS = 5
_Made = TypeVar("_Made")


class _Kept:
    """What was made under a key, made once."""

    def __init__(self) -> None:
        self._made: dict[Hashable, object] = {}

    def once(self, key: Hashable, make: Callable[[], _Made]) -> _Made:
        if key not in self._made:
            self._made[key] = make()
        return self._made[key]  # type: ignore[return-value]  # a key names one kind of thing


class Study:
    """``facts`` are by rater; ``ground`` (comparisons) says why people were asked, OTHER where it is left out."""

    def __init__(
        self,
        verdicts: Verdicts,
        facts: Sequence[RaterFacts] = (),
        ground: Codes | None = None,
        resampling: Resampling = DEFAULT,
    ) -> None:
        self.verdicts = verdicts
        self.facts = tuple(facts) or (RaterFacts(),) * len(verdicts.people)
        self.ground = np.zeros(verdicts.count, dtype=np.int64) if ground is None else ground
        self.resampling = resampling
        self._kept = _Kept()
        self._view: tuple[tuple[tuple[int, ...], tuple[str, ...] | None], View] | None = None

    def standings(self, document: PolicyDocument) -> tuple[Standing, ...]:
        asked = (document.people_min_items, document.people_min_gold, document.people_min_alpha)
        return self._kept.once(("people", asked), lambda: standings(document, self.verdicts, self.facts))

    def view(self, document: PolicyDocument) -> View:
        """The judgments of those who count, on the document's slices. Only the last one asked for is kept: each holds
        the judgments once more."""
        people = tuple(standing.person for standing in self.standings(document) if standing.counts)
        key, kept = (people, document.slices), self._view
        if kept is None or kept[0] != key:
            kept = self._view = (key, View(self, *key))
        return kept[1]


class View:
    """By comparison: ``reference``, the ranking that most people gave, or MISSING; ``fold``, by prompt.

    Where several rankings have as many voices, the lot decides, by prompt and always alike: so the reference is one of
    people's own verdicts, and a label that people are split on is contradicted as often as a person would contradict
    it.
    """

    def __init__(self, study: Study, people: tuple[int, ...], slices: tuple[str, ...] | None) -> None:
        given, self.study = study.verdicts, study
        counts = ~given.people
        counts[list(people)] = True
        wanted = {
            name: mask
            for name, mask in given.slices.items()
            if name != ALL and (slices is None or name in slices)
        }
        rows = (given.verdict != MISSING) & counts[given.rater]
        self.verdicts = given.only(rows, wanted)
        self.names = (ALL, *sorted(wanted))
        self.judges: list[int] = np.flatnonzero(~given.people).tolist()
        self.person = given.people[self.verdicts.rater]
        self.reference = _plurality(self.verdicts, self.person)
        self.asked = self.reference != MISSING
        self.fold = _folds(given.prompts)
        fair = ~self.person | (study.ground != Ground.GAIN)[self.verdicts.comparison]
        self.evidence = self.verdicts.only(fair, wanted)
        self._kept = _Kept()

    def certificates(self, document: PolicyDocument, fold: int | None, intervals: bool) -> list[Certificate]:
        """A certificate for each judge on ALL and on each slice where it gave a verdict.

        With a ``fold`` they rest on the other folds alone. Without ``intervals`` the tests, which do not need them,
        have none. A judge's tests on all its slices are decided together, over slices and people: tried on twenty, it
        would pass on one by luck.
        """
        return [
            certificate
            for judge in self.judges
            for certificate in self._certified(document, judge, fold, intervals)
        ]

    def _certified(
        self, document: PolicyDocument, judge: int, fold: int | None, intervals: bool
    ) -> Iterator[Certificate]:
        names = self._present(judge)
        if intervals:
            found = [gather(document, self.evidence, judge, name, self.study.resampling) for name in names]
            tests = [one.test for one in found]
        else:
            tests = [self._test(document, judge, name, fold) for name in names]
        together = sum(person.p is not None for test in tests for person in test.annotators)
        for place, (name, test) in enumerate(zip(names, across(tests, document.q), strict=True)):
            agreement = (
                found[place].agreement if intervals else self._agreed(document, judge, name, fold, test)
            )
            evidence = Evidence(judge, name, test, agreement)
            yield certify(document, evidence, self.study.facts[judge], together)

    def _present(self, judge: int) -> list[str]:
        def make() -> list[str]:
            given = self.verdicts.comparison[self.verdicts.rater == judge]
            return [name for name in self.names if self.verdicts.mask(name)[given].any()]

        return self._kept.once(("present", judge), make)

    def _test(self, document: PolicyDocument, judge: int, name: str, fold: int | None) -> AltTest:
        found, counts = self._kept.once(
            ("counts", judge, name, fold), lambda: self._counts(judge, name, fold)
        )
        return alt_test_of_counts(
            found.raters, counts, epsilon=document.epsilon, q=document.q, min_items=document.min_items
        )

    def _agreed(
        self, document: PolicyDocument, judge: int, name: str, fold: int | None, test: AltTest
    ) -> Statistic:
        """The judge's agreement with the majority of people, where the test leaves it to decide."""
        if fold is not None and (test.winning_rate or 0.0) < document.min_winning_rate:
            return Statistic.undefined("not asked for: the test was not passed", 0)
        key = ("agreement", judge, name, fold)
        return self._kept.once(key, lambda: self._agreement(judge, name, fold))

    def _counts(self, judge: int, name: str, fold: int | None) -> tuple[Outcomes, np.ndarray]:
        found = self._kept.once(("outcomes", judge), lambda: self._outcomes(judge))
        return found, found.counts(self._part(name, fold)[found.items])

    def _outcomes(self, judge: int) -> Outcomes:
        person = self.study.verdicts.people[self.evidence.rater]
        rows = self.evidence
        return outcomes(
            rows.comparison[person], rows.rater[person], rows.verdict[person], rows.given_by(judge)
        )

    def _agreement(self, judge: int, name: str, fold: int | None) -> Statistic:
        majority = self._kept.once(("majority",), self._majority)
        part = self._part(name, fold) & (majority != MISSING)
        given = self._kept.once(("given", judge), lambda: self.evidence.given_by(judge))
        return raw_agreement(
            given[part], majority[part], self.verdicts.prompts[part], resampling=self.study.resampling
        )

    def _majority(self) -> Codes:
        person = self.study.verdicts.people[self.evidence.rater]
        rows = self.evidence
        return majority_vote(rows.comparison[person], rows.verdict[person], rows.count)

    def _part(self, name: str, fold: int | None) -> Mask:
        mask = self.verdicts.mask(name)
        return mask if fold is None else mask & (self.fold != fold)


def _folds(prompts: Codes) -> Codes:
    """A fold for each comparison; those of one prompt share it."""
    width = int(prompts.max(initial=-1)) + 1
    folds: Codes = np.random.default_rng(0).permutation(width)[prompts] % FOLDS
    return folds


def _plurality(verdicts: Verdicts, person: Mask) -> Codes:
    """By comparison the ranking that most people gave, by lot among the most frequent; MISSING where there is none."""
    width = len(verdicts.rankings)
    cells, votes = np.unique(
        verdicts.comparison[person] * width + verdicts.verdict[person], return_counts=True
    )
    item, code = cells // width, cells % width
    most = np.zeros(verdicts.count, dtype=np.int64)
    np.maximum.at(most, item, votes)
    top = votes == most[item]
    item, code = item[top], code[top]
    order = np.lexsort((mixed((verdicts.prompts[item] * width + code + 1).astype(np.uint64)), item))
    found, first = np.unique(item[order], return_index=True)
    reference = np.full(verdicts.count, MISSING, dtype=np.int64)
    reference[found] = code[order][first]
    return reference
