"""Prompts alone, each once, for PPO, GRPO and RLOO: with the reference and whatever else a reward reads as columns.

The columns are those of the comparison's metadata, so that they differ between rows: JSON lines only.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any

from alignment.formats.preference import PreferenceRow, item

MORE = "further comparisons of a prompt, with their metadata"


def convert(rows: Iterable[PreferenceRow], left_out: Counter[str]) -> Iterator[dict[str, Any]]:
    for row in first_of_each_prompt(rows, left_out):
        yield {"prompt": row["prompt"], **item(row)}


def first_of_each_prompt(rows: Iterable[PreferenceRow], left_out: Counter[str]) -> Iterator[PreferenceRow]:
    """The first row of each prompt, whose rows stand side by side; further comparisons are counted."""
    last: tuple[str, str] = ("", "")
    for row in rows:
        prompt, comparison = row["prompt_sha256"], row["comparison"]
        if prompt != last[0]:
            yield row
        elif comparison != last[1]:
            left_out[MORE] += 1
        last = (prompt, comparison)
