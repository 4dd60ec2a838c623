"""OpenAI's chat format, for its and Mistral's supervised fine-tuning: JSON lines only.

A tool's turn needs the call that it answers, which is not kept: such conversations are left out, counted.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any

from alignment.formats import sft
from alignment.formats.preference import PreferenceRow, is_plain

WITH_TOOL = "conversations with a tool's turn, whose call is not kept"


def convert(rows: Iterable[PreferenceRow], left_out: Counter[str]) -> Iterator[dict[str, Any]]:
    return sft.convert(without_tools(rows, left_out), left_out)


def without_tools(rows: Iterable[PreferenceRow], left_out: Counter[str]) -> Iterator[PreferenceRow]:
    """The rows whose prompts OpenAI takes; the others are counted."""
    for row in rows:
        if is_plain(row["prompt"]):
            yield row
        else:
            left_out[WITH_TOOL] += 1
