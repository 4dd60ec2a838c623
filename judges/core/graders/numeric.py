"""``numeric`` (ours): 1 where the number in a text is the reference's, within a tolerance.

{"type": "numeric", "name", "input", "reference", "absolute"?: 0, "relative"?: 1e-9, "place"?: "last" | "first" |
"only"}. Right is |x - r| <= max(absolute, relative · |r|). Numbers are read as English writes them: 1,234.5, -3,
2e-4, 1/3, 12 % (as 0.12). ``only``: the text holds the number and nothing else.
"""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Self

from judges.core.graders.case import Case
from judges.core.graders.fields import Fields
from judges.core.graders.grade import VARIABLE, Grade, NoGrade, each
from judges.core.graders.services import NOTHING, Services
from judges.core.graders.templates import Template, template

# Thousands have their commas or none; a fraction and a percent sign belong to the number.
PLAIN = r"(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?|\.\d+"
NUMBER = rf"[-+−]?(?:{PLAIN})(?:[eE][-+]?\d{{1,3}})?(?:\s?/\s?(?:{PLAIN}))?(?:\s?%)?"
_NUMBER = re.compile(NUMBER, re.ASCII)
PLACES = ("last", "first", "only")


@dataclass(frozen=True)
class Numeric:
    name: str
    input: Template
    reference: Template
    absolute: float
    relative: float
    place: str
    type: ClassVar[str] = "numeric"
    asks: ClassVar[frozenset[str]] = NOTHING

    @classmethod
    def read(cls, fields: Fields) -> Self:
        return cls(
            fields.name(),
            template(fields, "input"),
            template(fields, "reference"),
            fields.number("absolute", 0.0, least=0.0),
            fields.number("relative", 1e-9, least=0.0),
            fields.choice("place", PLACES, "last"),
        )

    async def grades(self, cases: Sequence[Case], services: Services) -> list[Grade]:  # noqa: ARG002
        return each(self.name, self.type, cases, self._score)

    def _score(self, case: Case) -> float:
        reference = number_in(self.reference.text(case), "only")
        if reference is None:
            raise NoGrade(VARIABLE, f"The reference {self.reference.text(case)!r:.80} is no number.")
        number = number_in(self.input.text(case), self.place)
        if number is None:
            return 0.0
        return float(abs(number - reference) <= max(self.absolute, self.relative * abs(reference)))


def number_in(text: str, place: str) -> float | None:
    """The first, the last or the only number of a text; None where there is no such number."""
    found = [match.group(0) for match in _NUMBER.finditer(text)]
    if not found or (place == "only" and found != [text.strip()]):
        return None
    return _value(found[0] if place == "first" else found[-1])


def _value(written: str) -> float | None:
    plain = "".join(written.split()).replace(",", "").replace("−", "-")
    plain, percent = plain.removesuffix("%"), plain.endswith("%")
    top, _, bottom = plain.partition("/")
    try:
        value = float(top) / float(bottom or 1) / (100.0 if percent else 1.0)
    except (ValueError, ZeroDivisionError, OverflowError):
        return None
    return value if math.isfinite(value) else None
