"""A dataset's health before it is frozen: every check, fed row by row, in memory that grows with the rows by some
hundred bytes each."""

from collections.abc import Iterable, Sequence
from typing import Protocol

from alignment.health.amounts import Amounts, Balance
from alignment.health.consent import Consent
from alignment.health.finding import Finding, Pair
from alignment.health.lengths import Lengths
from alignment.health.noise import Noise
from alignment.health.personal import PersonalData
from alignment.health.repeats import Contradictions, Duplicates, Overlap

KINDS = (
    "too_few",
    "imbalance",
    "duplicates",
    "contradictions",
    "overlap",
    "length_bias",
    "label_noise",
    "personal_data",
    "terms_missing",
)


class Check(Protocol):
    def add(self, pair: Pair) -> None: ...

    def finding(self) -> Finding: ...


def examine(pairs: Iterable[Pair], *, people: tuple[int, int], evaluated: set[bytes]) -> list[Finding]:
    """A finding of each of KINDS, also where all is well. Rows of a comparison, and of a prompt, come side by side.

    ``people``: verdicts of people on these comparisons, and those that say otherwise than the label. ``evaluated``:
    ``repeats.text_key`` of each prompt that is kept for evaluation.
    """
    checks = checks_of(people, evaluated)
    for pair in pairs:
        for check in checks:
            check.add(pair)
    return [check.finding() for check in checks]


def checks_of(people: tuple[int, int], evaluated: set[bytes]) -> Sequence[Check]:
    """One of each, in the order of KINDS."""
    return (
        Amounts(),
        Balance(),
        Duplicates(),
        Contradictions(),
        Overlap(evaluated),
        Lengths(),
        Noise(people),
        PersonalData(),
        Consent(),
    )
