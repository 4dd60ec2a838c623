"""The policy starts with its document: one version of the rule, checked when it is made."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, Literal


class PolicyError(ValueError):
    """A policy document that can not be used; the message names the field and what it may be."""


# Open at the first bound where the flag is False: a confidence of one half may be shared by two rankings.
_NUMBERS: dict[str, tuple[float, bool, float, bool]] = {
    "epsilon": (0, True, 1, False),
    "q": (0, False, 1, False),
    "min_winning_rate": (0, True, 1, True),
    "min_agreement_low": (0, True, 1, False),
    "min_confidence": (0.5, False, 1, False),
}
_CHOICES = {
    "conflict": ("people_win", "route", "drop"),
    "ties": ("keep", "drop"),
    "unjudged": ("route", "drop"),
}


@dataclass(frozen=True)
class PolicyDocument:
    """One version of the rule. PolicyError where a field is out of its range.

    ``epsilon``, ``q`` and ``min_items`` are the alternative annotator test's; ``min_winning_rate`` is what a
    judge must reach in it, ``min_agreement_low`` the lower end that the interval of its agreement with the
    majority of people must reach. ``min_confidence`` is what a label needs to be used. ``conflict`` is for
    trusted judges whose majority contradicts that of two people or more, ``unjudged`` for comparisons
    without a verdict that counts.
    """

    epsilon: float = 0.2
    q: float = 0.05
    min_items: int = 30
    min_winning_rate: float = 0.5
    min_agreement_low: float = 0.5
    min_confidence: float = 0.8
    conflict: Literal["people_win", "route", "drop"] = "route"
    ties: Literal["keep", "drop"] = "keep"
    unjudged: Literal["route", "drop"] = "route"

    def __post_init__(self) -> None:
        for name, bounds in _NUMBERS.items():
            object.__setattr__(self, name, _number(name, getattr(self, name), *bounds))
        if isinstance(self.min_items, bool) or not isinstance(self.min_items, int) or self.min_items < 2:
            raise PolicyError(f"min_items must be a whole number of 2 or more, not {self.min_items!r}")
        for name, allowed in _CHOICES.items():
            if getattr(self, name) not in allowed:
                raise PolicyError(f"{name} must be one of {', '.join(allowed)}, not {getattr(self, name)!r}")

    @classmethod
    def from_dict(cls, given: Mapping[str, Any]) -> PolicyDocument:
        """A document from its fields; the rest take their default. PolicyError names an unknown one."""
        known = [field.name for field in fields(cls)]
        for name in given:
            if name not in known:
                raise PolicyError(f"{name} is not a field of a policy; the fields are {', '.join(known)}")
        return cls(**given)

    @classmethod
    def from_json(cls, text: str | bytes) -> PolicyDocument:
        """A document from JSON text."""
        try:
            given = json.loads(text)
        except ValueError as error:
            raise PolicyError(f"the policy is not valid JSON: {error}") from error
        if not isinstance(given, dict):
            raise PolicyError('the policy must be a JSON object, such as {"min_confidence": 0.8}')
        return cls.from_dict(given)

    def to_json(self) -> str:
        """Canonical JSON: every field, sorted, without spaces."""
        return json.dumps(asdict(self), sort_keys=True, separators=(",", ":"))

    def sha256(self) -> str:
        """The hash of the canonical JSON."""
        return hashlib.sha256(self.to_json().encode()).hexdigest()


def _number(name: str, value: object, low: float, low_in: bool, high: float, high_in: bool) -> float:
    inside = (
        isinstance(value, int | float)
        and not isinstance(value, bool)
        and (low < value < high or (low_in and value == low) or (high_in and value == high))
    )
    if not inside:
        ends = f"{'at least' if low_in else 'above'} {low} and {'at most' if high_in else 'below'} {high}"
        raise PolicyError(f"{name} must be a number {ends}, not {value!r}")
    return float(value)  # type: ignore[arg-type]  # a number, as tested above
