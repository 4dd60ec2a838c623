"""The form of a reply: reasons, then levels, then the verdict. Levels are enums: providers enforce no ranges."""

from collections.abc import Sequence
from typing import Any

from judges.core.rendering.ids import CODES
from judges.core.rendering.text import BEST_OF_N, PAIRWISE, PASS_FAIL, SCORES
from judges.core.rubric import CriterionText

TIE, PASS, FAIL = "tie", "pass", "fail"


def reply_schema(mode: str, count: int, criteria: Sequence[CriterionText]) -> dict[str, Any]:
    """The schema of a reply about ``count`` responses: the same for all comparisons of a judge with so many."""
    ids = list(CODES[:count])
    properties: dict[str, Any] = {"rationale": {"type": "string"}}
    if criteria:
        levels = _closed(
            {criterion.name: {"type": "integer", "enum": criterion.levels} for criterion in criteria}
        )
        properties["scores"] = levels if mode == PASS_FAIL else _closed(dict.fromkeys(ids, levels))
    if mode != SCORES:
        options = {PAIRWISE: [*ids, TIE], BEST_OF_N: ids, PASS_FAIL: [PASS, FAIL]}[mode]
        properties["verdict"] = {"type": "string", "enum": options}
    return _closed(properties)


def _closed(properties: dict[str, Any]) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }
