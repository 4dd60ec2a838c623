"""Exports end here: rows become a file, whole or not at all, as JSON lines or Parquet.

A file is written beside its place under another name, flushed to the disk and then renamed, so that nobody
ever reads half of one and an earlier file stays until the new one is complete.
"""

import gzip
import json
import os
import shutil
import zipfile
from collections.abc import Callable, Iterable, Iterator, Mapping
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

from alignment.formats.source import FormatError

PARQUET = ".parquet"
ENDINGS = (".jsonl", ".jsonl.gz", ".jsonl.zst", PARQUET, ".zip")
ZIP = ".zip"  # JSON lines with what belongs beside them
_PARQUET_BATCH = 500
_CHUNK = 1 << 20  # bytes of JSON lines that are compressed, or written, at once
_ENCODE = msgspec.json.Encoder().encode


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


def write_rows(path: Path, rows: Iterable[Mapping[str, Any]], schema: pa.Schema | None = None) -> int:
    """Write the rows as the name's ending says, Parquet with ``schema``; returns how many. Raises OSError."""
    with replacing(path) as file:
        if path.name.endswith(PARQUET):
            return write_parquet(file, rows, schema)
        return write_json_lines(file, rows, compression=path.suffix)


def copy_file(source: Path, path: Path) -> None:
    """Write the bytes of ``source`` to ``path``. Raises OSError."""
    with source.open("rb") as original, replacing(path) as file:
        shutil.copyfileobj(original, file, _CHUNK)


def write_parquet(file: BinaryIO, rows: Iterable[Mapping[str, Any]], schema: pa.Schema | None) -> int:
    count, iterator = 0, iter(rows)
    with background_parquet(file, schema) as write:
        while batch := list(islice(iterator, _PARQUET_BATCH)):
            write(pa.RecordBatch.from_pylist(batch, schema))
            count += len(batch)
    return count


@contextmanager
def background_parquet(
    file: BinaryIO, schema: pa.Schema | None
) -> Iterator[Callable[[pa.RecordBatch], None]]:
    """What writes a row group to a new Parquet file. The one before is compressed on another core meanwhile."""
    with ExitStack() as stack:
        writer = stack.enter_context(pq.ParquetWriter(file, schema, compression="zstd"))
        thread = stack.enter_context(ThreadPoolExecutor(1))
        under_way: list[Future[None]] = []

        def write(batch: pa.RecordBatch) -> None:
            while under_way:
                under_way.pop().result()
            under_way.append(thread.submit(writer.write_batch, batch))

        yield write
        while under_way:
            under_way.pop().result()


def write_json_lines(file: BinaryIO, rows: Iterable[Mapping[str, Any]], compression: str = "") -> int:
    count = 0
    with ExitStack() as stack:
        if compression == ".gz":
            # No time in the header: the same rows make the same file.
            file = cast(BinaryIO, stack.enter_context(gzip.GzipFile("", "wb", fileobj=file, mtime=0)))
        elif compression == ".zst":
            file = cast(
                BinaryIO,
                stack.enter_context(_background_zstd().stream_writer(file, closefd=False)),
            )
        for lines, number in _chunks(rows):
            file.write(lines)
            count += number
    return count


def _chunks(rows: Iterable[Mapping[str, Any]]) -> Iterator[tuple[bytes, int]]:
    """JSON lines by the megabyte, each with the number of its rows: a row alone is little for a compressor."""
    waiting: list[bytes] = []
    size = 0
    for row in rows:
        waiting.append(json_line(row))
        size += len(waiting[-1])
        if size >= _CHUNK:
            yield b"".join(waiting), len(waiting)
            waiting, size = [], 0
    yield b"".join(waiting), len(waiting)


@contextmanager
def replacing_zip(path: Path) -> Iterator[zipfile.ZipFile]:
    """A ZIP archive that takes the place of ``path``, as ``replacing`` does."""
    with replacing(path) as file, zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        yield archive


def add_rows(archive: zipfile.ZipFile, name: str, rows: Iterable[Mapping[str, Any]]) -> int:
    """Write the rows as JSON lines into the archive; returns how many."""
    with archive.open(_entry(name, zipfile.ZIP_DEFLATED), "w", force_zip64=True) as file:
        return write_json_lines(cast(BinaryIO, file), rows)


def add_json(archive: zipfile.ZipFile, name: str, value: Mapping[str, Any]) -> None:
    archive.writestr(_entry(name, zipfile.ZIP_DEFLATED), _pretty(value))


def add_file(archive: zipfile.ZipFile, name: str, path: Path) -> None:
    """Copy a file, which is compressed already, into the archive."""
    entry = _entry(name, zipfile.ZIP_STORED)
    with path.open("rb") as source, archive.open(entry, "w", force_zip64=True) as copy:
        shutil.copyfileobj(source, copy, _CHUNK)


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
    parameters = zstandard.ZstdCompressionParameters.from_level(1, threads=1, job_size=_CHUNK)
    return zstandard.ZstdCompressor(compression_params=parameters)


def json_line(row: Mapping[str, Any]) -> bytes:
    """One row. Half of a surrogate pair, which only a rejection can quote, is escaped as JSON has it."""
    try:
        return _ENCODE(row) + b"\n"
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
