"""Rows become Arrow and come back, a column at a time: of a row alone Arrow makes ten objects, and with pandas.

A row, and every object in it, is a dictionary or a ``msgspec.Struct``; a map is a dictionary.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from itertools import chain, islice
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa


def table_of(rows: Sequence[Any], schema: pa.Schema) -> pa.Table:
    """The rows in the columns of ``schema``; what a row does not have is null."""
    return pa.Table.from_arrays(
        [_array([*_values(rows, field.name)], field.type) for field in schema], schema=schema
    )


def _values(rows: Sequence[Any], name: str) -> Iterable[Any]:
    if isinstance(next(row for row in rows if row is not None), Mapping):
        return (None if row is None else row.get(name) for row in rows)
    return (getattr(row, name, None) for row in rows)


def _array(values: list[Any], type: pa.DataType) -> pa.Array:
    count, nulls = len(values), values.count(None)
    if nulls == count:
        return pa.nulls(count, type)
    if pa.types.is_string(type):
        builder = pa.lib.StringBuilder()
        builder.append_values(values)
        return builder.finish()
    valid = _bits([value is not None for value in values]) if nulls else None
    if pa.types.is_struct(type):
        children = [_array([*_values(values, field.name)], field.type) for field in type]
        return pa.Array.from_buffers(type, count, [valid], children=children)
    if pa.types.is_nested(type):
        lengths = [len(value) if value else 0 for value in values]
        offsets = pa.py_buffer(np.cumsum([0, *lengths], dtype=np.int32))
        child = _pairs(values, type) if pa.types.is_map(type) else _elements(values, type)
        return pa.Array.from_buffers(type, count, [valid, offsets], children=[child])
    numbers = [0 if value is None else value for value in values] if nulls else values
    if pa.types.is_boolean(type):
        return pa.Array.from_buffers(type, count, [valid, _bits(numbers)])
    buffer = pa.py_buffer(np.array(numbers, dtype=type.to_pandas_dtype()))
    return pa.Array.from_buffers(type, count, [valid, buffer])


def _elements(lists: Iterable[Sequence[Any] | None], type: pa.DataType) -> pa.Array:
    return _array([*chain.from_iterable(each for each in lists if each)], type.value_type)


def _pairs(maps: Iterable[Mapping[str, Any] | None], type: pa.DataType) -> pa.Array:
    found = [each for each in maps if each]
    keys = _array([*chain.from_iterable(found)], type.key_type)
    values = _array([*chain.from_iterable(each.values() for each in found)], type.item_type)
    return pa.Array.from_buffers(
        pa.struct([type.key_field, type.item_field]), len(keys), [None], children=[keys, values]
    )


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
