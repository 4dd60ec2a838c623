"""Bytes become rows: JSON lines, a JSON list, CSV and Parquet alike are a stream of numbered rows, read in
constant memory.

What can not be read as a row is a Rejection with its number and the stream goes on. Numbers are the file's
lines, from 1; a Parquet file has no lines, so its rows are counted.
"""

import csv
import json
import re
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq

from alignment.formats.json_array import begins_list, elements
from alignment.formats.source import ALWAYS_ALLOWED, MOST_EXPANSION, FormatError, is_parquet, open_bytes
from feedback.records import Rejection

MAX_LINE = 64 << 20  # bytes: a longer line is passed over without being held in memory
BOM = b"\xef\xbb\xbf"
_PARQUET_BATCH = 100
_DECODE = msgspec.json.Decoder().decode
_DELIMITERS = ",;\t"  # as spreadsheets write them, by the language they speak


@dataclass(frozen=True)
class Row:
    line: int
    values: Mapping[str, Any]


@dataclass(frozen=True)
class Line:
    """One line, and what is wrong with it: then ``text`` is what could be read of it."""

    number: int
    text: str
    problem: str | None = None


def read_rows(path: Path) -> Iterator[Row | Rejection]:
    """The rows of a file: Parquet and a JSON list by their content, CSV by its name, otherwise JSON lines.

    Raises FormatError for a CSV file without usable column names, and for a Parquet file that can not be
    read.
    """
    if is_parquet(path):
        return read_parquet(path)
    if ".csv" in path.suffixes:
        return read_csv(path)
    with open_bytes(path) as stream:
        is_list = begins_list(stream.read(100))
    return read_json_list(path) if is_list else read_json_lines(path)


def read_lines(path: Path) -> Iterator[Line]:
    """The lines of a UTF-8 file, without line ends and byte-order mark."""
    with open_bytes(path) as stream:
        number = 0
        while raw := stream.readline(MAX_LINE + 1):
            number += 1
            if len(raw) > MAX_LINE:
                while not raw.endswith(b"\n") and (raw := stream.readline(MAX_LINE)):
                    pass
                yield Line(number, "", f"the line is longer than {MAX_LINE >> 20} MB; shorten it")
            else:
                yield _decode(number, raw.removeprefix(BOM) if number == 1 else raw)


def read_json_lines(path: Path) -> Iterator[Row | Rejection]:
    for line in read_lines(path):
        if line.problem:
            yield Rejection(line.number, line.problem)
        elif line.text.strip():
            yield _parse(line)


def read_json_list(path: Path) -> Iterator[Row | Rejection]:
    with open_bytes(path) as stream:
        for element in elements(stream, MAX_LINE):
            if element.problem:
                yield Rejection(element.line, element.problem)
            elif element.raw is None:
                yield Rejection(element.line, f"the row is longer than {MAX_LINE >> 20} MB; shorten it")
            else:
                line = _decode(element.line, element.raw)
                yield Rejection(line.number, line.problem) if line.problem else _parse(line)


def read_csv(path: Path) -> Iterator[Row | Rejection]:
    """The rows of a CSV file under the names in its first row. A text may go over several lines.

    What parts the columns, a comma, a semicolon or a tab, is seen in the first row.
    """
    csv.field_size_limit(min(MAX_LINE, sys.maxsize))
    broken: list[Rejection] = []
    reader = csv.reader(_csv_lines(path, broken), strict=True, delimiter=_delimiter(path))
    names: list[str] | None = None
    while True:
        start = reader.line_num + 1
        try:
            cells = next(reader)
        except StopIteration:
            cells = None
        except csv.Error as error:
            broken.append(Rejection(start, f"it is no CSV row ({error})"))
            cells = []
        found = bool(broken)
        yield from broken
        broken.clear()
        if cells is None:
            return
        if names is None:
            names = _column_names(path, [] if found else cells)
        elif cells and not found:
            yield _named(start, names, cells)


def read_parquet(path: Path) -> Iterator[Row | Rejection]:
    """The rows, one text held in memory however many rows share it: few bytes can say "the same 40 MB, 1000 times"."""
    number = 0
    try:
        with _open_parquet(path) as file:
            for batch in file.iter_batches(batch_size=_PARQUET_BATCH):
                for index in range(batch.num_rows):
                    number += 1
                    yield Row(number, batch.slice(index, 1).to_pylist()[0])
    except (pa.ArrowException, OSError) as error:
        reason = str(error).splitlines()[0].rstrip(".")
        raise FormatError(
            f"{path} can not be read as Parquet after row {number} ({reason}); write it again."
        ) from error


def _open_parquet(path: Path) -> pq.ParquetFile:
    """The file with its texts as dictionaries, and not read ahead: a row group may hold the whole file."""
    metadata = pq.read_metadata(path)
    _check_expansion(path, metadata)
    columns = (metadata.schema.column(index) for index in range(metadata.num_columns))
    texts = [column.path for column in columns if column.physical_type == "BYTE_ARRAY"]
    return pq.ParquetFile(path, buffer_size=1 << 20, pre_buffer=False, read_dictionary=texts)


def count_rows(path: Path) -> int:
    """How many rows a Parquet file says it has. Raises FormatError where it can not be read."""
    try:
        with pq.ParquetFile(path) as file:
            return int(file.metadata.num_rows)
    except (pa.ArrowException, OSError) as error:
        reason = str(error).splitlines()[0].rstrip(".")
        raise FormatError(f"{path} can not be read as Parquet ({reason}); write it again.") from error


def _check_expansion(path: Path, metadata: Any) -> None:
    unpacked = sum(metadata.row_group(index).total_byte_size for index in range(metadata.num_row_groups))
    if unpacked > max(ALWAYS_ALLOWED, MOST_EXPANSION * path.stat().st_size):
        raise FormatError(
            f"{path} unpacks to more than {MOST_EXPANSION} times its size, as files made to fill a disk do; "
            "write it again without compression if it is what you mean to import."
        )


def _delimiter(path: Path) -> str:
    """The one of the delimiters that parts the first row into most columns."""
    first = next(read_lines(path), None)
    names = re.sub('"[^"]*"', "", first.text) if first else ""
    return max(_DELIMITERS, key=names.count)


def _decode(number: int, raw: bytes) -> Line:
    raw = raw.rstrip(b"\r\n")
    try:
        return Line(number, raw.decode())
    except UnicodeDecodeError as error:
        problem = f"it is not UTF-8 text (byte {error.start + 1} of the line); save the file as UTF-8"
        return Line(number, raw.decode(errors="replace"), problem)


def _parse(line: Line) -> Row | Rejection:
    try:
        values = _DECODE(line.text)
    except (ValueError, RecursionError):
        # What is wrong with it, the slower decoder says; it takes a few more, such as half of a surrogate pair.
        try:
            values = json.loads(line.text, parse_constant=_refuse_constant)
        except RecursionError:
            return Rejection(line.number, "it is nested too deeply")
        except ValueError as error:
            return Rejection(line.number, f"it is not JSON ({error})")
    if not isinstance(values, dict):
        return Rejection(line.number, "it is not a JSON object; a row is one {…} on one line")
    return Row(line.number, values)


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON number")


def _csv_lines(path: Path, broken: list[Rejection]) -> Iterator[str]:
    """Lines for the CSV reader; ``broken`` fills with those of them that could not be read whole."""
    for line in read_lines(path):
        if line.problem:
            broken.append(Rejection(line.number, line.problem))
        yield line.text + "\n"


def _column_names(path: Path, cells: list[str]) -> list[str]:
    if not cells or not all(name.strip() for name in cells) or len(set(cells)) < len(cells):
        raise FormatError(f"The first row of {path} must name every column, each name once; it has {cells}.")
    return cells


def _named(line: int, names: list[str], cells: list[str]) -> Row | Rejection:
    if len(cells) != len(names):
        return Rejection(line, f"it has {len(cells)} columns, the first row names {len(names)}")
    return Row(line, dict(zip(names, cells, strict=True)))
