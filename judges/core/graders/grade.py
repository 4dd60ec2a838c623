"""What comes of grading a case: a reward, or the kind of error for which there is none. In OpenAI's form as JSON.

A grade that is missing stays missing: ``reward`` is None, never 0, and ``errors`` says why.
"""

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from time import perf_counter
from typing import Any

from judges.core.graders.case import Case
from judges.core.usage import Usage

# The kinds that OpenAI's answer has a flag for, in its words.
FORMULA = "formula_parse_error"
SAMPLE = "sample_parse_error"
VARIABLE = "invalid_variable_error"
TRUNCATED = "truncated_observation_error"
UNRESPONSIVE = "unresponsive_reward_error"
PYTHON_RUNTIME = "python_grader_runtime_error"
PYTHON_SERVER = "python_grader_server_error"
MODEL_PARSE = "model_grader_parse_error"
MODEL_REFUSAL = "model_grader_refusal_error"
MODEL_SERVER = "model_grader_server_error"
OTHER = "other_error"
KINDS = (
    FORMULA,
    SAMPLE,
    TRUNCATED,
    UNRESPONSIVE,
    VARIABLE,
    OTHER,
    PYTHON_SERVER,
    PYTHON_RUNTIME,
    MODEL_SERVER,
    MODEL_REFUSAL,
    MODEL_PARSE,
)
DETAILED = {
    PYTHON_RUNTIME: "python_grader_runtime_error_details",
    PYTHON_SERVER: "python_grader_server_error_type",
    MODEL_SERVER: "model_grader_server_error_details",
}


class NoGrade(Exception):
    """This case has no grade. ``kind`` is one of KINDS, the message one sentence for whoever reads the result.

    ``failure``: a provider's, after which the same question may be answered.
    """

    def __init__(self, kind: str, reason: str, failure: Exception | None = None) -> None:
        super().__init__(reason)
        self.kind = kind
        self.failure = failure


@dataclass(frozen=True)
class Grade:
    """One case's result. ``seconds`` it took; in a batch that one process did, its share of it.

    ``note`` says more of a reward that is there (which tests failed). ``used``: tokens by model. ``parts`` are a
    multi grader's. ``failure`` is a provider's, where that is why there is none.
    """

    name: str
    type: str
    reward: float | None
    errors: Mapping[str, str] = field(default_factory=dict)
    seconds: float = 0.0
    note: str = ""
    used: Mapping[str, Usage] = field(default_factory=dict)
    parts: Mapping[str, "Grade"] = field(default_factory=dict)
    failure: Exception | None = None

    @property
    def reason(self) -> str:
        """Why there is no reward, or what is to be said of it, as text."""
        return " ".join(dict.fromkeys(self.errors.values())) or self.note

    def as_json(self) -> dict[str, Any]:
        """The answer of OpenAI's endpoint; ``reward`` is null where there is none."""
        details = {DETAILED[kind]: reason for kind, reason in self.errors.items() if kind in DETAILED}
        rewards = {name: part.reward for name, part in self.parts.items()}
        tokens = {model: usage.total for model, usage in self.used.items()}
        return {
            "reward": self.reward,
            "sub_rewards": rewards,
            "metadata": {
                "name": self.name,
                "type": self.type,
                "errors": {kind: kind in self.errors for kind in KINDS}
                | dict.fromkeys(DETAILED.values())
                | details,
                "execution_time": round(self.seconds, 6),
                "scores": rewards or {self.name: self.reward},
                "token_usage": sum(count or 0 for count in tokens.values()) if tokens else None,
                "sampled_model_name": next(iter(tokens)) if len(tokens) == 1 else None,
                "reason": self.reason,
            },
            "model_grader_token_usage_per_model": tokens,
        }


def without(name: str, kind: str, problem: NoGrade, seconds: float = 0.0) -> Grade:
    """The grade of a case that has none. ``kind`` is the grader's type."""
    return Grade(name, kind, None, {problem.kind: str(problem)}, seconds, failure=problem.failure)


def used_together(grades: Iterable[Grade]) -> dict[str, Usage]:
    """The tokens of all of them by model."""
    found: dict[str, Usage] = {}
    for grade in grades:
        for model, usage in grade.used.items():
            found[model] = found[model].plus(usage) if model in found else usage
    return found


def each(name: str, kind: str, cases: Sequence[Case], score: Callable[[Case], float]) -> list[Grade]:
    """The grades by a function that answers at once; it may raise NoGrade."""
    return [_one(name, kind, case, score) for case in cases]


def _one(name: str, kind: str, case: Case, score: Callable[[Case], float]) -> Grade:
    started = perf_counter()
    try:
        return Grade(name, kind, float(score(case)), seconds=perf_counter() - started)
    except NoGrade as problem:
        return without(name, kind, problem, perf_counter() - started)


async def one_later(name: str, kind: str, case: Case, score: Callable[[Case], Awaitable[Grade]]) -> Grade:
    """The grade by a function that asks somebody; it may raise NoGrade."""
    started = perf_counter()
    try:
        return await score(case)
    except NoGrade as problem:
        return without(name, kind, problem, perf_counter() - started)
