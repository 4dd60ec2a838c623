"""A model version as one tar file, made while it is sent: its files, a model card and its lineage; no copy on disk."""

import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from trainer.cards import lineage_json, model_card
from trainer.folders import model_folder
from trainer.models import ModelVersion

PIECE = 1 << 20
# What a model is loaded from. No pickles: nothing here may run code when it is opened.
SUFFIXES = (".safetensors", ".json", ".jinja", ".txt", ".model")
OURS = ("README.md", "lineage.json")


class Entry(NamedTuple):
    """One file of the archive: on the disk, or its content."""

    name: str
    size: int
    path: Path | None
    content: bytes = b""


def entries_of(version: ModelVersion) -> list[Entry]:
    """The files of the archive, the card first."""
    folder = model_folder(version)
    ours = [
        Entry(name, len(content), None, content)
        for name, content in (
            ("README.md", model_card(version).encode()),
            ("lineage.json", lineage_json(version).encode()),
        )
    ]
    files = [
        Entry(path.name, path.stat().st_size, path)
        for path in sorted(folder.iterdir())
        if path.is_file() and path.suffix in SUFFIXES and path.name not in OURS
    ]
    return ours + files


def tar_size(entries: list[Entry], folder: str) -> int:
    """The bytes that ``tar_of`` gives: a header and whole blocks a file, two empty blocks at the end."""
    return sum(len(_header(entry, folder)) + _padded(entry.size) for entry in entries) + 2 * tarfile.BLOCKSIZE


def tar_of(entries: list[Entry], folder: str) -> Iterator[bytes]:
    """The archive piece by piece; every file lies in ``folder``."""
    for entry in entries:
        yield _header(entry, folder)
        if entry.path is None:
            yield entry.content
        else:
            yield from _pieces(entry.path, entry.size)
        yield b"\0" * (_padded(entry.size) - entry.size)
    yield b"\0" * (2 * tarfile.BLOCKSIZE)


def _header(entry: Entry, folder: str) -> bytes:
    info = tarfile.TarInfo(f"{folder}/{entry.name}" if folder else entry.name)
    info.size, info.mode = entry.size, 0o644
    return info.tobuf(tarfile.GNU_FORMAT)


def _padded(size: int) -> int:
    return -(-size // tarfile.BLOCKSIZE) * tarfile.BLOCKSIZE


def _pieces(path: Path, size: int) -> Iterator[bytes]:
    """Exactly ``size`` bytes, or an error that ends the download short: the receiver sees that it is not whole."""
    left = size
    with path.open("rb") as file:
        while left:
            piece = file.read(min(PIECE, left))
            if not piece:
                raise OSError(f"{path.name} became shorter while it was sent.")
            left -= len(piece)
            yield piece
