"""A frozen dataset as a folder: Parquet splits with a manifest and a card, which `datasets.load_dataset`
reads.

The content is addressed by the hash of its rows in their canonical form, not by the bytes of the Parquet
files, which differ between versions of the library that writes them. Nothing here is read or written whole.
"""

import hashlib
import json
import os
from collections import Counter, deque
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any, BinaryIO, cast

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq

from alignment.formats.arrow import as_json, sorted_rows
from alignment.formats.preference import SCHEMA, PreferenceRow
from alignment.formats.target import CHUNK, parquet_file
from feedback.ahead import ahead
from feedback.hashing import content_sha256

SPLITS = ("train", "test")
MANIFEST = "manifest.json"
CARD = "README.md"
VERSION = "concord-snapshot-2"
_BATCH = 500  # rows that are read, or made into columns, at once
_NUMBERS = [field.name for field in SCHEMA if pa.types.is_floating(field.type)]
_SORTED = msgspec.json.Encoder(order="sorted").encode
_LINES = msgspec.json.Encoder().encode_lines


class DamagedError(ValueError):
    """A dataset's folder does not hold what its manifest says. Carries what is wrong, a clause."""


def canonical_line(row: PreferenceRow) -> bytes:
    """``feedback.hashing.canonical_json`` of the row, as a line: the same bytes, made five times as fast.

    Raises ValueError for a number that is infinite or none.
    """
    return _SORTED({**row, **{name: as_json(row.get(name)) for name in _NUMBERS if name in row}}) + b"\n"


def canonical_lines(batch: pa.RecordBatch) -> bytes:
    """The same of rows as they are read."""
    return _LINES(sorted_rows(batch))


class SplitTally:
    """What one split holds, counted row by row. Rows of a comparison, and of a prompt, stand side by side."""

    def __init__(self) -> None:
        self.rows = self.comparisons = self.prompts = 0
        self.raters: Counter[tuple[str, str]] = Counter()
        self.tags: Counter[str] = Counter()
        self._digest = hashlib.sha256()
        self._last: tuple[str, str] = ("", "")

    def add(self, row: PreferenceRow) -> int:
        """Count one more row; how many bytes its line has."""
        line = canonical_line(row)
        self._digest.update(line)
        self.rows += 1
        prompt, comparison = row["prompt_sha256"], row["comparison"]
        self.prompts += prompt != self._last[0]
        if (prompt, comparison) != self._last:
            self.comparisons += 1
            self.raters.update((judgment["kind"], judgment["rater"]) for judgment in row["judgments"])
            self.tags.update(row["tags"])
        self._last = (prompt, comparison)
        return len(line)

    def sha256(self) -> str:
        return self._digest.hexdigest()

    def as_json(self) -> dict[str, Any]:
        return {
            "rows": self.rows,
            "comparisons": self.comparisons,
            "prompts": self.prompts,
            "sha256": self.sha256(),
        }


def addressed(content: Mapping[str, Any]) -> dict[str, Any]:
    """A manifest: what a dataset holds, with the hash of all of that as its address."""
    manifest = {"version": VERSION, **content}
    return {"sha256": content_sha256(manifest), **manifest}


def write_splits(folder: Path, rows: Iterable[tuple[str, PreferenceRow]]) -> dict[str, SplitTally]:
    """Write (split, row) pairs to ``folder`` as they come. Raises OSError."""
    with ExitStack() as stack:
        writers = {name: stack.enter_context(_SplitFile(folder / f"{name}.parquet")) for name in SPLITS}
        for split, row in rows:
            writers[split].add(row)
        return {name: writer.tally for name, writer in writers.items()}


def write_text(path: Path, text: str) -> None:
    with path.open("x", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())


def read_split(folder: Path, split: str) -> Iterator[PreferenceRow]:
    """The rows of one split, in order. Raises OSError or pyarrow's ArrowException."""
    for batch in read_batches(folder, split):
        yield from batch.to_pylist()


def read_batches(folder: Path, split: str) -> Iterator[pa.RecordBatch]:
    """The same by the five hundred, as columns. The next are unpacked on another core while these are used."""
    with pq.ParquetFile(folder / f"{split}.parquet", pre_buffer=False) as file:
        yield from ahead(file.iter_batches(batch_size=_BATCH, use_threads=False))


def verified_batches(
    folder: Path, manifest: Mapping[str, Any], split: str
) -> Iterator[tuple[pa.RecordBatch, bytes]]:
    """The rows of one split in order, many at once, with the lines that were hashed; then DamagedError unless all of
    them were those of the manifest."""
    if not folder.is_dir():
        raise DamagedError("its folder is gone")
    digest = hashlib.sha256()
    try:
        if json.loads((folder / MANIFEST).read_text(encoding="utf-8")) != manifest:
            raise DamagedError(f"its {MANIFEST} was changed")
        for batch in read_batches(folder, split):
            lines = canonical_lines(batch)
            digest.update(lines)
            yield batch, lines
    except (OSError, ValueError, pa.ArrowException) as error:
        if isinstance(error, DamagedError):
            raise
        raise DamagedError(f"it can not be read ({str(error).splitlines()[0].rstrip('.')})") from error
    if digest.hexdigest() != manifest["splits"][split]["sha256"]:
        raise DamagedError(f"its {split} rows were changed")


def problem_with(folder: Path, manifest: Mapping[str, Any]) -> str | None:
    """What is wrong with a dataset's folder as a clause, or None where it holds what its manifest says."""
    try:
        for split in SPLITS:
            deque(verified_batches(folder, manifest, split), maxlen=0)
    except DamagedError as damaged:
        return str(damaged)
    return None


class _SplitFile:
    """One Parquet file while it is written, and what its rows' hashes come to."""

    def __init__(self, path: Path) -> None:
        self.tally = SplitTally()
        self._path = path
        self._waiting: list[PreferenceRow] = []
        self._size = 0
        self._stack = ExitStack()

    def __enter__(self) -> "_SplitFile":
        self._file = cast(BinaryIO, self._stack.enter_context(self._path.open("xb")))
        self._stack.callback(self._flush_to_disk)
        self._write = self._stack.enter_context(parquet_file(self._file, SCHEMA))
        return self

    def add(self, row: PreferenceRow) -> None:
        self._size += self.tally.add(row)
        self._waiting.append(row)
        if len(self._waiting) == _BATCH or self._size >= CHUNK:
            self._hand_over()

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None and self._waiting:
            self._hand_over()
        self._stack.close()

    def _flush_to_disk(self) -> None:
        self._file.flush()
        os.fsync(self._file.fileno())

    def _hand_over(self) -> None:
        self._write(self._waiting)
        self._waiting, self._size = [], 0
