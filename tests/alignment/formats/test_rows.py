"""Files become rows, whatever is wrong with some of them."""

import gzip
import json
import tracemalloc

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard

from alignment.formats import rows as rows_module
from alignment.formats import source
from alignment.formats.rows import MAX_LINE, Row, read_rows
from alignment.formats.source import FormatError, check_source
from feedback.records import Rejection


def read(path):
    return list(read_rows(path))


def values(path):
    return [row.values for row in read(path) if isinstance(row, Row)]


def rejected(path):
    return [row for row in read(path) if isinstance(row, Rejection)]


def write(tmp_path, content, name="rows.jsonl"):
    path = tmp_path / name
    path.write_bytes(content)
    return path


def test_a_byte_order_mark_and_windows_line_ends_are_no_part_of_the_rows(tmp_path):
    path = write(tmp_path, b'\xef\xbb\xbf{"a": "x\\r\\ny"}\r\n{"a": 2}\r\n')
    assert values(path) == [{"a": "x\r\ny"}, {"a": 2}]


def test_rows_are_numbered_by_line_and_blank_lines_are_passed_over(json_lines):
    assert [row.line for row in read(json_lines({"a": 1}, b"", b"  ", {"a": 2}))] == [1, 4]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b'{"a": ', "not JSON"),
        (b"[1, 2]", "not a JSON object"),
        (b'{"a": NaN}', "NaN is no JSON number"),
        (b'{"a": -Infinity}', "-Infinity is no JSON number"),
        (b'{"a": "\xff"}', "not UTF-8 text (byte 8"),
        (b'{"a": "\xed\xa0\x80"}', "not UTF-8"),
        (b'{"a": "x\x00y"}', "not JSON"),
        (b'{"a": ' + b"[" * 100_000 + b"]" * 100_000 + b"}", "nested too deeply"),
        (b'{"a": ' + b"9" * 5000 + b"}", "not JSON"),
    ],
)
def test_a_broken_line_is_reported_with_its_number_and_stops_no_other(json_lines, line, reason):
    found = read(json_lines({"a": 1}, line, {"a": 2}))
    assert [type(row) for row in found] == [Row, Rejection, Row]
    assert found[1].line == 2
    assert reason in found[1].reason


def test_line_separators_inside_texts_split_no_line(tmp_path):
    path = write(tmp_path, '{"a": "x\u2028y\u0085z"}\n'.encode())
    assert values(path) == [{"a": "x\u2028y\u0085z"}]


def test_emoji_and_right_to_left_text_come_through(json_lines):
    text = "👩🏽‍🚀 שלום مرحبا \u202eabc"
    assert values(json_lines(json.dumps({"a": text}, ensure_ascii=False).encode())) == [{"a": text}]


def test_a_text_of_a_megabyte_comes_through(json_lines):
    assert values(json_lines({"a": "é" * 1_000_000})) == [{"a": "é" * 1_000_000}]


def test_a_line_of_100_megabytes_is_rejected_without_being_held(tmp_path):
    path = tmp_path / "long.jsonl.gz"
    with gzip.open(path, "wb", compresslevel=1) as file:
        file.write(b'{"a": 1}\n{"a": "')
        for _ in range(100):
            file.write(b"x" * 1_000_000)
        file.write(b'"}\n{"a": 2}\n')
    tracemalloc.start()
    found = read(path)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert [row.line for row in found] == [1, 2, 3]
    assert "longer than 64 MB" in found[1].reason
    assert peak < 3 * MAX_LINE


def test_a_last_line_that_is_too_long_and_never_ends_is_rejected(tmp_path, monkeypatch):
    monkeypatch.setattr(rows_module, "MAX_LINE", 10)
    assert [row.line for row in rejected(write(tmp_path, b'{"a": 1}\n' + b"x" * 35))] == [2]


@pytest.mark.parametrize("compress", [gzip.compress, zstandard.ZstdCompressor().compress])
def test_compressed_files_are_known_by_their_content_and_may_have_several_parts(tmp_path, compress):
    path = write(tmp_path, compress(b'{"a": 1}\n{"a"') + compress(b": 2}\n"))
    check_source(path)
    assert values(path) == [{"a": 1}, {"a": 2}]


@pytest.mark.parametrize("compress", [gzip.compress, zstandard.ZstdCompressor().compress])
@pytest.mark.parametrize("damage", [lambda data: data[:-3], lambda data: data[:20] + b"damaged" + data[27:]])
def test_a_damaged_compressed_file_is_refused_whole(tmp_path, compress, damage):
    data = compress(b"".join(b'{"a": %d}\n' % number for number in range(1000)))
    with pytest.raises(FormatError, match="is damaged"):
        check_source(write(tmp_path, damage(data)))


@pytest.mark.parametrize(
    "content",
    [b"", b" \n\r\n", gzip.compress(b""), gzip.compress(b"\n" * 2_000_000)],
    ids=["nothing", "blank lines", "gzip of nothing", "gzip of blank lines"],
)
def test_an_empty_file_is_refused(tmp_path, content):
    with pytest.raises(FormatError, match="is empty"):
        check_source(write(tmp_path, content))


def test_a_missing_file_a_folder_and_another_encoding_are_refused(tmp_path):
    with pytest.raises(FormatError, match="There is no file"):
        check_source(tmp_path / "none")
    with pytest.raises(FormatError, match="is a folder"):
        check_source(tmp_path)
    with pytest.raises(FormatError, match="UTF-16"):
        check_source(write(tmp_path, '{"a": 1}\n'.encode("utf-16")))
    with pytest.raises(FormatError, match="can not be read"):
        check_source(tmp_path / ("x" * 300))


def test_csv_rows_carry_the_names_of_the_first_row(tmp_path):
    path = write(tmp_path, b'\xef\xbb\xbfa,b\r\n1,"x, ""y""\r\nz"\r\n\r\n2,\r\n', "rows.csv")
    assert read(path) == [Row(2, {"a": "1", "b": 'x, "y"\nz'}), Row(5, {"a": "2", "b": ""})]


def test_a_csv_text_of_a_megabyte_comes_through(tmp_path):
    assert values(write(tmp_path, b"a\n" + b"x" * 1_000_000 + b"\n", "rows.csv")) == [{"a": "x" * 1_000_000}]


def test_broken_csv_rows_are_reported_and_stop_no_other(tmp_path):
    path = write(tmp_path, b'a,b\n1,2\n3\n4,"x"y\n\xff,5\n"six,\n\xfe",7\n8,9\n', "rows.csv")
    assert values(path) == [{"a": "1", "b": "2"}, {"a": "8", "b": "9"}]
    reasons = {row.line: row.reason for row in rejected(path)}
    assert "it has 1 columns" in reasons[3]
    assert "no CSV row" in reasons[4]
    assert "UTF-8" in reasons[5]
    assert "UTF-8" in reasons[7]


def test_a_csv_text_that_never_ends_is_reported(tmp_path):
    assert "unexpected end" in rejected(write(tmp_path, b'a\n1\n"2\n3\n', "rows.csv"))[0].reason


@pytest.mark.parametrize("header", [b"a,a\n", b"a,\n", b"\xff\n1\n"])
def test_a_csv_file_without_proper_column_names_is_refused(tmp_path, header):
    with pytest.raises(FormatError, match="name every column"):
        read(write(tmp_path, header, "rows.csv"))


def test_parquet_rows_are_counted(tmp_path):
    path = tmp_path / "any.name"
    pq.write_table(pa.table({"a": list(range(250))}), path)
    assert read(path)[249] == Row(250, {"a": 249})


def test_a_text_that_many_rows_share_is_held_once(tmp_path):
    """A few kilobytes of Parquet can hold one long text for every row of a batch."""
    long, count = "x" * (4 << 20), 50
    path = tmp_path / "rows.parquet"
    pq.write_table(pa.table({"q": [long] * count, "m": [[{"content": long}]] * count}), path)
    pool = pa.proxy_memory_pool(pa.default_memory_pool())
    before = pa.default_memory_pool()
    pa.set_memory_pool(pool)
    try:
        lengths = {(len(row.values["q"]), len(row.values["m"][0]["content"])) for row in read_rows(path)}
    finally:
        pa.set_memory_pool(before)
    assert lengths == {(4 << 20, 4 << 20)}
    assert pool.max_memory() < 20 * (4 << 20)


def test_a_damaged_parquet_file_is_refused(tmp_path):
    with pytest.raises(FormatError, match="can not be read as Parquet after row 0"):
        read(write(tmp_path, b"PAR1 and then nothing", "rows.parquet"))


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_the_first_row_of_a_table_tells_what_parts_its_columns(delimiter, tmp_path):
    cells = ['"a, or b; or"', "text", "n"], ["x", '"1,5;6"', "2"]
    table = "\n".join(delimiter.join(row) for row in cells).encode()
    assert values(write(tmp_path, table, "t.csv")) == [{"a, or b; or": "x", "text": "1,5;6", "n": "2"}]


@pytest.mark.parametrize("pack", [gzip.compress, zstandard.compress], ids=["gzip", "zstd"])
def test_a_file_that_unpacks_to_far_more_than_data_does_is_refused_in_little_memory(
    pack, tmp_path, monkeypatch
):
    monkeypatch.setattr(source, "ALWAYS_ALLOWED", 1 << 20)
    path = write(tmp_path, pack(b" " * (300 << 20)), "bomb")
    tracemalloc.start()
    for use in (check_source, read):
        with pytest.raises(FormatError, match="100 times its size"):
            use(path)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 200 << 20


def test_a_parquet_file_that_unpacks_to_far_more_is_refused_too(tmp_path, monkeypatch):
    monkeypatch.setattr(rows_module, "ALWAYS_ALLOWED", 1 << 20)
    path = tmp_path / "bomb.parquet"
    texts = pa.table({"a": [f"{number:06d}" + " " * 20_000 for number in range(5000)]})
    pq.write_table(texts, path, compression="zstd", use_dictionary=False)
    with pytest.raises(FormatError, match="100 times its size"):
        read(path)


def test_the_lines_of_a_file_and_the_rows_of_a_parquet_file_are_counted(tmp_path):
    assert check_source(write(tmp_path, b"a\nb\nc\n")) == 3
    path = tmp_path / "rows.parquet"
    pq.write_table(pa.table({"a": [1, 2]}), path)
    assert rows_module.count_rows(path) == 2
    with pytest.raises(FormatError, match="can not be read as Parquet"):
        rows_module.count_rows(write(tmp_path, b"PAR1 no"))
