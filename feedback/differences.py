"""What changed between two texts, by lines and within a changed line by words. PURE."""

import re
from collections.abc import Iterator
from difflib import SequenceMatcher
from itertools import zip_longest
from typing import Literal, NamedTuple

Kind = Literal["same", "added", "removed"]
Change = Literal["same", "added", "removed", "changed"]
_WORDS = re.compile(r"\w+\s*|[^\w\s]\s*|\s+")  # each with the space that follows it
MOST_WORDS = 2_000  # in one changed line: comparing takes their square, so longer ones are shown whole


class Part(NamedTuple):
    """A run of characters of a line."""

    kind: Kind
    text: str


class Line(NamedTuple):
    """One line of the two texts; one that ``changed`` holds its words of before and of now."""

    change: Change
    parts: tuple[Part, ...]


def differences(before: str, now: str) -> list[Line]:
    """Every line of both texts in order: same, removed, added or changed."""
    old, new = before.splitlines(), now.splitlines()
    found: list[Line] = []
    for kind, i, j, k, m in SequenceMatcher(None, old, new).get_opcodes():
        if kind == "equal":
            found += [_whole("same", line) for line in old[i:j]]
        else:
            found += _replaced(old[i:j], new[k:m])
    return found


def with_context(lines: list[Line], around: int = 2) -> Iterator[Line | None]:
    """The lines that changed with so many others around them; None stands for what is left out."""
    near = {
        place + step
        for place, line in enumerate(lines)
        if line.change != "same"
        for step in range(-around, around + 1)
    }
    skipping = False
    for place, line in enumerate(lines):
        if place in near:
            yield line
        elif not skipping:
            yield None
        skipping = place not in near


def _replaced(old: list[str], new: list[str]) -> Iterator[Line]:
    for before, now in zip_longest(old, new):
        if before is None:
            yield _whole("added", now)
        elif now is None:
            yield _whole("removed", before)
        else:
            yield from _changed(before, now)


def _changed(before: str, now: str) -> Iterator[Line]:
    """One line with its words of before and now, or both lines whole where they have little in common."""
    old, new = _WORDS.findall(before), _WORDS.findall(now)
    words = SequenceMatcher(None, old, new, autojunk=False)
    if max(len(old), len(new)) > MOST_WORDS or words.ratio() < 0.5:
        yield from (_whole("removed", before), _whole("added", now))
        return
    parts: list[Part] = []
    for kind, i, j, k, m in words.get_opcodes():
        if kind == "equal":
            parts.append(Part("same", "".join(old[i:j])))
            continue
        for side, text in (("removed", "".join(old[i:j])), ("added", "".join(new[k:m]))):
            if text:
                parts.append(Part("removed" if side == "removed" else "added", text))
    yield Line("changed", tuple(parts))


def _whole(change: Kind, line: str) -> Line:
    return Line(change, (Part(change, line),))
