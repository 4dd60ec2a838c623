"""OpenAI's preference format, for its direct preference optimization: JSON lines only."""

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any

from alignment.formats.preference import PreferenceRow


def convert(rows: Iterable[PreferenceRow], _: Counter[str]) -> Iterator[dict[str, Any]]:
    for row in rows:
        yield {
            "input": {"messages": row["prompt"], "tools": [], "parallel_tool_calls": True},
            "preferred_output": row["chosen"],
            "non_preferred_output": row["rejected"],
        }
