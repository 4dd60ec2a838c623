"""Prompts as verl's ``RLHFDataset`` and its reward manager read them: each once, with what a reward function is given.

``reward_model.ground_truth`` is the prompt's reference, empty where it has none; ``extra_info.item`` is, as JSON since
columns may differ between rows, what a grader reads: the prompt and what stands beside it (verl 0.9.1).
"""

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import pyarrow as pa

from alignment.formats.concord import MESSAGES
from alignment.formats.preference import PreferenceRow, item
from alignment.formats.prompt_only import first_of_each_prompt

NAME = "verl"
SCHEMA = pa.schema(
    [
        ("data_source", pa.string()),
        ("prompt", MESSAGES),
        ("reward_model", pa.struct([("style", pa.string()), ("ground_truth", pa.string())])),
        ("extra_info", pa.struct([("index", pa.int64()), ("item", pa.string())])),
    ]
)


def convert(rows: Iterable[PreferenceRow], left_out: Counter[str]) -> Iterator[dict[str, Any]]:
    for index, row in enumerate(first_of_each_prompt(rows, left_out)):
        yield verl_row(index, row["prompt"], item(row))


def verl_row(index: int, prompt: Sequence[Mapping[str, str]], beside: Mapping[str, Any]) -> dict[str, Any]:
    """One prompt, and the columns beside it by name."""
    return {
        "data_source": "concord",
        "prompt": list(prompt),
        "reward_model": {"style": "rule", "ground_truth": str(beside.get("reference") or "")},
        "extra_info": {"index": index, "item": json.dumps({**beside, "prompt": list(prompt)}, default=str)},
    }
