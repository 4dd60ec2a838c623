"""Imports start here: a file on disk becomes a stream of bytes, decompressed, or one sentence why it can
not be used.

Compression and Parquet are recognised by their first bytes, not by the file's name. A compressed file is read
through once before anything is made of it, so that a damaged one is refused whole.
"""

import gzip
import io
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, cast

import zstandard

GZIP = b"\x1f\x8b"
ZSTD = b"\x28\xb5\x2f\xfd"
PARQUET = b"PAR1"
_OTHER_TEXT = {b"\xff\xfe": "UTF-16", b"\xfe\xff": "UTF-16"}
_CHUNK = 1 << 20


class FormatError(ValueError):
    """A whole file that can not be read or written. Carries one sentence: the cause and the way out."""

    def __init__(self, sentence: str) -> None:
        super().__init__(sentence)
        self.sentence = sentence


def check_source(path: Path) -> None:
    """Raise FormatError unless ``path`` is a file with something in it that can be read to its end."""
    try:
        if path.is_dir():
            raise FormatError(f"{path} is a folder; name one file in it.")
        with open_bytes(path) as stream:
            start = stream.read(_CHUNK)
            blank = not start.strip()
            while chunk := stream.read(_CHUNK):
                blank = blank and not chunk.strip()
    except FileNotFoundError:
        raise FormatError(f"There is no file {path}; check its name and folder.") from None
    except (EOFError, zlib.error, gzip.BadGzipFile, zstandard.ZstdError):
        raise FormatError(
            f"{path} is damaged: its compressed data is cut short or changed; copy it again."
        ) from None
    except OSError as error:
        raise FormatError(f"{path} can not be read: {error.strerror or error}.") from error
    if blank:
        raise FormatError(f"{path} is empty; choose a file with rows in it.")
    if start[:2] in _OTHER_TEXT:
        raise FormatError(f"{path} is {_OTHER_TEXT[start[:2]]} text; save it as UTF-8.")


def is_parquet(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(4) == PARQUET


@contextmanager
def open_bytes(path: Path) -> Iterator[BinaryIO]:
    """The file's bytes, decompressed where it is gzip or zstd."""
    with path.open("rb") as file:
        magic = file.read(4)
        file.seek(0)
        if magic.startswith(GZIP):
            with gzip.GzipFile(fileobj=file) as stream:
                yield cast(BinaryIO, stream)
        elif magic == ZSTD:
            with io.BufferedReader(_Zstd(file), _CHUNK) as stream:
                yield cast(BinaryIO, stream)
        else:
            yield file


class _Zstd(io.RawIOBase):
    """Decompresses frame after frame. The library's own reader takes a file cut short for one that ends."""

    def __init__(self, file: BinaryIO) -> None:
        self._chunks = _decompress(file)
        self._left = b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: object) -> int:
        view = memoryview(cast(bytearray, buffer))
        while not self._left:
            chunk = next(self._chunks, None)
            if chunk is None:
                return 0
            self._left = chunk
        count = min(len(view), len(self._left))
        view[:count] = self._left[:count]
        self._left = self._left[count:]
        return count


def _decompress(file: BinaryIO) -> Iterator[bytes]:
    frame = zstandard.ZstdDecompressor().decompressobj()
    waiting = b""
    while waiting := waiting or file.read(1 << 16):
        yield frame.decompress(waiting)
        waiting = frame.unused_data if frame.eof else b""
        if frame.eof and (waiting := waiting or file.read(1 << 16)):
            frame = zstandard.ZstdDecompressor().decompressobj()
    if not frame.eof:
        raise EOFError("the last frame does not end")
