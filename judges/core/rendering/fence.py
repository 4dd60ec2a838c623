"""Texts are quoted between two lines that carry a mark: no text can contain the mark of the call it is in.

A mark is 64 bits of a hash over everything in the call. Texts are only ever joined, never formatted.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

from feedback.hashing import content_sha256
from judges.core.request import Request

MARK_LENGTH = 16  # hexadecimal digits


class Section(NamedTuple):
    """One fenced text: ``name`` is "message N ROLE", "reference", "response ID" or "item"."""

    name: str
    text: str


def mark_of(content: Any) -> str:
    """The mark of whatever ``content`` holds, which must be all that the marked text will."""
    return content_sha256(content)[:MARK_LENGTH]


def fenced(sections: Sequence[Section], mark: str) -> str:
    return "\n\n".join(
        f"<<<{section.name} {mark}\n{section.text}\n{section.name} {mark}>>>" for section in sections
    )


def sections_of(request: Request) -> list[Section]:
    """The texts that a request quotes, told apart by its mark alone."""
    pieces = request.messages[0]["content"].split(f" {request.mark}")
    # Every second piece ends by opening a section, the one after it holds the text and the name again.
    names = [opening.rpartition("<<<")[2] for opening in pieces[1::2]]
    return [
        Section(name, body.removeprefix("\n").removesuffix(f"\n{name}"))
        for name, body in zip(names, pieces[2::2], strict=False)
    ]
