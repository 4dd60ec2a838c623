"""What the pages read from an address."""

from django.http import HttpRequest


def plain_text(request: HttpRequest, name: str) -> str:
    """A URL parameter as text, empty if not given; without NUL characters, which PostgreSQL does not even look for."""
    return request.GET.get(name, "").replace("\x00", "").strip()


def whole_number(request: HttpRequest, name: str) -> int | None:
    """A URL parameter that is a whole number from 0, or None where it is none."""
    value = request.GET.get(name, "")
    return int(value) if value.isascii() and value.isdigit() and len(value) < 19 else None
