"""Conversations for supervised fine-tuning: each comparison's prompt with its best answer."""

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any

import pyarrow as pa

from alignment.formats.concord import MESSAGES
from alignment.formats.preference import PreferenceRow, answer, by_comparison

SCHEMA = pa.schema([("messages", MESSAGES)])


def convert(rows: Iterable[PreferenceRow], left_out: Counter[str]) -> Iterator[dict[str, Any]]:
    for row, answers in by_comparison(rows):
        for text, preferred in answers.items():
            if False in preferred:
                left_out["answers that were not the best"] += 1
            else:
                yield {"messages": [*row["prompt"], *answer(text)]}
