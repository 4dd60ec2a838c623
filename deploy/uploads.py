"""No page takes a file but the import's, which has a handler of its own, so none is kept: Django would write whatever
anybody sends to the disk, of any size.
"""

from typing import Any, NoReturn

from django.core.files.uploadhandler import FileUploadHandler, StopUpload


class RefuseFiles(FileUploadHandler):
    """Stops reading a form where a file begins in it."""

    def new_file(self, *_args: Any, **_kwargs: Any) -> NoReturn:
        raise StopUpload(connection_reset=True)

    def receive_data_chunk(self, *_args: Any) -> None:
        """Never reached; Django asks every handler to have it."""

    def file_complete(self, *_args: Any) -> None:
        """Likewise."""
