"""Many cases by one process: starting an interpreter costs more than most cases do."""

import json
import os
import threading
from collections.abc import Mapping, Sequence
from typing import Any

from judges.core.sandbox.levels import Sandbox, sandbox
from judges.core.sandbox.limits import Limits, Ran

MOST_BYTES = 32 * 2**20  # of cases that a process is given at once
# Each process may use a core for as long as it runs; more of them than cores only make all of them late.
_PLACES = threading.BoundedSemaphore(max(2, os.cpu_count() or 1))


def each_case(
    program: str,
    job: Mapping[str, Any],
    cases: Sequence[Any],
    limits: Limits | None = None,
    walls: Sandbox | None = None,
) -> list[dict[str, Any]]:
    """The program's answer to each case, in order: {"reward"}, {"error"} (the case's fault) or {"unusable"}.

    A case that ends its process is answered by an error, and those behind it are given to another one. Raises
    NoSandbox.
    """
    limits, walls = limits or Limits(), walls or sandbox()
    answers: list[dict[str, Any]] = []
    while len(answers) < len(cases):
        left = _first(cases[len(answers) :])
        with _PLACES:
            ran = walls.run(program, {**job, "cases": left}, limits, cases=len(left))
        said = ran.answers[1:]
        if said and "unusable" in said[0]:
            return answers + [said[0]] * (len(cases) - len(answers))
        answers += said[: len(left)]
        if len(said) < len(left):
            ended = ran.ended or "it ended before it had answered"
            if not ran.answers:
                problem = f"The sandbox did not start: {ended}. {ran.printed.strip()[-300:]}"
                return answers + [{"broken": problem}] * (len(cases) - len(answers))
            answers.append({"error": f"The code did not answer: {ended}."})
    return answers


def _first(cases: Sequence[Any]) -> list[Any]:
    """As many as a process should hold at once; at least one."""
    held: list[Any] = []
    size = 0
    for case in cases:
        size += len(json.dumps(case))
        if held and size > MOST_BYTES:
            break
        held.append(case)
    return held


def run_alone(program: str, job: Mapping[str, Any], limits: Limits, walls: Sandbox | None = None) -> Ran:
    """One job in a process that nobody shares. Raises NoSandbox."""
    walls = walls or sandbox()
    with _PLACES:
        return walls.run(program, job, limits)
