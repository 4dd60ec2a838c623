"""Whole tables of numbers as columns: where a million rows are read at once, no row may become an object."""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
from django.db import connection
from django.db.models import QuerySet
from numpy.typing import NDArray

Column = NDArray[np.int64]
# A row for each key, its numbers as arrays: of the driver's work, every row costs the most.
_COPY = "COPY (SELECT {columns} FROM ({rows}) AS found ({names}) GROUP BY {keys}) TO STDOUT (FORMAT BINARY)"
# PostgreSQL's binary format: 19 bytes, then each row's number of columns (-1 after the last) and each column's length
# and value; an array of one dimension has 20 bytes of its own before its elements.
_FILE_HEADER, _ARRAY_HEADER = 19, 20
_ELEMENT = np.dtype([("length", ">i4"), ("value", ">i8")])


class Columns(NamedTuple):
    """Rows in any order: ``key`` is an index into ``keys``, texts that many rows share; ``numbers`` are the rest."""

    keys: list[tuple[str, ...]]
    key: Column
    numbers: list[Column]


def columns(rows: QuerySet[Any], *, keys: Sequence[str], numbers: Sequence[str]) -> Columns:
    """These fields or annotations of the rows: of ``keys`` there are few different ones, ``numbers`` are whole and none
    is null."""
    found = rows.order_by().values_list(*keys, *numbers)
    if connection.vendor == "postgresql":
        return _copied(found, len(keys), len(numbers))
    met: dict[tuple[str, ...], int] = {}
    table = np.fromiter(
        (
            (met.setdefault(tuple(map(str, row[: len(keys)])), len(met)), *row[len(keys) :])
            for row in found.iterator(chunk_size=20_000)
        ),
        dtype=np.dtype((np.int64, 1 + len(numbers))),
    )
    key, *rest = np.ascontiguousarray(table.T)
    return Columns(list(met), key, rest)


def _copied(rows: QuerySet[Any], keys: int, numbers: int) -> Columns:
    statement, parameters = rows.query.sql_with_params()
    texts, whole = [f"k{place}" for place in range(keys)], [f"n{place}" for place in range(numbers)]
    copied = _COPY.format(
        columns=", ".join(
            [f"{name}::text" for name in texts] + [f"array_agg({name}::bigint)" for name in whole]
        ),
        rows=statement,
        names=", ".join(texts + whole),
        keys=", ".join(texts),
    )
    with connection.cursor() as cursor, cursor.cursor.copy(copied, parameters) as copy:
        groups = list(_groups(b"".join(copy), keys))
    sizes = [len(found[0]) for _key, found in groups]
    empty = np.zeros(0, dtype=np.int64)
    return Columns(
        [key for key, _found in groups],
        np.repeat(np.arange(len(groups)), sizes),
        [np.concatenate([empty, *(found[place] for _key, found in groups)]) for place in range(numbers)],
    )


def _groups(data: bytes, keys: int) -> Iterator[tuple[tuple[str, ...], list[Column]]]:
    at = _FILE_HEADER
    while (count := int.from_bytes(data[at : at + 2], "big", signed=True)) != -1:
        at += 2
        fields = []
        for _field in range(count):
            length = int.from_bytes(data[at : at + 4], "big")
            fields.append(data[at + 4 : at + 4 + length])
            at += 4 + length
        elements = [np.frombuffer(field[_ARRAY_HEADER:], dtype=_ELEMENT) for field in fields[keys:]]
        yield (
            tuple(key.decode() for key in fields[:keys]),
            [each["value"].astype(np.int64) for each in elements],
        )
