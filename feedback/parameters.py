"""What the pages read from an address."""

from django.http import HttpRequest, QueryDict


def plain_text(request: HttpRequest, name: str) -> str:
    """A URL parameter as text, empty if not given; without NUL characters, which PostgreSQL does not even look for."""
    return request.GET.get(name, "").replace("\x00", "").strip()


def whole_number(request: HttpRequest, name: str) -> int | None:
    """A URL parameter that is a whole number from 0, or None where it is none."""
    return whole(request.GET.get(name, ""))


def whole_numbers(values: QueryDict, name: str) -> list[int]:
    """Those of the parameters of this name that are whole numbers from 0, in order."""
    return [number for value in values.getlist(name) if (number := whole(value)) is not None]


def whole(text: str) -> int | None:
    """A text that is a whole number from 0 and fits a key, or None."""
    return int(text) if text.isascii() and text.isdigit() and len(text) < 19 else None
