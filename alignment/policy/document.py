"""The policy starts with its document: one version of the rule, checked when it is made."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, Literal

from feedback.records import BadRecord, check_text


class PolicyError(ValueError):
    """A policy document that can not be used; the message names the field and what it may be."""


# Of labels that people may contradict: no calibration set that people can judge shows less, and the work of looking for
# a threshold grows with its inverse.
LEAST_ERROR = 0.001
# Open at a bound where the flag is False: a confidence of one half may be shared by two rankings.
_NUMBERS: dict[str, tuple[float, bool, float, bool]] = {
    "epsilon": (0, True, 1, False),
    "q": (0, False, 1, False),
    "min_winning_rate": (0, True, 1, True),
    "min_agreement_low": (0, True, 1, False),
    "max_attack_rate": (0, True, 1, True),
    "min_consistency": (0, True, 1, True),
    "people_min_gold": (0, True, 1, True),
    "people_min_alpha": (-1, True, 1, True),
    "max_family_votes": (0, False, 100, True),
    "min_confidence": (0.5, False, 1, False),
    "max_error": (LEAST_ERROR, True, 1, False),
    "confidence": (0.5, True, 1, False),
    "random_share": (0, True, 1, True),
}
_COUNTS = {"min_items": 2, "people_min_items": 0}
_NOT_REQUIRED = {
    "max_attack_rate",
    "min_consistency",
    "people_min_gold",
    "people_min_alpha",
    "max_family_votes",
    "max_error",
}
_CHOICES = {
    "combine": ("weighed", "majority"),
    "calibration": ("judged", "drawn"),
    "conflict": ("people_win", "adjudicate", "route", "drop"),
    "ties": ("keep", "drop"),
    "unjudged": ("route", "drop"),
}


@dataclass(frozen=True)
class PolicyDocument:
    """One version of the rule. PolicyError where a field is out of its range. None is "not required".

    ``slices`` are the tags that are slices, None for all of them.

    Who counts. A person with ``people_min_items`` verdicts, an accuracy on gold of ``people_min_gold`` and an alpha
    with others of ``people_min_alpha``. A judge, slice by slice: ``epsilon``, ``q`` and ``min_items`` are the
    alternative annotator test's, ``min_winning_rate`` what it must reach in it, ``min_agreement_low`` the lower end of
    the interval of its agreement with the majority of people, ``max_attack_rate`` the largest share of attacks that
    turned it, ``min_consistency`` how often it must say the same in both orders.

    How verdicts are combined. ``combine``: weighed by what people's verdicts show of the raters, where judges that are
    not trusted help to say how sure a trusted one's word is; or counted, those of trusted judges and people alone.
    Judges of one family count for at most ``max_family_votes`` votes together. A label in which people had a say needs
    a posterior of ``min_confidence``. A label on judges' word alone needs the threshold above which at most
    ``max_error`` of them are contradicted by people, shown with ``confidence`` on the ``calibration`` set: comparisons
    ``drawn`` at random for it, or all that people ``judged`` other than by routing. Without ``max_error`` it needs
    ``min_confidence`` as well.

    ``conflict`` is for trusted judges whose majority contradicts that of two people or more (adjudicate: a reviewer
    decides), ``unjudged`` for comparisons without a verdict that counts. ``random_share`` of what is routed to people
    is drawn at random, for calibration.
    """

    slices: tuple[str, ...] | None = None
    people_min_items: int = 0
    people_min_gold: float | None = None
    people_min_alpha: float | None = None
    epsilon: float = 0.2
    q: float = 0.05
    min_items: int = 30
    min_winning_rate: float = 0.5
    min_agreement_low: float = 0.5
    max_attack_rate: float | None = None
    min_consistency: float | None = None
    combine: Literal["weighed", "majority"] = "weighed"
    max_family_votes: float | None = 1.0
    min_confidence: float = 0.8
    max_error: float | None = 0.1
    confidence: float = 0.95
    calibration: Literal["judged", "drawn"] = "judged"
    conflict: Literal["people_win", "adjudicate", "route", "drop"] = "route"
    ties: Literal["keep", "drop"] = "keep"
    unjudged: Literal["route", "drop"] = "route"
    random_share: float = 0.1

    def __post_init__(self) -> None:
        for name, bounds in _NUMBERS.items():
            value = getattr(self, name)
            if value is not None or name not in _NOT_REQUIRED:
                object.__setattr__(self, name, _number(name, value, *bounds))
        for name, least in _COUNTS.items():
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int) or value < least:
                raise PolicyError(f"{name} must be a whole number of {least} or more, not {value!r}")
        for name, allowed in _CHOICES.items():
            if getattr(self, name) not in allowed:
                raise PolicyError(f"{name} must be one of {', '.join(allowed)}, not {getattr(self, name)!r}")
        object.__setattr__(self, "slices", _slices(self.slices))

    @property
    def asks_for_measures(self) -> bool:
        """Whether people count by figures that are measured of them; 0 is a figure to reach."""
        return self.people_min_gold is not None or self.people_min_alpha is not None

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
            raise PolicyError('the policy must be a JSON object, such as {"max_error": 0.1}')
        return cls.from_dict(given)

    def as_dict(self) -> dict[str, Any]:
        """Every field as JSON values."""
        slices = None if self.slices is None else list(self.slices)
        return asdict(self) | {"slices": slices}

    def to_json(self) -> str:
        """Canonical JSON: every field, sorted, without spaces."""
        return json.dumps(self.as_dict(), sort_keys=True, separators=(",", ":"))

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


def _slices(given: object) -> tuple[str, ...] | None:
    if given is None:
        return None
    if not isinstance(given, list | tuple) or not all(isinstance(name, str) and name for name in given):
        raise PolicyError(f"slices must be null, for every tag, or a list of tags, not {given!r}")
    try:
        for name in given:
            check_text(name, "slices")
    except BadRecord as error:
        raise PolicyError(f"slices can not be stored: {error}") from error
    return tuple(sorted(set(given)))
