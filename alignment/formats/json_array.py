"""A JSON file that is one list: its elements one by one, in constant memory, each with the line where it starts.

The parser of the standard library wants the whole file; this finds where elements end by counting brackets outside
of texts, and leaves their content to it.
"""

import re
from collections.abc import Iterator
from typing import BinaryIO, NamedTuple

_CHUNK = 1 << 20
_STRUCTURE = re.compile(rb'["{}\[\],]')
_TEXT_END = re.compile(rb'["\\]')


class Element(NamedTuple):
    """``raw`` is None where the element is longer than was asked for; ``problem`` says what ends the list early."""

    line: int
    raw: bytes | None
    problem: str | None = None


def begins_list(start: bytes) -> bool:
    return start.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"[")


def elements(stream: BinaryIO, longest: int) -> Iterator[Element]:
    """The elements of the list that ``stream`` holds; those over ``longest`` bytes are passed over."""
    scanner = _Scanner(longest)
    while not scanner.ended and (chunk := stream.read(_CHUNK)):
        yield from scanner.scan(chunk)
    if not scanner.ended:
        yield Element(scanner.line, b"", "the list does not end; the file is cut short")
    elif scanner.rest.strip() or stream.read(_CHUNK).strip():
        yield Element(scanner.line, b"", "there is something after the end of the list")


class _Scanner:
    def __init__(self, longest: int) -> None:
        self.line = 1  # of what was scanned last
        self.ended = False
        self.rest = b""
        self._longest = longest
        self._depth = 0
        self._in_text = False
        self._skip = 0  # bytes at the start of the next chunk that a backslash has taken
        self._parts: list[bytes] = []
        self._size = 0
        self._any = False

    def scan(self, chunk: bytes) -> Iterator[Element]:
        start, position = 0, self._skip
        while found := (_TEXT_END if self._in_text else _STRUCTURE).search(chunk, position):
            position = found.end()
            byte = found.group()
            if self._in_text:
                position += byte == b"\\"
                self._in_text = byte == b"\\"
            elif byte == b'"':
                self._in_text = True
            elif byte in b"[{":
                self._depth += 1
                if self._depth == 1:
                    start = position
                    self.line += chunk[:position].count(b"\n")
            elif byte in b"]}":
                self._depth -= 1
                if self._depth == 0:
                    yield from self._end(chunk[start : position - 1], last=True)
                    self.ended, self.rest = True, chunk[position:]
                    return
            elif self._depth == 1:
                yield from self._end(chunk[start : position - 1], last=False)
                start = position
        self._skip = max(0, position - len(chunk)) if self._in_text else 0
        if self._depth:
            self._keep(chunk[start:])

    def _keep(self, part: bytes) -> None:
        self._size += len(part)
        self._parts.append(part)
        if self._size > self._longest:
            self.line += sum(each.count(b"\n") for each in self._parts)
            self._parts = []

    def _end(self, part: bytes, *, last: bool) -> Iterator[Element]:
        self._keep(part)
        raw, size = b"".join(self._parts), self._size
        self._parts, self._size = [], 0
        text = raw.lstrip()
        line = self.line + raw[: len(raw) - len(text)].count(b"\n")
        self.line += raw.count(b"\n")
        if size > self._longest:
            yield Element(line, None)
        elif text or not last or self._any:
            yield Element(line, text.rstrip())
        self._any = True
