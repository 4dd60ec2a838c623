"""Graders: programs that score one output of a model, described by OpenAI's grader JSON and some kinds of ours.

``read_grader(document)`` reads one; ``grade(document, cases)`` grades. One document serves as a judge (the provider
``grader``), as a reward in training (``reward.reward_function``) and as OpenAI's (``export.openai_grader``). Each
kind is one file; ``registry`` names them.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from judges.core.graders.case import Case
from judges.core.graders.fields import BadGrader
from judges.core.graders.grade import Grade
from judges.core.graders.grader import Grader
from judges.core.graders.registry import read_grader
from judges.core.graders.services import Services

__all__ = ["BadGrader", "Case", "Grade", "Grader", "Services", "grade", "read_grader"]


async def grade(
    document: Mapping[str, Any], cases: Sequence[Case], settings: Mapping[str, Any] | None = None
) -> list[Grade]:
    """One grade a case. ``settings`` are those of Services. Raises BadGrader or BadSettings."""
    grader = read_grader(document)
    async with Services(**(settings or {})) as services:
        return await grader.grades(cases, services)
