"""Preference rows as LLaMA-Factory reads them: the conversation, and one message each that is better and worse, with
an entry for its ``dataset_info.json`` that says so (``ranking: true``). Read and written.

It wants turns of user and assistant in turn, after a system's word or none: others are left out, counted. Read, the
preference becomes a judgment of the human rater ``llama-factory``.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa

from alignment.formats.fields import Fields
from alignment.formats.preference import PreferenceRow
from alignment.formats.reading import Read, each_row, messages, preferred
from feedback.records import ComparisonRecord, JudgmentRecord

NAME = "llama-factory"
UNKNOWN = "unknown"
OUT_OF_TURN = "conversations whose turns are not of user and assistant in turn"
INFO = "dataset_info.json"
_MESSAGE = pa.struct([("role", pa.string()), ("content", pa.string())])
SCHEMA = pa.schema([("conversations", pa.list_(_MESSAGE)), ("chosen", _MESSAGE), ("rejected", _MESSAGE)])


def convert(rows: Iterable[PreferenceRow], left_out: Counter[str]) -> Iterator[dict[str, Any]]:
    for row in rows:
        if _in_turn([message["role"] for message in row["prompt"]]):
            yield {
                "conversations": row["prompt"],
                "chosen": row["chosen"][0],
                "rejected": row["rejected"][0],
            }
        else:
            left_out[OUT_OF_TURN] += 1


def dataset_info(rows_file: str) -> dict[str, Any]:
    """The entry of a file of rows in ``dataset_info.json``, by the name under which it is trained on."""
    return {
        rows_file.split(".")[0]: {
            "file_name": rows_file,
            "formatting": "sharegpt",
            "ranking": True,
            "columns": {"messages": "conversations", "chosen": "chosen", "rejected": "rejected"},
            "tags": {
                "role_tag": "role",
                "content_tag": "content",
                "user_tag": "user",
                "assistant_tag": "assistant",
                "system_tag": "system",
            },
        }
    }


def recognise(values: Mapping[str, Any]) -> bool:
    return isinstance(values.get("conversations"), list) and all(
        isinstance(values.get(side), Mapping) for side in ("chosen", "rejected")
    )


def read(path: Path) -> Read:
    return each_row(path, _records)


def _records(row: Fields) -> Iterable[ComparisonRecord]:
    yield preferred(
        messages(row, "conversations"),
        row.part("chosen").text("content"),
        row.part("rejected").text("content"),
        judgment=JudgmentRecord(rater=NAME),
        sources=(UNKNOWN, UNKNOWN),
    )


def _in_turn(roles: list[str]) -> bool:
    turns = roles[1:] if roles[:1] == ["system"] else roles
    return bool(turns) and turns == [("user", "assistant")[place % 2] for place in range(len(turns))]
