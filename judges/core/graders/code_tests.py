"""``code_tests`` (ours): the share of tests that a response's Python code passes, run in the sandbox.

{"type": "code_tests", "name", "input", "tests": "{{item.tests}}" | [texts], "all"?: false, "seconds"?: 10}. The
code is the last fenced block of the input, or all of it where there is none. Each text of ``tests`` is one test,
which passes where it ends without an exception; one that defines functions test_… is as many tests as these.
Code that can not be run, runs out of time or memory, or ends the process passes none: that is a 0, and the reason
is in the note. Missing tests or no sandbox are no grade.
"""

import asyncio
import re
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from time import perf_counter
from typing import Any, ClassVar, Self

from judges.core.graders.case import Case
from judges.core.graders.fields import Fields
from judges.core.graders.grade import PYTHON_SERVER, VARIABLE, Grade, NoGrade, one_later
from judges.core.graders.services import NOTHING, Services
from judges.core.graders.templates import Template, parsed
from judges.core.sandbox import Limits, NoSandbox, run_alone

_FENCED = re.compile(r"(?s)```[^\n`]*\n(.*?)\n?```")
MOST_TESTS = 200
MOST_SECONDS = 120


@dataclass(frozen=True)
class CodeTests:
    name: str
    input: Template
    tests: tuple[Template, ...]
    all: bool
    limits: Limits
    type: ClassVar[str] = "code_tests"
    asks: ClassVar[frozenset[str]] = NOTHING

    @classmethod
    def read(cls, fields: Fields) -> Self:
        given = fields.value("tests")
        tests = (given,) if isinstance(given, str) else fields.texts("tests")
        if len(tests) > MOST_TESTS:
            raise fields.bad("tests", f"holds {len(tests)} tests; use at most {MOST_TESTS}")
        seconds = fields.number("seconds", 10.0, least=0.1)
        if seconds > MOST_SECONDS:
            raise fields.bad("seconds", f"must be at most {MOST_SECONDS}, not {seconds:g}")
        return cls(
            fields.name(),
            parsed(fields.text("input"), lambda problem: fields.bad("input", problem)),
            tuple(parsed(test, lambda problem: fields.bad("tests", problem)) for test in tests),
            fields.flag("all", False),
            Limits(seconds=seconds),
        )

    async def grades(self, cases: Sequence[Case], services: Services) -> list[Grade]:  # noqa: ARG002
        return await asyncio.gather(*(one_later(self.name, self.type, case, self._grade) for case in cases))

    async def _grade(self, case: Case) -> Grade:
        started = perf_counter()
        word = secrets.token_hex(16)
        job = {"code": code_in(self.input.text(case)), "tests": self._tests(case), "word": word}
        try:
            run = partial(run_alone, "unit_tests", job, self.limits)
            ran = await asyncio.to_thread(run)
        except NoSandbox as missing:
            raise NoGrade(PYTHON_SERVER, str(missing)) from None
        if not ran.answers:
            raise NoGrade(PYTHON_SERVER, f"The sandbox did not start: {ran.ended}.")
        report = next((answer for answer in ran.answers[1:] if answer.get("word") == word), None)
        reward, note = self._reward(report, ran.ended)
        return Grade(self.name, self.type, reward, seconds=perf_counter() - started, note=note)

    def _tests(self, case: Case) -> list[str]:
        """Where a template is one variable, its value may be a list of texts."""
        texts: list[str] = []
        for test in self.tests:
            value = test.value(case)
            texts += value if isinstance(value, list) else [value]
        if not texts or not all(isinstance(text, str) and text.strip() for text in texts):
            raise NoGrade(VARIABLE, "The tests of this row are no text, or empty.")
        return texts[:MOST_TESTS]

    def _reward(self, report: dict[str, Any] | None, ended: str) -> tuple[float, str]:
        if report is None:
            return 0.0, f"The code did not come to the end of its tests: {ended or 'it ended the process'}."
        passed: list[bool] = report["passed"]
        if not passed:
            return 0.0, f"The code can not be run: {report['failed']}."
        note = f"{sum(passed)} of {len(passed)} tests passed."
        share = sum(passed) / len(passed)
        return (float(share == 1.0) if self.all else share), f"{note} {report['failed']}".strip()


def code_in(text: str) -> str:
    """The last fenced block, or all of the text."""
    blocks = [match.group(1) for match in _FENCED.finditer(text)]
    return blocks[-1] if blocks else text
