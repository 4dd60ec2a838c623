"""Exports end here: rows become a file of JSON lines or Parquet, whole or not at all.

A file is written beside its place under another name, flushed to the disk and then renamed, so that nobody
ever reads half of one and an earlier file stays until the new one is complete.
"""

import gzip
import json
import os
import shutil
import zipfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO, cast
from uuid import uuid4

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq
import zstandard

from alignment.formats.arrow import table_of
from alignment.formats.source import FormatError

PARQUET = ".parquet"
ENDINGS = (".jsonl", ".jsonl.gz", ".jsonl.zst", PARQUET, ".zip")
ZIP = ".zip"  # JSON lines with what belongs beside them
CHUNK = 1 << 20  # bytes that are compressed, or written, at once
Lines = Iterable[tuple[bytes, int]]  # JSON lines by the megabyte, each with the number of its rows
_ROW_GROUP = 4 * CHUNK  # bytes of a Parquet file's columns before they are compressed
_MANY = 500  # rows at most that are made into lines or columns at once; of long ones a CHUNK's worth
_ENCODER = msgspec.json.Encoder()


def check_target(path: Path, *, parquet: bool = True, endings: tuple[str, ...] = ENDINGS) -> None:
    """Raise FormatError unless a file with one of ``endings`` can be written to ``path``, as Parquet only if
    ``parquet``."""
    if path.is_dir():
        raise FormatError(f"{path} is a folder; name a file in it.")
    if not path.parent.is_dir():
        raise FormatError(f"There is no folder {path.parent}; make it first.")
    endings = tuple(ending for ending in endings if parquet or ending != PARQUET)
    if not path.name.endswith(endings):
        raise FormatError(
            f"{path.name} must end in one of {', '.join(endings)}, which says how it is written."
        )


def lines_of(rows: Iterable[Any]) -> Lines:
    """The rows as JSON lines by the megabyte: a row alone is little for a compressor, and for its encoder."""
    rows = iter(rows)
    waiting: list[bytes] = []
    count = size = 0
    at_once = 1
    while many := [*islice(rows, at_once)]:
        waiting.append(_ENCODER.encode_lines(many))
        count += len(many)
        size += len(waiting[-1])
        at_once = _as_many(len(many), len(waiting[-1]))
        if size >= CHUNK:
            yield b"".join(waiting), count
            waiting, count, size = [], 0, 0
    if waiting:
        yield b"".join(waiting), count


def write_lines(path: Path, lines: Lines) -> int:
    """Write JSON lines, compressed as the name's ending says; returns how many. Raises OSError."""
    with replacing(path) as file:
        return _write_json_lines(file, lines, compression=path.suffix)


def write_rows(path: Path, rows: Iterable[Any], schema: pa.Schema | None = None) -> int:
    """Write rows as the name's ending says, as Parquet with ``schema``; returns how many. Raises OSError."""
    if schema is None or not path.name.endswith(PARQUET):
        return write_lines(path, lines_of(rows))
    rows = iter(rows)
    count, at_once = 0, 1
    with replacing(path) as file, parquet_file(file, schema) as write:
        while many := [*islice(rows, at_once)]:
            at_once = _as_many(len(many), write(many))
            count += len(many)
    return count


def _as_many(rows: int, size: int) -> int:
    """How many rows make about a CHUNK, as so many made so many bytes; a few times more than before at most."""
    return max(1, min(_MANY, 8 * rows, CHUNK * rows // max(1, size)))


def copy_file(source: Path, path: Path) -> None:
    """Write the bytes of ``source`` to ``path``. Raises OSError."""
    with source.open("rb") as original, replacing(path) as file:
        shutil.copyfileobj(original, file, CHUNK)


@contextmanager
def parquet_file(file: BinaryIO, schema: pa.Schema) -> Iterator[Callable[[Sequence[Any]], int]]:
    """What takes some rows for a new Parquet file, packed on another core while the next are made; it gives the bytes
    that their columns have."""
    with ExitStack() as stack:
        # Without each column's least and greatest text, which the writer would keep of every row group until the end.
        writer = pq.ParquetWriter(file, schema, compression="zstd", write_statistics=False)
        stack.enter_context(writer)
        thread = stack.enter_context(ThreadPoolExecutor(1))
        under_way: list[Future[None]] = []
        waiting: list[pa.Table] = []

        def pack() -> None:
            while under_way:
                under_way.pop().result()
            under_way.append(thread.submit(writer.write_table, pa.concat_tables(waiting)))
            waiting.clear()

        def write(rows: Sequence[Any]) -> int:
            table = table_of(rows, schema)
            waiting.append(table)
            if sum(table.nbytes for table in waiting) >= _ROW_GROUP:
                pack()
            return int(table.nbytes)

        yield write
        if waiting:
            pack()
        while under_way:
            under_way.pop().result()


def _write_json_lines(file: BinaryIO, lines: Lines, compression: str = "") -> int:
    with ExitStack() as stack:
        if compression == ".gz":
            # No time in the header: the same rows make the same file.
            file = cast(BinaryIO, stack.enter_context(gzip.GzipFile("", "wb", fileobj=file, mtime=0)))
        elif compression == ".zst":
            file = cast(
                BinaryIO,
                stack.enter_context(_background_zstd().stream_writer(file, closefd=False)),
            )
        return _write_each(file.write, lines)


def _write_each(write: Callable[[bytes], object], lines: Lines) -> int:
    count = 0
    for chunk, number in lines:
        write(chunk)
        count += number
    return count


@contextmanager
def replacing_zip(path: Path) -> Iterator[zipfile.ZipFile]:
    """A ZIP archive that takes the place of ``path``, as ``replacing`` does."""
    with replacing(path) as file, zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        yield archive


def add_lines(archive: zipfile.ZipFile, name: str, lines: Lines) -> int:
    """Write JSON lines into the archive; returns how many."""
    with archive.open(_entry(name, zipfile.ZIP_DEFLATED), "w", force_zip64=True) as file:
        return _write_json_lines(cast(BinaryIO, file), lines)


def add_json(archive: zipfile.ZipFile, name: str, value: Mapping[str, Any]) -> None:
    archive.writestr(_entry(name, zipfile.ZIP_DEFLATED), _pretty(value))


def add_file(archive: zipfile.ZipFile, name: str, path: Path) -> None:
    """Copy a file, which is compressed already, into the archive."""
    entry = _entry(name, zipfile.ZIP_STORED)
    with path.open("rb") as source, archive.open(entry, "w", force_zip64=True) as copy:
        shutil.copyfileobj(source, copy, CHUNK)


def write_beside(path: Path, value: Mapping[str, Any]) -> None:
    """Write a JSON object to ``path``; into the one that is there already, whose other names stay.

    Raises FormatError where something else is there.
    """
    there: object = {}
    if path.exists():
        try:
            there = json.loads(path.read_text(encoding="utf-8-sig"))
        except ValueError:
            there = None
    if not isinstance(there, dict):
        raise FormatError(f"{path} is there and holds no JSON object; move it away.")
    with replacing(path) as file:
        file.write(_pretty({**there, **value}).encode())


def _entry(name: str, compression: int) -> zipfile.ZipInfo:
    """No time of today: the same rows make the same file."""
    entry = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))
    entry.compress_type = compression
    return entry


def _pretty(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, indent=1) + "\n"


def _background_zstd() -> zstandard.ZstdCompressor:
    """Compresses on another core, a megabyte at a time, while rows are made on this one: in 5 MB, not in 40.

    At the first level, as Parquet is: a file one seventh larger than at the third, in a third of its time.
    """
    parameters = zstandard.ZstdCompressionParameters.from_level(1, threads=1, job_size=CHUNK)
    return zstandard.ZstdCompressor(compression_params=parameters)


def json_line(row: Mapping[str, Any]) -> bytes:
    """One row. Half of a surrogate pair, which only a rejection can quote, is escaped as JSON has it."""
    try:
        return _ENCODER.encode(row) + b"\n"
    except UnicodeEncodeError:
        return json.dumps(row, ensure_ascii=False).encode("utf-8", "backslashreplace") + b"\n"


@contextmanager
def replacing(path: Path) -> Iterator[BinaryIO]:
    """A file that takes the place of ``path`` when the block ends well, and is removed when it does not."""
    part = path.with_name(f".{path.name[:100]}.{uuid4().hex}.part")
    try:
        with part.open("xb") as file:
            yield cast(BinaryIO, file)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
