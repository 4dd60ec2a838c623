"""Which people count: a policy may ask for a number of verdicts, an accuracy on gold, an alpha with others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from alignment.policy.document import PolicyDocument
from alignment.policy.verdicts import RaterFacts, Verdicts
from alignment.statistics.verdicts import MISSING


@dataclass(frozen=True)
class Standing:
    """Whether a person (their rater's index) counts, and why. ``reason`` is one of counts, too_few_items, unknown_gold,
    low_gold, unknown_alpha and low_alpha."""

    person: int
    counts: bool
    reason: str
    sentence: str
    items: int


def standings(
    document: PolicyDocument, verdicts: Verdicts, facts: Sequence[RaterFacts]
) -> tuple[Standing, ...]:
    """A standing for each person."""
    items = np.bincount(verdicts.rater[verdicts.verdict != MISSING], minlength=len(verdicts.people))
    return tuple(
        _standing(document, person, int(items[person]), facts[person])
        for person in np.flatnonzero(verdicts.people).tolist()
    )


def _standing(document: PolicyDocument, person: int, items: int, facts: RaterFacts) -> Standing:
    reason, sentence = _ruling(document, items, facts)
    return Standing(person, reason == "counts", reason, sentence, items)


def _ruling(document: PolicyDocument, items: int, facts: RaterFacts) -> tuple[str, str]:
    if items < document.people_min_items:
        return (
            "too_few_items",
            f"Does not count yet: {items} verdicts, the policy asks {document.people_min_items}.",
        )
    asked = (
        ("gold", "accuracy on gold", facts.gold, document.people_min_gold),
        ("alpha", "alpha with others", facts.alpha, document.people_min_alpha),
    )
    for name, what, value, least in asked:
        if least is None:
            continue
        if value is None:
            return (
                f"unknown_{name}",
                f"Does not count: the policy asks an {what} of {least:.2f}; none is measured.",
            )
        if value < least:
            return f"low_{name}", f"Does not count: an {what} of {value:.2f}, the policy asks {least:.2f}."
    return "counts", f"Counts, with {items} verdicts."
