"""OpenAI's preference format, for its direct preference optimization: JSON lines only. Read and written.

Read, the preference becomes a judgment of the human rater ``openai-preference``.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from alignment.formats.fields import Fields
from alignment.formats.openai_chat import without_tools
from alignment.formats.preference import PreferenceRow
from alignment.formats.reading import Read, each_row, messages, preferred
from feedback.records import BadRecord, ComparisonRecord, JudgmentRecord

NAME = "openai-preference"
UNKNOWN = "unknown"
_SIDES = ("preferred_output", "non_preferred_output")


def convert(rows: Iterable[PreferenceRow], left_out: Counter[str]) -> Iterator[dict[str, Any]]:
    for row in without_tools(rows, left_out):
        yield {
            "input": {"messages": row["prompt"], "tools": [], "parallel_tool_calls": True},
            "preferred_output": row["chosen"],
            "non_preferred_output": row["rejected"],
        }


def recognise(values: Mapping[str, Any]) -> bool:
    return {"input", *_SIDES} <= set(values)


def read(path: Path) -> Read:
    return each_row(path, _records)


def _records(row: Fields) -> Iterable[ComparisonRecord]:
    chosen, rejected = (_answer(row, side) for side in _SIDES)
    yield preferred(
        messages(row.part("input"), "messages"),
        chosen,
        rejected,
        judgment=JudgmentRecord(rater=NAME),
        sources=(UNKNOWN, UNKNOWN),
    )


def _answer(row: Fields, side: str) -> str:
    said = messages(row, side)
    if len(said) != 1:
        raise BadRecord(f"it must be one message, not {len(said)}", side)
    return said[0]["content"]
