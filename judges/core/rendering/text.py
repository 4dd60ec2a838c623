"""What of a judge goes into its requests, and the examples it is shown."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from feedback.records import Message
from judges.core.rubric import CriterionText

PAIRWISE, SCORES, BEST_OF_N, PASS_FAIL = MODES = ("pairwise", "scores", "best_of_n", "pass_fail")


@dataclass(frozen=True)
class Example:
    """A comparison that people have decided, shown to the judge with the answer.

    ``comparison`` is its id in the project. ``ranking`` and each criterion's ``scores`` are by the position of
    ``responses``.
    """

    comparison: str
    prompt: Sequence[Message]
    responses: tuple[str, ...]
    ranking: tuple[int, ...]
    rationale: str = ""
    reference: str | None = None
    scores: Mapping[str, tuple[int, ...]] = field(default_factory=dict)


@dataclass(frozen=True)
class JudgeText:
    """What of a judge shapes its requests and how its replies are read.

    ``mode``, one of MODES: which of two responses is better, all pairs of more than two being asked; the levels of
    each response, whose weighted means become a ranking with ``tie_margin``; the one best of all; or whether each
    response passes, asked alone. Templates are "" where the judge has none of its own.
    """

    provider: str
    model: str
    settings: Mapping[str, Any]
    instructions: str
    criteria: tuple[CriterionText, ...] = ()
    mode: str = PAIRWISE
    both_orders: bool = True
    samples: int = 1
    tie_margin: float = 0.0
    use_reference: bool = False
    system_template: str = ""
    message_template: str = ""
    examples: tuple[Example, ...] = ()
