"""Tables as files that people open in a spreadsheet."""

import csv
from collections.abc import Iterable, Iterator
from typing import TypeVar

from django.http import HttpResponse, HttpResponseBase, StreamingHttpResponse

_Response = TypeVar("_Response", bound=HttpResponseBase)
_TYPE = "text/csv; charset=utf-8"
_STARTS = tuple("=+-@＝＋－＠")


def inert(text: str) -> str:
    """A text that no spreadsheet takes for a formula, in letters of full width neither."""
    return f"'{text}" if text[:1].isspace() or text.lstrip()[:1] in _STARTS else text


def csv_response(name: str, rows: Iterable[Iterable[object]]) -> HttpResponse:
    """The rows as a CSV file of this name, which is ours; no text in it is taken for a formula."""
    return _as_file(HttpResponse("".join(_lines(rows)), content_type=_TYPE), name)


def csv_stream(name: str, rows: Iterable[Iterable[object]]) -> StreamingHttpResponse:
    """The same for many rows, sent while they are read."""
    return _as_file(StreamingHttpResponse(_lines(rows), content_type=_TYPE), name)


def _as_file(response: _Response, name: str) -> _Response:
    response["Content-Disposition"] = f'attachment; filename="{name}"'
    return response


def _lines(rows: Iterable[Iterable[object]]) -> Iterator[str]:
    writer = csv.writer(_Echo())
    for row in rows:
        yield writer.writerow([inert(cell) if isinstance(cell, str) else cell for cell in row])


class _Echo:
    """Gives back what a csv writer writes."""

    def write(self, line: str) -> str:
        return line
