"""The first rows of a file as they would be stored, before anything is: its shape, its columns, what is wrong."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from alignment.formats.mapping import Mapped
from alignment.formats.registry import AUTO, SAMPLE, stream_records
from alignment.formats.rows import Row, read_rows
from alignment.formats.source import FormatError
from feedback.records import BadRecord, ComparisonRecord, Rejection, check_record

SHOWN = 5
_DEEPEST = 3  # names in a path: a.b.c
_MOST_COLUMNS = 200
_MOST_CHARACTERS = 4 << 20  # of the rows that are looked at, so that long ones do not fill the memory


@dataclass(frozen=True)
class Shape:
    """What the first rows tell of a file. ``format`` is None where they are no known one's and need a mapping.

    ``columns`` are names and paths into them; ``rows`` are the values of the first rows.
    """

    format: str | None
    columns: list[str]
    rows: list[Mapping[str, Any]]


@dataclass(frozen=True)
class Preview:
    """What would become of the first rows: stored, or rejected."""

    records: list[ComparisonRecord]
    rejections: list[Rejection]


def shape_of(path: Path) -> Shape:
    """Raises FormatError for a file in which no row can be read."""
    try:
        known, _records = stream_records(path, AUTO)
        return Shape(known, [], [])
    except FormatError:
        rows = _first_rows(path)
        if not rows:
            raise
        return Shape(None, columns_of(rows), rows)


def columns_of(rows: Iterable[Mapping[str, Any]]) -> list[str]:
    """The names of all columns, and the paths into those that are objects, in the order met."""
    met: dict[str, None] = {}
    for values in rows:
        met.update(dict.fromkeys(_paths(values, _DEEPEST)))
    return list(met)[:_MOST_COLUMNS]


def values_in(rows: Iterable[Mapping[str, Any]], column: str) -> list[str]:
    """The different values of a column, as a mapping's ``verdicts`` names them, in the order met."""
    met: dict[str, None] = {}
    for values in rows:
        value = _at(values, column)
        if isinstance(value, str | int) and not isinstance(value, bool) and str(value):
            met[str(value)] = None
    return list(met)


def preview(path: Path, mapping: Mapped | None) -> Preview:
    """The first SHOWN rows, each as it would be stored or with the reason why not. Raises FormatError."""
    _format, found = stream_records(path, AUTO, mapping)
    records, rejections = [], []
    for each in islice(found, SHOWN):
        try:
            if isinstance(each, ComparisonRecord):
                check_record(each)
                records.append(each)
            else:
                rejections.append(each)
        except BadRecord as bad:
            rejections.append(Rejection(each.line, bad.reason, bad.field))
    return Preview(records, rejections)


def first_rejections(path: Path) -> list[Rejection]:
    """The first of a file of rejects."""
    with path.open("rb") as file:
        return [Rejection(**json.loads(line)) for line in islice(file, SHOWN)]


def _first_rows(path: Path) -> list[Mapping[str, Any]]:
    size, kept = 0, []
    for row in islice(read_rows(path), SAMPLE):
        if isinstance(row, Row):
            kept.append(row.values)
            size += len(str(row.values))
        if size > _MOST_CHARACTERS:
            break
    return kept


def _paths(values: Mapping[str, Any], depth: int, before: str = "") -> Iterable[str]:
    for name, value in values.items():
        path = f"{before}{name}"
        if isinstance(value, Mapping) and depth > 1:
            yield from _paths(value, depth - 1, f"{path}.")
        else:
            yield path


def _at(values: Any, path: str) -> Any:
    if not isinstance(values, Mapping) or path in values:
        return values.get(path) if isinstance(values, Mapping) else None
    name, _, rest = path.partition(".")
    return _at(values.get(name), rest) if rest else None
