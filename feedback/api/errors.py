"""Every failure of the API has one shape: ``{"error": {"message", "field", "rows"?}}``, the message one sentence."""

from collections.abc import Mapping, Sequence
from typing import Any

from django.core.exceptions import SuspiciousOperation
from rest_framework.exceptions import NotAuthenticated
from rest_framework.response import Response
from rest_framework.views import exception_handler

from feedback.errors import Refused
from feedback.records import Rejection

MAX_QUOTED = 500
ANONYMOUS = "Log in, or send a personal token in the header `Authorization: Bearer TOKEN`."
NOTHING_HERE = "There is nothing at this address; /api/v1/docs/ lists the addresses."


class RowsRefused(Refused):
    """None of a request's rows could be stored."""

    def __init__(self, rejections: Sequence[Rejection]) -> None:
        first = rejections[0]
        at_fault = f", {first.field}" if first.field else ""
        super().__init__(
            f"No row could be stored. Row {first.line}{at_fault}: {first.reason}.", field=first.field
        )
        self.rows = rejected_rows(rejections)


def rejected_rows(rejections: Sequence[Rejection]) -> list[dict[str, Any]]:
    """Rejections as JSON; ``index`` counts the request's rows from 0."""
    ordered = sorted(rejections, key=lambda rejection: rejection.line)
    return [
        {"index": row.line, "field": _printable(row.field), "reason": _printable(row.reason)}
        for row in ordered
    ]


def explain(exception: Exception, context: dict[str, Any]) -> Response | None:
    """The response to a failure that a caller caused; None, which is a 500, for one of ours."""
    if isinstance(exception, RowsRefused):
        return Response(_body(exception.sentence, exception.field, exception.rows), status=400)
    if isinstance(exception, Refused):
        return Response(_body(exception.sentence, exception.field), status=400)
    if isinstance(exception, SuspiciousOperation):
        return Response(
            _body("The request is larger or stranger than this server takes; send less of it."), status=400
        )
    response = exception_handler(exception, context)
    if response is not None:
        field, message = _first_problem(response.data)
        message = ANONYMOUS if isinstance(exception, NotAuthenticated) else message
        response.data = _body(f"{field}: {message}" if field else message, field)
    return response


def _body(message: str, field: str | None = None, rows: list[dict[str, Any]] | None = None) -> dict[str, Any]:
    error: dict[str, Any] = {"message": _printable(message), "field": _printable(field)}
    return {"error": error if rows is None else {**error, "rows": rows}}


def _printable(text: str | None) -> str | None:
    """A quotation of what was sent, short, and without the half characters that no response can hold."""
    if text is None:
        return None
    shown = text if len(text) <= MAX_QUOTED else f"{text[:MAX_QUOTED]}…"
    return shown.encode("utf-8", "backslashreplace").decode()


def _first_problem(detail: Any, path: str = "") -> tuple[str | None, str]:
    """The first field at fault, as a path, and what is wrong with it, out of REST framework's nested details."""
    if isinstance(detail, Mapping) and detail:
        name, inner = next(iter(detail.items()))
        if name in ("detail", "non_field_errors"):
            return _first_problem(inner, path)
        joined = f"[{name}]" if isinstance(name, int) else f".{name}" if path else str(name)
        return _first_problem(inner, path + joined)
    if isinstance(detail, list) and detail:
        index = next((index for index, inner in enumerate(detail) if inner), 0)
        step = "" if isinstance(detail[index], str) else f"[{index}]"
        return _first_problem(detail[index], path + step)
    return path or None, str(detail)
