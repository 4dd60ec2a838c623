"""``python``: a source that defines ``grade(sample, item) -> float``, run in the sandbox, one process for many cases.

``image_tag`` names a set of packages at OpenAI; it is kept, and the packages are those of this installation.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from time import perf_counter
from typing import Any, ClassVar, Self

from judges.core.graders.case import Case
from judges.core.graders.fields import Fields
from judges.core.graders.grade import PYTHON_RUNTIME, PYTHON_SERVER, Grade, NoGrade, without
from judges.core.graders.services import NOTHING, Services
from judges.core.sandbox import NoSandbox, each_case


@dataclass(frozen=True)
class PythonSource:
    name: str
    source: str
    image_tag: str
    type: ClassVar[str] = "python"
    asks: ClassVar[frozenset[str]] = NOTHING

    @classmethod
    def read(cls, fields: Fields) -> Self:
        source = fields.text("source", empty=False)
        fields.threshold()
        try:
            compile(source, "<grader>", "exec", dont_inherit=True)
        except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
            where = f" in line {error.lineno}" if isinstance(error, SyntaxError) else ""
            raise fields.bad("source", f"is no Python{where}: {getattr(error, 'msg', error)}") from None
        if "grade" not in source:
            raise fields.bad("source", "defines no function grade(sample, item)")
        image_tag = fields.value("image_tag", None)
        return cls(fields.name(), source, fields.text("image_tag", "", most=100) if image_tag else "")

    async def grades(self, cases: Sequence[Case], services: Services) -> list[Grade]:  # noqa: ARG002
        given = [[case.sample, dict(case.item)] for case in cases]
        job = {"source": self.source}
        return await graded(self.name, self.type, "functions", job, given, PYTHON_RUNTIME)


async def graded(
    name: str, kind: str, program: str, job: dict[str, Any], cases: Sequence[Any], error: str
) -> list[Grade]:
    """The grades by a program of the sandbox; ``error`` is the kind of a case that it could not grade."""
    started = perf_counter()
    try:
        answers = await asyncio.to_thread(each_case, program, job, cases)
    except NoSandbox as missing:
        answers = [{"broken": str(missing)}] * len(cases)
    share = (perf_counter() - started) / max(1, len(cases))
    return [_grade(name, kind, answer, error, share) for answer in answers]


def _grade(name: str, kind: str, answer: dict[str, Any], error: str, seconds: float) -> Grade:
    if "reward" in answer:
        return Grade(name, kind, float(answer["reward"]), seconds=seconds)
    if "broken" in answer:
        return without(name, kind, NoGrade(PYTHON_SERVER, answer["broken"]), seconds)
    return without(name, kind, NoGrade(error, answer.get("error") or answer["unusable"]), seconds)
