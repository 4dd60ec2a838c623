"""Preference rows: what snapshots hold and DPO and reward training take, one better and one worse answer a
row.

Beside TRL's ``prompt``, ``chosen`` and ``rejected`` a row carries its label's weight, confidence and margin (0 where
nobody said how much better: the reward trainer then asks for none), the mean scores of the two (0 to 1 on the rubric's
scales, null without any), what graders read (the prompt's reference, the comparison's metadata as JSON text), and what
it can be traced by: the comparison, the prompt's hash and the judgments that the label rests on.
"""

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import groupby, permutations
from math import gcd
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
        ("margin", pa.float64()),
        ("score_chosen", pa.float64()),
        ("score_rejected", pa.float64()),
        ("reference", pa.string()),
        ("metadata", pa.string()),
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

    A comparison's rows stand side by side in a snapshot. One that was resampled comes as often as it stands there: so
    often as all of its pairs do.
    """
    for _, group in groupby(rows, key=lambda row: row["comparison"]):
        pairs = list(group)
        answers: dict[str, set[bool]] = {}
        for row in pairs:
            for name, preferred in (("chosen", True), ("rejected", False)):
                answers.setdefault(_text(row[name]), set()).add(preferred)
        each = Counter((_text(row["chosen"]), _text(row["rejected"])) for row in pairs)
        for _copy in range(gcd(*each.values())):
            yield pairs[0], answers


def item(row: PreferenceRow) -> dict[str, Any]:
    """What a grader reads of a row: its comparison's metadata by name, and the prompt's reference where it has one.

    As ``judges.queries.grader_item`` gives it while the comparison is in the store.
    """
    reference = row.get("reference")
    metadata = json.loads(row.get("metadata") or "{}")
    metadata.pop("prompt", None)  # the prompt's own name
    return {**metadata, **({} if reference is None else {"reference": reference})}


def is_plain(messages: Sequence[Mapping[str, str]]) -> bool:
    """Whether no tool speaks: elsewhere its turn names the call that it answers, which is not kept."""
    return all(message["role"] != "tool" for message in messages)


def _text(messages: Sequence[Mapping[str, str]]) -> str:
    return messages[0]["content"]
