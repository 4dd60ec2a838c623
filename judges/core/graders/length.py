"""``length`` (ours): how well a text keeps to a length.

{"type": "length", "name", "input", "unit"?: "characters" | "words" | "lines", "least"?, "most"?, "slack"?: 0}. 1
within the bounds; beyond them 1 - distance / slack, at least 0, so that a slack of 0 makes it 1 or 0. A word is
what stands between white space; an empty text has no lines.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Self

from judges.core.graders.case import Case
from judges.core.graders.fields import Fields
from judges.core.graders.grade import Grade, each
from judges.core.graders.services import NOTHING, Services
from judges.core.graders.templates import Template, template

LARGEST = 10**9


@dataclass(frozen=True)
class Length:
    name: str
    input: Template
    unit: str
    least: int
    most: int
    slack: float
    type: ClassVar[str] = "length"
    asks: ClassVar[frozenset[str]] = NOTHING

    @classmethod
    def read(cls, fields: Fields) -> Self:
        least = fields.whole("least", None, least=0, most=LARGEST)
        most = fields.whole("most", None, least=0, most=LARGEST)
        if least is None and most is None:
            raise fields.bad("most", "or least must be there: a length needs a bound")
        if most is not None and least is not None and least > most:
            raise fields.bad("least", f"is {least}, which is more than most, {most}")
        return cls(
            fields.name(),
            template(fields, "input"),
            fields.choice("unit", ("characters", "words", "lines"), "characters"),
            least or 0,
            LARGEST if most is None else most,
            fields.number("slack", 0.0, least=0.0),
        )

    async def grades(self, cases: Sequence[Case], services: Services) -> list[Grade]:  # noqa: ARG002
        return each(self.name, self.type, cases, self._score)

    def _score(self, case: Case) -> float:
        length = length_of(self.input.text(case), self.unit)
        beyond = max(self.least - length, length - self.most, 0)
        if not beyond:
            return 1.0
        return max(0.0, 1.0 - beyond / self.slack) if self.slack else 0.0


def length_of(text: str, unit: str) -> int:
    if unit == "characters":
        return len(text)
    return len(text.split() if unit == "words" else text.splitlines())
