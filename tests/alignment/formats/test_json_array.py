"""A JSON list read element by element: the same rows as the standard parser finds, wherever the pieces are cut."""

import io
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alignment.formats import json_array
from alignment.formats.json_array import begins_list, elements
from alignment.formats.rows import Row, read_rows
from feedback.records import Rejection

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(
    rows=st.lists(st.dictionaries(st.text(), VALUES, max_size=4), max_size=6),
    indent=st.sampled_from([None, 1]),
    ascii=st.booleans(),
    piece=st.integers(1, 9),
)
def test_every_list_comes_apart_into_its_elements_in_pieces_of_any_size(rows, indent, ascii, piece):
    text = json.dumps(rows, indent=indent, ensure_ascii=ascii)
    stream = io.BytesIO(text.encode("utf-8", "surrogatepass"))
    stream.read = lambda size, read=stream.read: read(min(size, piece))
    found = list(elements(stream, longest=10_000_000))
    assert [json.loads(each.raw.decode("utf-8", "surrogatepass")) for each in found] == rows
    assert not any(each.problem for each in found)


def test_each_element_has_the_line_where_it_starts():
    text = b'\n[\n {"a": 1,\n  "b": "x\\ny"},\n\n {"a": 2}\n]\n'
    assert [each.line for each in elements(io.BytesIO(text), 1000)] == [3, 6]


def test_an_element_that_is_too_long_is_passed_over_and_the_next_one_found(monkeypatch):
    monkeypatch.setattr(json_array, "_CHUNK", 64)
    text = b'[{"a": 1},\n{"a": "' + b"\n[{,]" * 1000 + b'"},\n{"a": 3}]'
    found = list(elements(io.BytesIO(text), longest=100))
    assert [(each.line, each.raw) for each in found] == [
        (1, b'{"a": 1}'),
        (1002, None),
        (1003, b'{"a": 3}'),
    ]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (b'[{"a": 1}', "the list does not end"),
        (b'[{"a": "1}]', "the list does not end"),
        (b'[{"a": 1}] {"b": 2}', "something after the end"),
        (b"[", "the list does not end"),
    ],
)
def test_a_list_that_is_cut_short_or_goes_on_says_so(text, problem):
    assert problem in list(elements(io.BytesIO(text), 100))[-1].problem


def test_an_empty_list_has_no_element():
    assert list(elements(io.BytesIO(b" [ ] "), 100)) == []


def test_a_list_is_told_from_lines_by_its_first_letter():
    assert begins_list(b"\xef\xbb\xbf \n [1")
    assert not begins_list(b'{"a": [1]}')


def test_a_json_file_is_read_like_lines_and_broken_elements_are_rejected(tmp_path):
    path = tmp_path / "rows.json"
    path.write_bytes(b'[{"a": 1},\n[2],\n{"a": },\n{"a": "\xff"},\n{"a": 5}]')
    found = list(read_rows(path))
    assert [each.line for each in found] == [1, 2, 3, 4, 5]
    assert [type(each) for each in found] == [Row, Rejection, Rejection, Rejection, Row]
