"""Conversations for supervised fine-tuning: each comparison's prompt with its best answer."""

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any

import pyarrow as pa

from alignment.formats.concord import MESSAGES
from alignment.formats.preference import PreferenceRow, answer
from alignment.formats.prompt_completion import best_answers

SCHEMA = pa.schema([("messages", MESSAGES)])


def convert(rows: Iterable[PreferenceRow], left_out: Counter[str]) -> Iterator[dict[str, Any]]:
    for row, best in best_answers(rows, left_out):
        yield {"messages": [*row["prompt"], *answer(best)]}
