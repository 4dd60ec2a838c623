"""JSON lines become Arrow, by its own reader: of Python's objects it makes arrays on this core alone, and with pandas.

The reader knows no maps. A map is stored as a list of {key, value} is: so it is read, and then only named otherwise.
"""

import pyarrow as pa
import pyarrow.json as pa_json


def table_of(lines: bytes, schema: pa.Schema) -> pa.Table:
    """The lines in the columns of ``schema``; in them a map is a list of {key, value}. Raises ArrowException."""
    read = pa_json.read_json(
        pa.BufferReader(lines),
        read_options=pa_json.ReadOptions(use_threads=False, block_size=len(lines)),
        parse_options=pa_json.ParseOptions(
            explicit_schema=pa.schema([field.with_type(_without_maps(field.type)) for field in schema]),
            unexpected_field_behavior="error",
        ),
    )
    columns = (read.column(field.name).combine_chunks() for field in schema)
    return pa.Table.from_arrays(
        [_retyped(column, field.type) for column, field in zip(columns, schema, strict=True)], schema=schema
    )


def _without_maps(type: pa.DataType) -> pa.DataType:
    if pa.types.is_struct(type):
        return pa.struct([field.with_type(_without_maps(field.type)) for field in type])
    if pa.types.is_nested(type):
        return pa.list_(_without_maps(_element(type)))
    return type


def _retyped(array: pa.Array, type: pa.DataType) -> pa.Array:
    """The same memory as another type."""
    if not pa.types.is_nested(type):
        return array
    if pa.types.is_struct(type):
        children = [_retyped(array.field(index), field.type) for index, field in enumerate(type)]
    else:
        children = [_retyped(array.values, _element(type))]
    own = array.buffers()[: type.num_buffers]
    return pa.Array.from_buffers(type, len(array), own, children=children)


def _element(type: pa.DataType) -> pa.DataType:
    """What a list holds, or a map: pairs, of which the keys are never null."""
    return pa.struct([type.key_field, type.item_field]) if pa.types.is_map(type) else type.value_type
