"""Each comparison's prompt and its best answer apart, for TRL's SFT: the loss is then of the answer alone."""

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any

import pyarrow as pa

from alignment.formats.concord import MESSAGES
from alignment.formats.preference import PreferenceRow, answer, by_comparison

NOT_BEST = "answers that were not the best"
SCHEMA = pa.schema([("prompt", MESSAGES), ("completion", MESSAGES)])


def convert(rows: Iterable[PreferenceRow], left_out: Counter[str]) -> Iterator[dict[str, Any]]:
    for row, best in best_answers(rows, left_out):
        yield {"prompt": row["prompt"], "completion": answer(best)}


def best_answers(
    rows: Iterable[PreferenceRow], left_out: Counter[str]
) -> Iterator[tuple[PreferenceRow, str]]:
    """The best answer of each comparison, beside a row of it; several where they tie. The others are counted."""
    for row, answers in by_comparison(rows):
        for text, preferred in answers.items():
            if False in preferred:
                left_out[NOT_BEST] += 1
            else:
                yield row, text
