"""A rendered request as people look at it: what is ours, and each quoted text with its name."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext as _

from judges.core.rendering import sections_of
from judges.core.request import Request


@dataclass(frozen=True)
class Piece:
    """A stretch of a message. ``kind`` is "ours", "message", "reference" or "response"; ``name`` says which."""

    kind: str
    name: str
    text: str


@dataclass(frozen=True)
class Shown:
    """One request: in which order it shows the responses, its system text, its message in pieces, its schema."""

    request: Request
    order: str
    system: str
    pieces: list[Piece]
    schema: Mapping[str, Any]


def shown(request: Request) -> Shown:
    return Shown(
        request=request,
        order=order_of(request.shown),
        system=request.system,
        pieces=list(_pieces(request)),
        schema=request.schema,
    )


def order_of(positions: tuple[int, ...]) -> str:
    """The responses in the order shown, as people count them: ``2, 1``."""
    return ", ".join(str(position + 1) for position in positions)


def _pieces(request: Request) -> Iterator[Piece]:
    """The message cut at its quoted texts, without the empty lines between them."""
    rest = request.messages[-1]["content"]
    for section in sections_of(request):
        block = f"<<<{section.name} {request.mark}\n{section.text}\n{section.name} {request.mark}>>>"
        before, _found, rest = rest.partition(block)
        if before.strip():
            yield Piece("ours", "", before.strip("\n"))
        yield Piece(section.name.split()[0], _name(request, section.name), block)
    if rest.strip():
        yield Piece("ours", "", rest.strip("\n"))


def _name(request: Request, section: str) -> str:
    kind, *rest = section.split()
    if kind == "response":
        return _("Response %(number)d, called %(id)s here") % {
            "number": request.positions[rest[0]] + 1,
            "id": rest[0],
        }
    return _("Reference") if kind == "reference" else section.capitalize()
