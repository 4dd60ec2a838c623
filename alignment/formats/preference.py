"""Preference rows: what snapshots hold and DPO and reward training take, one better and one worse answer a
row.

Beside TRL's ``prompt``, ``chosen`` and ``rejected`` a row carries its label's weight and confidence, and
what it can be traced by: the comparison, the prompt's hash and the judgments that the label rests on.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import groupby, permutations
from typing import Any

import pyarrow as pa

from alignment.formats.concord import MESSAGES

PreferenceRow = dict[str, Any]
SCHEMA = pa.schema(
    [
        ("prompt", MESSAGES),
        ("chosen", MESSAGES),
        ("rejected", MESSAGES),
        ("weight", pa.float64()),
        ("confidence", pa.float64()),
        ("comparison", pa.string()),
        ("prompt_sha256", pa.string()),
        ("tags", pa.list_(pa.string())),
        (
            "judgments",
            pa.list_(pa.struct([("submission", pa.string()), ("rater", pa.string()), ("kind", pa.string())])),
        ),
    ]
)


def strict_pairs(ranking: Sequence[int]) -> list[tuple[int, int]]:
    """Positions (better, worse) of every pair that a ranking tells apart: 1 of (1, 2), none of (1, 1)."""
    return [(i, j) for i, j in permutations(range(len(ranking)), 2) if ranking[i] < ranking[j]]


def answer(text: str) -> list[dict[str, str]]:
    """A response as the messages that follow the prompt."""
    return [{"role": "assistant", "content": text}]


def by_comparison(rows: Iterable[PreferenceRow]) -> Iterator[tuple[PreferenceRow, dict[str, set[bool]]]]:
    """For each comparison, its first row and its answers, each with whether it was chosen, rejected, or both.

    A comparison's rows stand side by side in a snapshot.
    """
    for _, group in groupby(rows, key=lambda row: row["comparison"]):
        pairs = list(group)
        answers: dict[str, set[bool]] = {}
        for row in pairs:
            for name, preferred in (("chosen", True), ("rejected", False)):
                answers.setdefault(_text(row[name]), set()).add(preferred)
        yield pairs[0], answers


def _text(messages: Sequence[Mapping[str, str]]) -> str:
    return messages[0]["content"]
