"""Rows become Arrow and come back, a column at a time: of a row alone Arrow makes ten objects, and with pandas.

A row, and every object in it, is a dictionary or a ``msgspec.Struct``; a map is a dictionary.
"""

import json
from collections.abc import Iterable, Mapping, Sequence, Sized
from functools import cache
from itertools import chain, islice
from operator import attrgetter
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa

_LARGEST = 2**31 - 1  # offset that Arrow's columns of texts and lists take


def table_of(rows: Sequence[Any], schema: pa.Schema) -> pa.Table:
    """The rows in the columns of ``schema``; what a row does not have is null."""
    columns = [_array(_values(rows, field.name), field.type) for field in schema]
    return pa.Table.from_arrays(columns, schema=schema)


def _values(rows: Sequence[Any], name: str, nulls: int = 0) -> list[Any]:
    """What each row, of which so many are None, has of this name."""
    if isinstance(rows[0], Mapping) or nulls:
        return [row.get(name) if isinstance(row, Mapping) else getattr(row, name, None) for row in rows]
    return [*map(attrgetter(name), rows)]


def _array(values: list[Any], type: pa.DataType) -> pa.Array:
    count, nulls = len(values), values.count(None)
    if nulls == count:
        return pa.nulls(count, type)
    valid = _bits([value is not None for value in values]) if nulls else None
    if pa.types.is_string(type):
        texts = [(value or "").encode() for value in values] if nulls else [text.encode() for text in values]
        return pa.Array.from_buffers(type, count, [valid, _offsets(texts), pa.py_buffer(b"".join(texts))])
    if pa.types.is_struct(type):
        children = [_array(_values(values, field.name, nulls), field.type) for field in type]
        return pa.Array.from_buffers(type, count, [valid], children=children)
    if pa.types.is_nested(type):
        held: list[Any] = [value or () for value in values] if nulls else values
        child = _pairs(held, type) if pa.types.is_map(type) else _array([*chain(*held)], type.value_type)
        return pa.Array.from_buffers(type, count, [valid, _offsets(held)], children=[child])
    numbers: list[Any] = [0 if value is None else value for value in values] if nulls else values
    if pa.types.is_boolean(type):
        return pa.Array.from_buffers(type, count, [valid, _bits(numbers)])
    buffer = pa.py_buffer(np.array(numbers, dtype=type.to_pandas_dtype()))
    return pa.Array.from_buffers(type, count, [valid, buffer])


def _pairs(maps: Iterable[Mapping[str, Any]], type: pa.DataType) -> pa.Array:
    keys = _array([*chain(*maps)], type.key_type)
    values = _array([value for each in maps if each for value in each.values()], type.item_type)
    pair = pa.struct([type.key_field, type.item_field])
    return pa.Array.from_buffers(pair, len(keys), [None], children=[keys, values])


def _offsets(values: Iterable[Sized]) -> pa.Buffer:
    offsets = np.cumsum([0, *map(len, values)], dtype=np.int64)
    if offsets[-1] > _LARGEST:
        raise ValueError("rows that are written at once hold more than two gigabytes in one column")
    return pa.py_buffer(offsets.astype(np.int32))


def _bits(values: list[bool]) -> pa.Buffer:
    return pa.py_buffer(np.packbits(np.array(values, dtype=np.bool_), bitorder="little"))


def sorted_rows(batch: pa.RecordBatch) -> list[Any]:
    """The rows as objects for ``msgspec``, which writes their names, and those of all within, in alphabetical order.

    A number is there written as Python writes it. Raises ValueError for one that is infinite or none.
    """
    return _objects([field.name for field in batch.schema], batch.columns)


def _objects(names: Sequence[str], columns: Sequence[pa.Array]) -> list[Any]:
    order = sorted(range(len(names)), key=names.__getitem__)
    row = _row_type(tuple(names[place] for place in order))
    return list(map(row, *(_listed(columns[place]) for place in order)))


@cache
def _row_type(names: tuple[str, ...]) -> type[Any]:
    places = [f"_{place}" for place in range(len(names))]
    return msgspec.defstruct("Row", places, rename=dict(zip(places, names, strict=True)), gc=False)


def _listed(array: pa.Array) -> list[Any]:
    type = array.type
    if pa.types.is_list(type):
        elements = iter(_listed(array.flatten()))
        return [
            None if length is None else [*islice(elements, length)]
            for length in array.value_lengths().to_pylist()
        ]
    if pa.types.is_struct(type):
        rows = _objects([field.name for field in type], array.flatten())
        if not array.null_count:
            return rows
        return [row if valid else None for row, valid in zip(rows, array.is_valid().to_pylist(), strict=True)]
    values = array.to_pylist()
    return [as_json(value) for value in values] if pa.types.is_floating(type) else values


def as_json(number: float | None) -> Any:
    """A number for ``msgspec``, which writes an exponent otherwise than Python does. ValueError as ``sorted_rows``."""
    if not number or 1e-4 <= abs(number) < 1e16:
        return number
    return msgspec.Raw(json.dumps(number, allow_nan=False).encode())
