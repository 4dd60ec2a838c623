"""Tables as files for spreadsheets."""

import csv
from collections.abc import Iterable

from django.http import HttpResponse

from feedback.spreadsheets import inert


def csv_response(name: str, rows: Iterable[Iterable[object]]) -> HttpResponse:
    """The rows as a CSV file of this name; no text in it is taken for a formula."""
    response = HttpResponse(content_type="text/csv; charset=utf-8")
    response["Content-Disposition"] = f'attachment; filename="{name}"'
    writer = csv.writer(response)
    for row in rows:
        writer.writerow([inert(cell) if isinstance(cell, str) else cell for cell in row])
    return response
