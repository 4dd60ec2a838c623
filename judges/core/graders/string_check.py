"""``string_check``: 1 or 0 by comparing two texts. OpenAI's guide calls ``ne`` "neq" as well; both are read."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Self

from judges.core.graders.case import Case
from judges.core.graders.fields import Fields
from judges.core.graders.grade import Grade, each
from judges.core.graders.services import NOTHING, Services
from judges.core.graders.templates import Template, template

OPERATIONS = ("eq", "ne", "like", "ilike", "neq")


@dataclass(frozen=True)
class StringCheck:
    """``eq``, ``ne``: the input is, or is not, the reference. ``like``, ``ilike``: it contains the reference,
    the latter whatever the letters' case."""

    name: str
    input: Template
    reference: Template
    operation: str
    type: ClassVar[str] = "string_check"
    asks: ClassVar[frozenset[str]] = NOTHING

    @classmethod
    def read(cls, fields: Fields) -> Self:
        return cls(
            fields.name(),
            template(fields, "input"),
            template(fields, "reference"),
            fields.choice("operation", OPERATIONS),
        )

    async def grades(self, cases: Sequence[Case], services: Services) -> list[Grade]:  # noqa: ARG002
        return each(self.name, self.type, cases, self._score)

    def _score(self, case: Case) -> float:
        text, reference = self.input.text(case), self.reference.text(case)
        match self.operation:
            case "eq":
                return float(text == reference)
            case "like":
                return float(reference in text)
            case "ilike":
                return float(reference.casefold() in text.casefold())
            case _:
                return float(text != reference)
