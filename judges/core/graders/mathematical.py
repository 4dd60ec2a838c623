"""``math`` (ours): 1 where an answer to a problem of mathematics is the reference's, however it is written.

{"type": "math", "name", "input", "reference"}. By math-verify: LaTeX, boxed answers, fractions, sets, intervals,
equations; compared symbolically. It runs in the sandbox, since reading an expression can take for ever.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Self

from judges.core.graders.case import Case
from judges.core.graders.fields import Fields
from judges.core.graders.grade import OTHER, Grade, NoGrade, without
from judges.core.graders.python_source import graded
from judges.core.graders.services import NOTHING, Services
from judges.core.graders.templates import Template, template


@dataclass(frozen=True)
class Mathematical:
    name: str
    input: Template
    reference: Template
    type: ClassVar[str] = "math"
    asks: ClassVar[frozenset[str]] = NOTHING

    @classmethod
    def read(cls, fields: Fields) -> Self:
        return cls(fields.name(), template(fields, "input"), template(fields, "reference"))

    async def grades(self, cases: Sequence[Case], services: Services) -> list[Grade]:  # noqa: ARG002
        grades: dict[int, Grade] = {}
        texts = []
        for index, case in enumerate(cases):
            try:
                texts.append([self.input.text(case), self.reference.text(case)])
            except NoGrade as problem:
                grades[index] = without(self.name, self.type, problem)
        found = iter(await graded(self.name, self.type, "mathematics", {}, texts, OTHER) if texts else [])
        return [grades[index] if index in grades else next(found) for index in range(len(cases))]
