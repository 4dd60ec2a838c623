"""Our own format, read and written: one comparison a row with its responses and judgments. Backups and
moves use it.

JSON lines, or the same columns as Parquet, where ``ranking`` and ``scores`` are maps and ``metadata`` is
JSON text. A field that no row has is left out; a field that is not known rejects the row, so nothing is
lost silently.
"""

import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa

from alignment.formats.fields import Fields, as_mapping, whole_number
from alignment.formats.rows import Row, read_rows
from feedback.records import (
    BadRecord,
    ComparisonRecord,
    GoldRecord,
    JudgmentRecord,
    Message,
    Rejection,
    ResponseRecord,
    SpanRecord,
)

MESSAGES = pa.list_(pa.struct([("role", pa.string()), ("content", pa.string())]))
SPANS = pa.list_(
    pa.struct(
        [("response", pa.string()), ("start", pa.int32()), ("end", pa.int32()), ("comment", pa.string())]
    )
)
SCHEMA = pa.schema(
    [
        ("id", pa.string()),
        ("prompt", MESSAGES),
        ("tags", pa.list_(pa.string())),
        ("reference", pa.string()),
        ("metadata", pa.string()),
        ("purpose", pa.string()),
        (
            "gold",
            pa.struct(
                [
                    ("use", pa.string()),
                    ("ranking", pa.map_(pa.string(), pa.int32())),
                    ("explanation", pa.string()),
                ]
            ),
        ),
        (
            "responses",
            pa.list_(pa.struct([("id", pa.string()), ("source", pa.string()), ("text", pa.string())])),
        ),
        (
            "judgments",
            pa.list_(
                pa.struct(
                    [
                        ("rater", pa.string()),
                        ("kind", pa.string()),
                        ("outcome", pa.string()),
                        ("ranking", pa.map_(pa.string(), pa.int32())),
                        ("strength", pa.int32()),
                        ("shown", pa.list_(pa.string())),
                        ("scores", pa.map_(pa.string(), pa.map_(pa.string(), pa.int32()))),
                        ("rationale", pa.string()),
                        ("all_bad", pa.bool_()),
                        ("spans", SPANS),
                        ("flags", pa.list_(pa.string())),
                        ("seconds", pa.float64()),
                        ("at", pa.string()),
                        ("simulated", pa.bool_()),
                        ("adjudicates", pa.bool_()),
                    ]
                )
            ),
        ),
    ]
)
_COLUMNS = tuple(SCHEMA.names)
_NOTHING: tuple[Any, ...] = (None, [], {})
_UNSAID = {
    "purpose": "train", "outcome": "ranked", "rationale": "", "explanation": "",
    "all_bad": False, "simulated": False, "adjudicates": False,
}  # fmt: skip
_JUDGMENT = tuple(field.name for field in SCHEMA.field("judgments").type.value_type)


def recognise(values: Mapping[str, Any]) -> bool:
    return {"prompt", "responses"} <= set(values)


def read(path: Path) -> Iterator[ComparisonRecord | Rejection]:
    for row in read_rows(path):
        yield row if isinstance(row, Rejection) else _read(row)


def record_from(values: Mapping[str, Any], line: int = 0) -> ComparisonRecord:
    """The record of one row. Raises BadRecord, which names the field, for what is no row of this format."""
    row = Fields(values).only(_COLUMNS)
    return ComparisonRecord(
        key=row.optional_text("id") or None,
        prompt=[_message(message) for message in row.objects("prompt", required=True)],
        responses=[_response(response) for response in row.objects("responses", required=True)],
        tags=row.texts("tags"),
        reference=row.optional_text("reference"),
        metadata=_metadata(row, values.get("metadata")),
        judgments=[_judgment(judgment) for judgment in row.objects("judgments")],
        purpose=row.text("purpose", "train"),
        gold=_gold(row, values.get("gold")),
        line=line,
    )


def judgment_from(values: Mapping[str, Any]) -> JudgmentRecord:
    """One judgment of a row by itself. Raises BadRecord as ``record_from`` does."""
    return _judgment(Fields(values))


def row_of(values: Mapping[str, Any]) -> dict[str, Any]:
    """A row, a judgment or a known answer, ready for JSON: without what has no value, and what goes without saying."""
    return {
        name: value
        for name, value in values.items()
        if (value or value not in _NOTHING) and _UNSAID.get(name) != value
    }


def moment(at: datetime) -> str:
    """A time, with its zone, as a row has it."""
    return (at if at.tzinfo is UTC else at.astimezone(UTC)).isoformat().replace("+00:00", "Z")


def parquet_row(row: Mapping[str, Any]) -> dict[str, Any]:
    """``row`` as the columns of SCHEMA hold it."""
    metadata = json.dumps(row["metadata"], ensure_ascii=False) if "metadata" in row else None
    gold = row.get("gold")
    return {
        **row,
        "metadata": metadata,
        "gold": gold and {**gold, "ranking": _map(gold["ranking"])},
        "judgments": [_parquet_judgment(each) for each in row.get("judgments", [])],
    }


def _read(row: Row) -> ComparisonRecord | Rejection:
    try:
        return record_from(row.values, row.line)
    except BadRecord as bad:
        return Rejection(row.line, bad.reason, bad.field)


def _message(fields: Fields) -> Message:
    role, content = fields.only_texts("role", "content")
    return {"role": role, "content": content}


def _response(fields: Fields) -> ResponseRecord:
    return ResponseRecord(*fields.only_texts("id", "source", "text"))


def _metadata(row: Fields, value: object) -> Mapping[str, Any]:
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except (ValueError, RecursionError):
            raise BadRecord("it must be an object, or one as JSON text", "metadata") from None
    return {} if value is None else as_mapping(value, row.place("metadata"))


def _gold(row: Fields, value: object) -> GoldRecord | None:
    if value is None:
        return None
    where = row.place("gold")
    fields = Fields(as_mapping(value, where), where).only(("use", "ranking", "explanation"))
    return GoldRecord(
        use=fields.text("use", "gold"),
        ranking=_whole_numbers(fields.pairs("ranking"), fields.place("ranking")),
        explanation=fields.text("explanation", ""),
    )


def _judgment(fields: Fields) -> JudgmentRecord:
    fields.only(_JUDGMENT)
    return JudgmentRecord(
        rater=fields.text("rater"),
        kind=fields.text("kind", "human"),
        outcome=fields.text("outcome", "ranked"),
        ranking=_whole_numbers(fields.pairs("ranking"), fields.place("ranking")),
        strength=fields.whole("strength"),
        shown=fields.texts("shown"),
        scores=_scores(fields.pairs("scores"), fields.place("scores")),
        rationale=fields.text("rationale", ""),
        all_bad=fields.truth("all_bad"),
        spans=[_span(span) for span in fields.objects("spans")],
        flags=fields.texts("flags"),
        seconds=fields.number("seconds"),
        at=fields.time("at"),
        simulated=fields.truth("simulated"),
        adjudicates=fields.truth("adjudicates"),
    )


def _span(fields: Fields) -> SpanRecord:
    fields.only(("response", "start", "end", "comment"))
    return SpanRecord(
        response=fields.text("response"),
        start=fields.needed_whole("start"),
        end=fields.needed_whole("end"),
        comment=fields.text("comment"),
    )


def _whole_numbers(values: Mapping[str, Any], where: str) -> dict[str, int]:
    return {
        name: whole_number(value, f"{where}.{name}") for name, value in values.items() if value is not None
    }


def _scores(values: Mapping[str, Any], where: str) -> dict[str, dict[str, int]]:
    return {
        key: _whole_numbers(as_mapping(levels, where), f"{where}.{key}") for key, levels in values.items()
    }


def _parquet_judgment(row: Mapping[str, Any]) -> dict[str, Any]:
    scores = {key: _map(levels) for key, levels in row.get("scores", {}).items()}
    return {**row, "ranking": _map(row.get("ranking", {})), "scores": _map(scores)}


def _map(values: Mapping[str, Any]) -> list[dict[str, Any]]:
    """A Parquet map as JSON has it."""
    return [{"key": key, "value": value} for key, value in values.items()]
