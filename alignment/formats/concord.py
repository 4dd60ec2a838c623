"""Our own format, read and written: one comparison a row with its responses and judgments. Backups and
moves use it.

JSON lines, or the same columns as Parquet, where ``ranking`` and ``scores`` are maps and ``metadata`` is
JSON text. A field that no row has is left out; a field that is not known rejects the row, so nothing is
lost silently.
"""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
from msgspec import Struct, structs

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
_JUDGMENT = tuple(field.name for field in SCHEMA.field("judgments").type.value_type)


class MessageRow(Struct, gc=False):
    role: str
    content: str


class ResponseRow(Struct, gc=False):
    id: str
    source: str
    text: str


class SpanRow(Struct, gc=False):
    response: str
    start: int
    end: int
    comment: str


class GoldRow(Struct, gc=False, omit_defaults=True):
    use: str
    ranking: dict[str, int]
    explanation: str = ""


class JudgmentRow(Struct, gc=False, omit_defaults=True):
    """A judgment as it is written: without what has no value. Without an outcome it is ranked."""

    rater: str
    kind: str
    outcome: str | None = None
    ranking: dict[str, int] = {}
    strength: int | None = None
    shown: list[str] = []
    scores: dict[str, dict[str, int]] = {}
    rationale: str = ""
    all_bad: bool = False
    spans: list[SpanRow] = []
    flags: list[str] = []
    seconds: float | None = None
    at: str | None = None
    simulated: bool = False
    adjudicates: bool = False


class ComparisonRow(Struct, gc=False, omit_defaults=True):
    """A row as it is written. Without a purpose it is for training; ``metadata`` is text in Parquet."""

    id: str | None
    prompt: list[MessageRow]
    tags: list[str] = []
    reference: str | None = None
    metadata: Mapping[str, Any] | str | None = None
    purpose: str | None = None
    gold: GoldRow | None = None
    responses: list[ResponseRow] = []
    judgments: list[JudgmentRow] = []


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


def parquet_row(row: ComparisonRow) -> ComparisonRow:
    """``row`` as the columns of SCHEMA hold it."""
    if not row.metadata:
        return row
    return structs.replace(row, metadata=json.dumps(row.metadata, ensure_ascii=False))


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
