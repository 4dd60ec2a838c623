"""The one place where the server takes a file: piece by piece to the disk, under a name of its own.

What its sender called it is only ever shown; of it, only the ending ``.csv`` says how the file is read.
"""

import os
from pathlib import Path
from typing import Any, BinaryIO

from django.core.files.uploadedfile import UploadedFile
from django.core.files.uploadhandler import FileUploadHandler, SkipFile, StopUpload

_TABLES = (".csv", ".tsv", ".txt", ".tab")
_PACKED = (".gz", ".zst", ".zstd")


class KeepOneFile(FileUploadHandler):
    """Writes the form's ``file`` into ``folder``; every other file in the form is passed over.

    ``name`` is what its sender called it, ``size`` its bytes; ``problem`` is what the disk said.
    """

    def __init__(self, folder: Path, limit: int) -> None:
        super().__init__()
        self.folder = folder
        self.name = ""
        self.size = 0
        self.too_large = False
        self.problem: OSError | None = None
        self._limit = limit
        self._file: BinaryIO | None = None

    def new_file(self, field_name: str, file_name: str, *args: Any, **kwargs: Any) -> None:
        super().new_file(field_name, file_name, *args, **kwargs)
        if field_name != "file" or self.name:
            raise SkipFile
        self.name = shown_name(file_name)
        try:
            _make(self.folder)
            path = self.folder / stored_name(self.name)
            self._file = os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb")
        except OSError as error:
            self._stop(error)

    def receive_data_chunk(self, raw_data: bytes, start: int) -> None:
        if self._file is None:
            return
        self.size = start + len(raw_data)
        if self.size > self._limit:
            self.too_large = True
            raise StopUpload(connection_reset=True)
        try:
            self._file.write(raw_data)
        except OSError as error:
            self._stop(error)

    def file_complete(self, file_size: int) -> "UploadedFile[Any] | None":
        self.size = file_size
        self.close()
        return None

    def upload_interrupted(self) -> None:
        self.close()

    def close(self) -> None:
        """Write out what is left; a disk that is full may say so only now."""
        file, self._file = self._file, None
        try:
            if file:
                file.close()
        except OSError as error:
            self.problem = error

    def _stop(self, error: OSError) -> None:
        self.problem = error
        raise StopUpload(connection_reset=True)


def _make(folder: Path) -> None:
    """The folder and those above it that are not there, for their owner alone; ``parents=True`` opens these to all."""
    if not folder.parent.exists():
        _make(folder.parent)
    folder.mkdir(mode=0o700, exist_ok=True)


def shown_name(name: str) -> str:
    """A sender's file name without folders and without what can not be seen."""
    last = name.replace("\\", "/").rpartition("/")[2]
    return "".join(letter for letter in last if letter.isprintable()).strip()[-200:] or "file"


def stored_name(name: str) -> str:
    """``data``, and ``data.csv`` for a table."""
    low = name.lower()
    for ending in _PACKED:
        low = low.removesuffix(ending)
    return "data.csv" if low.endswith(_TABLES) else "data"
