"""Imports start here: a file on disk becomes a stream of bytes, decompressed, or one sentence why it can
not be used.

Compression and Parquet are recognised by their first bytes, not by the file's name. A compressed file is read
through once before anything is made of it, so that a damaged one is refused whole; one that unpacks to far more
than data does is made to fill a disk, and refused as well.
"""

import gzip
import io
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, cast

import zstandard

GZIP = b"\x1f\x8b"
ZSTD = b"\x28\xb5\x2f\xfd"
PARQUET = b"PAR1"
_OTHER_TEXT = {b"\xff\xfe": "UTF-16", b"\xfe\xff": "UTF-16"}
MOST_EXPANSION = 100  # times the size of the compressed file; real JSON reaches 10 to 30
ALWAYS_ALLOWED = 256 << 20  # bytes that any compressed file may unpack to
_CHUNK = 1 << 20
_COMPRESSED = 1 << 10  # bytes of zstd taken at once: at its densest, four of them unpack to 128 kB


class FormatError(ValueError):
    """A whole file that can not be read or written. Carries one sentence: the cause and the way out."""

    def __init__(self, sentence: str) -> None:
        super().__init__(sentence)
        self.sentence = sentence


def check_source(path: Path, alive: Callable[[], None] = lambda: None) -> int:
    """How many lines the file has. Raises FormatError unless something is in it that can be read to its end.

    ``alive`` is called after every megabyte.
    """
    try:
        if path.is_dir():
            raise FormatError(f"{path} is a folder; name one file in it.")
        with open_bytes(path) as stream:
            start = stream.read(_CHUNK)
            blank, lines = not start.strip(), start.count(b"\n")
            while chunk := stream.read(_CHUNK):
                blank = blank and not chunk.strip()
                lines += chunk.count(b"\n")
                alive()
    except FileNotFoundError:
        raise FormatError(f"There is no file {path}; check its name and folder.") from None
    except OSError as error:
        raise FormatError(f"{path} can not be read: {error.strerror or error}.") from error
    if blank:
        raise FormatError(f"{path} is empty; choose a file with rows in it.")
    if start[:2] in _OTHER_TEXT:
        raise FormatError(f"{path} is {_OTHER_TEXT[start[:2]]} text; save it as UTF-8.")
    return lines


def is_parquet(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(4) == PARQUET


@contextmanager
def open_bytes(path: Path) -> Iterator[BinaryIO]:
    """The file's bytes, decompressed where it is gzip or zstd."""
    with path.open("rb") as file:
        magic = file.read(4)
        file.seek(0)
        chunks = (
            _gzip_chunks(file) if magic.startswith(GZIP) else _zstd_chunks(file) if magic == ZSTD else None
        )
        if chunks is None:
            yield file
        else:
            with io.BufferedReader(_Unpacked(path, chunks), _CHUNK) as stream:
                yield cast(BinaryIO, stream)


class _Unpacked(io.RawIOBase):
    """What a compressed file holds, piece by piece, up to the size that is believable."""

    def __init__(self, path: Path, chunks: Iterator[bytes]) -> None:
        self._path = path
        self._chunks = chunks
        self._left = b""
        self._allowed = max(ALWAYS_ALLOWED, MOST_EXPANSION * path.stat().st_size)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: object) -> int:
        view = memoryview(cast(bytearray, buffer))
        while not self._left:
            chunk = self._next()
            if chunk is None:
                return 0
            self._left = chunk
            self._spend(len(chunk))
        count = min(len(view), len(self._left))
        view[:count] = self._left[:count]
        self._left = self._left[count:]
        return count

    def _next(self) -> bytes | None:
        try:
            return next(self._chunks, None)
        except (EOFError, zlib.error, gzip.BadGzipFile, zstandard.ZstdError):
            raise FormatError(
                f"{self._path} is damaged: its compressed data is cut short or changed; copy it again."
            ) from None

    def _spend(self, count: int) -> None:
        self._allowed -= count
        if self._allowed < 0:
            raise FormatError(
                f"{self._path} unpacks to more than {MOST_EXPANSION} times its size, as files made to fill a disk do; "
                "if it is what you mean to import, unpack it first."
            )


def _gzip_chunks(file: BinaryIO) -> Iterator[bytes]:
    with gzip.GzipFile(fileobj=file) as stream:
        while chunk := stream.read(_CHUNK):
            yield chunk


def _zstd_chunks(file: BinaryIO) -> Iterator[bytes]:
    """Frame after frame. The library's own reader takes a file cut short for one that ends."""
    frame = zstandard.ZstdDecompressor().decompressobj()
    waiting = b""
    while waiting := waiting or file.read(_COMPRESSED):
        yield frame.decompress(waiting)
        waiting = frame.unused_data if frame.eof else b""
        if frame.eof and (waiting := waiting or file.read(_COMPRESSED)):
            frame = zstandard.ZstdDecompressor().decompressobj()
    if not frame.eof:
        raise EOFError("the last frame does not end")
