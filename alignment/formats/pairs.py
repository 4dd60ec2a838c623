"""Any file, read through a mapping (``alignment.formats.mapping``): each row becomes one comparison."""

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from alignment.formats.mapping import (
    NO_JUDGMENT,
    RANKINGS,
    JudgmentColumns,
    Mapped,
    ResponseColumns,
)
from alignment.formats.rows import Row, read_rows
from feedback.records import BadRecord, ComparisonRecord, JudgmentRecord, Message, Rejection, ResponseRecord

UNKNOWN_SOURCE = "unknown"


def read(path: Path, mapping: Mapped) -> Iterator[ComparisonRecord | Rejection]:
    for row in read_rows(path):
        yield row if isinstance(row, Rejection) else _read(row, mapping)


def record_from(values: Mapping[str, Any], mapping: Mapped, line: int = 0) -> ComparisonRecord:
    """The record of one row. Raises BadRecord, which names the column, for what does not fit the mapping."""
    return ComparisonRecord(
        key=_as_text(_one(values, mapping.id), mapping.id) or None if mapping.id else None,
        prompt=_prompt(values, mapping.prompt),
        responses=[
            _response(values, str(number), columns)
            for number, columns in enumerate(mapping.responses, start=1)
        ],
        tags=[tag for name in mapping.tags if (tag := _as_text(_one(values, name), name))],
        reference=_as_text(_one(values, mapping.reference), mapping.reference) or None
        if mapping.reference
        else None,
        metadata={name: value for name in mapping.metadata if (value := _one(values, name)) is not None},
        judgments=[
            each for columns in mapping.judgments for each in _judgments(values, columns, mapping.verdicts)
        ],
        line=line,
    )


def find(values: object, path: str) -> list[tuple[str, Any]]:
    """(what the star stands for, the value) of all that ``path`` leads to. Raises BadRecord."""
    if not isinstance(values, Mapping):
        raise BadRecord(f"there is no object to find {path!r} in", path)
    if path in values:
        return [("", values[path])]
    name, _, rest = path.partition(".")
    before, star, after = name.partition("*")
    if not star and name not in values:
        raise BadRecord(f"there is no such column; the row has {', '.join(map(str, values))}"[:300], path)
    if not star:
        return find(values[name], rest) if rest else [("", values[name])]
    starred = {
        _starred(key, before, after): value for key, value in values.items() if _fits(key, before, after)
    }
    return [(key, _one(value, rest) if rest else value) for key, value in starred.items()]


def _read(row: Row, mapping: Mapped) -> ComparisonRecord | Rejection:
    try:
        return record_from(row.values, mapping, row.line)
    except BadRecord as bad:
        return Rejection(row.line, bad.reason, bad.field)


def _fits(key: object, before: str, after: str) -> bool:
    return (
        isinstance(key, str)
        and key.startswith(before)
        and key.endswith(after)
        and len(key) > len(before + after)
    )


def _starred(key: str, before: str, after: str) -> str:
    return key[len(before) : len(key) - len(after)]


def _one(values: object, path: str) -> Any:
    found = find(values, path)
    if not found:
        raise BadRecord("no column fits it", path)
    return found[0][1]


def _as_text(value: object, where: str) -> str:
    """A column's value as text: a number, true or false as JSON writes it, nothing at all as an empty one."""
    if not isinstance(value, str | int | float | None):
        raise BadRecord(f"it must be text, not {type(value).__name__}", where)
    return value if isinstance(value, str) else "" if value is None else json.dumps(value)


def _prompt(values: Mapping[str, Any], names: Sequence[str]) -> Sequence[Message]:
    found = [_one(values, name) for name in names]
    if len(found) == 1 and isinstance(found[0], list):
        return _messages(found[0], names[0])
    parts = [_as_text(value, name) for value, name in zip(found, names, strict=True)]
    joined = "\n\n".join(part for part in parts if part.strip())
    if not joined:
        raise BadRecord("the prompt is empty", names[0])
    return [{"role": "user", "content": joined}]


def _messages(values: Sequence[Any], where: str) -> Sequence[Message]:
    if not all(isinstance(value, Mapping) and {"role", "content"} <= set(value) for value in values):
        raise BadRecord("a list in it must hold messages, each {role, content}", where)
    return [{"role": value["role"], "content": value["content"]} for value in values]


def _response(values: Mapping[str, Any], key: str, columns: ResponseColumns) -> ResponseRecord:
    source = _as_text(_one(values, columns.source), columns.source) if columns.source else ""
    return ResponseRecord(key, source or UNKNOWN_SOURCE, _as_text(_one(values, columns.text), columns.text))


def _judgments(
    values: Mapping[str, Any], columns: JudgmentColumns, verdicts: Mapping[str, str]
) -> Iterator[JudgmentRecord]:
    rater = _rater(values, columns)
    for name, found in [("", None)] if columns.ranks else find(values, columns.path):
        outcome, ranking = (
            _ranked(values, columns) if columns.ranks else _found_verdict(found, columns, verdicts)
        )
        if outcome == NO_JUDGMENT:
            continue
        within = found if isinstance(found, Mapping) else values
        yield JudgmentRecord(
            rater=rater or name,
            kind=columns.kind,
            outcome=outcome,
            ranking=ranking,
            rationale=_as_text(_one(within, columns.rationale), columns.rationale)
            if columns.rationale
            else "",
        )


def _rater(values: Mapping[str, Any], columns: JudgmentColumns) -> str:
    if columns.rater_column is None:
        return columns.rater or ""
    return _as_text(_one(values, columns.rater_column), columns.rater_column)


def _ranked(values: Mapping[str, Any], columns: JudgmentColumns) -> tuple[str, Mapping[str, int]]:
    said = [_as_text(_one(values, name), name).strip() for name in columns.ranks]
    if not any(said):
        return columns.missing, {}
    ranking = {}
    for number, (name, value) in enumerate(zip(columns.ranks, said, strict=True), start=1):
        if not (value.isascii() and value.isdigit() and 1 <= int(value[:4]) <= len(said)):
            raise BadRecord(f"{value!r:.60} is no rank from 1 to {len(said)}", name)
        ranking[str(number)] = int(value)
    return "ranked", ranking


def _found_verdict(
    found: Any, columns: JudgmentColumns, verdicts: Mapping[str, str]
) -> tuple[str, Mapping[str, int]]:
    said = [_one(found, path) for path in columns.verdict] if columns.verdict else [found]
    return _verdict([_as_text(value, columns.path) for value in said], columns, verdicts)


def _verdict(
    said: Sequence[str], columns: JudgmentColumns, verdicts: Mapping[str, str]
) -> tuple[str, Mapping[str, int]]:
    unknown = [value for value in said if value and value not in verdicts]
    if unknown:
        raise BadRecord(f"{unknown[0]!r:.60} is none of the verdicts {', '.join(verdicts)}", columns.path)
    meant = {verdicts[value] if value else NO_JUDGMENT for value in said}
    if NO_JUDGMENT in meant:
        return columns.missing, {}
    return ("ranked", RANKINGS[meant.pop()]) if len(meant) == 1 else ("inconsistent", {})
