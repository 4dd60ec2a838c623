"""A rubric as text: what judges and people judge by, before it meets the store, and what makes no sense in it."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from feedback.records import BadRecord, check_text

SCORERS = ("both", "people", "judges")
MOST_LEVELS = 101  # 0 to 100
MOST_CRITERIA = 50
LONGEST_NAME = 100  # characters
LONGEST_TEXT = 20_000


class BadRubric(ValueError):
    """A rubric that can not be used. ``field`` is the part at fault, such as "criteria[0].weight"."""

    def __init__(self, field: str, problem: str) -> None:
        super().__init__(f"{field} {problem}")
        self.field = field
        self.problem = problem


@dataclass(frozen=True)
class CriterionText:
    """One thing to be scored, from ``scale_min`` to ``scale_max``; ``anchors`` says what a level means.

    ``scored_by`` names who is asked for it: people, judges or both.
    """

    name: str
    description: str = ""
    scale_min: int = 1
    scale_max: int = 5
    anchors: Mapping[int, str] = field(default_factory=dict)
    weight: float = 1.0
    scored_by: str = "both"

    @property
    def levels(self) -> list[int]:
        return list(range(self.scale_min, self.scale_max + 1))


@dataclass(frozen=True)
class RubricText:
    name: str
    instructions: str = ""
    criteria: tuple[CriterionText, ...] = ()


def check_rubric(rubric: RubricText) -> None:
    """Raise BadRubric for a rubric without a name or content, or with a criterion that makes no sense."""
    _check_text(rubric.name, "name", LONGEST_NAME, needed=True)
    _check_text(rubric.instructions, "instructions", LONGEST_TEXT)
    if not rubric.instructions.strip() and not rubric.criteria:
        raise BadRubric("instructions", "are empty; write some, or add a criterion")
    if len(rubric.criteria) > MOST_CRITERIA:
        raise BadRubric("criteria", f"are {len(rubric.criteria)}; use at most {MOST_CRITERIA}")
    _check_names(rubric.criteria)
    for index, criterion in enumerate(rubric.criteria):
        _check_criterion(criterion, f"criteria[{index}]")


def _check_names(criteria: Sequence[CriterionText]) -> None:
    seen: dict[str, int] = {}
    for index, criterion in enumerate(criteria):
        first = seen.setdefault(criterion.name, index)
        if first != index:
            raise BadRubric(
                f"criteria[{index}].name", f"is that of criteria[{first}] too; rename one of them"
            )


def _check_criterion(criterion: CriterionText, where: str) -> None:
    _check_text(criterion.name, f"{where}.name", LONGEST_NAME, needed=True)
    _check_text(criterion.description, f"{where}.description", LONGEST_TEXT)
    if not 1 <= criterion.scale_max - criterion.scale_min < MOST_LEVELS:
        raise BadRubric(f"{where}.scale", f"must ascend and have at most {MOST_LEVELS} levels")
    if max(abs(criterion.scale_min), abs(criterion.scale_max)) > 1000:
        raise BadRubric(f"{where}.scale", "goes beyond 1000; start it nearer to 0")
    if not (math.isfinite(criterion.weight) and criterion.weight >= 0):
        raise BadRubric(f"{where}.weight", "must be a number of 0 or more")
    if criterion.scored_by not in SCORERS:
        raise BadRubric(f"{where}.scored_by", f"must be one of {', '.join(SCORERS)}")
    for level, text in criterion.anchors.items():
        if level not in criterion.levels:
            raise BadRubric(f"{where}.anchors", f"name the level {level}, which is not on the scale")
        _check_text(text, f"{where}.anchors[{level}]", LONGEST_TEXT)


def _check_text(value: str, where: str, limit: int, *, needed: bool = False) -> None:
    try:
        check_text(value, where, limit)
    except BadRecord as bad:
        raise BadRubric(where, f"can not be used: {bad.reason}") from None
    if needed and not value.strip():
        raise BadRubric(where, f"is empty; write one of at most {limit} characters")
