"""Instructions for trainers in Alpaca's way, Lightning AI's among them: one turn, and its best answer.

The format knows one question and nothing before it: conversations of several turns are left out, counted, and so are
those that begin with a system's word, which would be lost.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any

import pyarrow as pa

from alignment.formats.preference import PreferenceRow
from alignment.formats.prompt_completion import best_answers

TURNS = "conversations of more than one turn, or with a system's word"
SCHEMA = pa.schema([("instruction", pa.string()), ("input", pa.string()), ("output", pa.string())])


def convert(rows: Iterable[PreferenceRow], left_out: Counter[str]) -> Iterator[dict[str, Any]]:
    for row, best in best_answers(rows, left_out):
        if [message["role"] for message in row["prompt"]] == ["user"]:
            yield {"instruction": row["prompt"][0]["content"], "input": "", "output": best}
        else:
            left_out[TURNS] += 1
