"""Rows become columns and come back as what they were, whatever in them is null, empty or not ASCII."""

import json

import msgspec
import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from alignment.formats.arrow import sorted_rows, table_of
from feedback.hashing import canonical_json

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=5)
NUMBER = st.floats(allow_nan=False, allow_infinity=False)
PART = {"text": TEXT, "number": NUMBER, "parts": st.lists(st.none() | TEXT, max_size=3)}
TYPES = {"text": pa.string(), "number": pa.float64(), "parts": pa.list_(pa.string())}
FLAT = {"whole": st.integers(-(2**31), 2**31 - 1), "truth": st.booleans(), **PART}
LISTS = pa.schema([("whole", pa.int32()), ("truth", pa.bool_()), *TYPES.items()])
DEEP = LISTS.append(pa.field("one", pa.struct(TYPES))).append(pa.field("many", pa.list_(pa.struct(TYPES))))
MAPS = pa.schema([("levels", pa.map_(pa.string(), pa.map_(pa.string(), pa.int32())))])


def objects(fields):
    return st.fixed_dictionaries({name: st.none() | values for name, values in fields.items()})


class Part(msgspec.Struct):
    text: object
    number: object
    parts: object


part = objects(PART)
rows = st.lists(objects(FLAT | {"one": part, "many": st.lists(st.none() | part, max_size=3)}), min_size=1)


@given(rows)
def test_rows_come_back_from_columns_and_are_written_in_canonical_form(rows):
    table = table_of(rows, DEEP)
    table.validate(full=True)
    assert table.to_pylist() == rows
    (batch,) = table.to_batches()
    lines = msgspec.json.Encoder().encode_lines(sorted_rows(batch)).decode()
    assert lines == "".join(canonical_json(row) + "\n" for row in rows)


@given(rows, st.integers(0, 10), st.integers(0, 10))
def test_a_part_of_a_batch_has_its_own_rows(rows, start, length):
    batch = table_of(rows, DEEP).to_batches()[0].slice(start, length)
    lines = msgspec.json.Encoder().encode_lines(sorted_rows(batch)).splitlines()
    assert [json.loads(line) for line in lines] == rows[start : start + length]


@given(st.lists(st.none() | part, min_size=1))
def test_structs_are_as_good_as_dictionaries(parts):
    schema = pa.schema([("one", pa.struct(TYPES))])
    structs = [{"one": None if each is None else Part(**each)} for each in parts]
    assert table_of(structs, schema).equals(table_of([{"one": each} for each in parts], schema))


levels = st.dictionaries(TEXT, st.none() | st.dictionaries(TEXT, st.integers(0, 9), max_size=2), max_size=2)


@given(st.lists(st.fixed_dictionaries({"levels": st.none() | levels}), min_size=1))
def test_maps_are_dictionaries(rows):
    table = table_of(rows, MAPS)
    table.validate(full=True)
    assert table.to_pylist(maps_as_pydicts="strict") == rows
