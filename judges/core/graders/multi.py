"""``multi``: several graders by name, and a formula over their rewards.

OpenAI's service takes ``graders`` as an object of name to grader; its SDK types a single grader in that place,
which is read as well and goes by its own name. No multi within a multi, as there.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Self

from judges.core.graders.case import Case
from judges.core.graders.fields import Fields
from judges.core.graders.formula import FUNCTIONS, BadFormula, Formula, formula
from judges.core.graders.grade import FORMULA, Grade, used_together
from judges.core.graders.grader import Grader
from judges.core.graders.services import Services

MOST_GRADERS = 50


@dataclass(frozen=True)
class Multi:
    """The reward is missing where that of any grader in the formula is; a grader outside it is only shown."""

    name: str
    graders: Mapping[str, Grader]
    formula: Formula
    type: ClassVar[str] = "multi"

    @property
    def asks(self) -> frozenset[str]:
        return frozenset[str]().union(*(grader.asks for grader in self.graders.values()))

    @classmethod
    def read(cls, fields: Fields) -> Self:
        graders = _graders(fields)
        try:
            parsed = formula(fields.text("calculate_output", empty=False))
        except BadFormula as bad:
            raise fields.bad("calculate_output", f"is no formula: {bad}") from None
        strange = sorted(parsed.names - set(graders))
        if strange:
            raise fields.bad("calculate_output", f"names {strange[0]}, which is none of {', '.join(graders)}")
        return cls(fields.name(), graders, parsed)

    async def grades(self, cases: Sequence[Case], services: Services) -> list[Grade]:
        graded = await asyncio.gather(*(each.grades(cases, services) for each in self.graders.values()))
        return [
            self._grade(dict(zip(self.graders, parts, strict=True))) for parts in zip(*graded, strict=True)
        ]

    def _grade(self, parts: dict[str, Grade]) -> Grade:
        used = {name: parts[name] for name in sorted(self.formula.names)}
        errors = {kind: reason for part in used.values() for kind, reason in part.errors.items()}
        rewards = {name: part.reward for name, part in used.items() if part.reward is not None}
        reward = None
        if len(rewards) == len(used):
            try:
                reward = self.formula.value(rewards)
            except BadFormula as bad:
                errors = {FORMULA: f"{bad}."}
        failure = next((part.failure for part in used.values() if part.failure), None)
        return Grade(
            self.name,
            self.type,
            reward,
            errors,
            sum(part.seconds for part in parts.values()),
            used=used_together(parts.values()),
            parts=parts,
            failure=failure,
        )


def _graders(fields: Fields) -> dict[str, Grader]:
    from judges.core.graders.registry import read_grader

    given = fields.value("graders")
    if not isinstance(given, Mapping) or not given:
        raise fields.bad("graders", "must be an object of name to grader")
    single = isinstance(given.get("type"), str)
    named: Mapping[str, Any] = {str(given.get("name") or given["type"]): given} if single else given
    if len(named) > MOST_GRADERS:
        raise fields.bad("graders", f"holds {len(named)} graders; use at most {MOST_GRADERS}")
    graders = {}
    for name, document in named.items():
        path = fields.at("graders") if single else fields.at(f"graders.{name}")
        if isinstance(document, Mapping) and document.get("type") == "multi":
            raise fields.bad(f"graders.{name}", "is a multi grader; they do not nest")
        if name in FUNCTIONS:
            raise fields.bad(f"graders.{name}", "has the name of a function; choose another")
        graders[name] = read_grader(document, path)
    return graders
