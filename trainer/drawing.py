"""Chance that gives the same each time: by hashes, so that a resumed job and any database agree."""

from collections.abc import Callable, Iterable
from typing import TypeVar

from feedback.hashing import content_sha256
from feedback.records import ResponseRecord

Row = TypeVar("Row")


def shuffled(rows: Iterable[Row], seed: int, key: Callable[[Row], str]) -> list[Row]:
    """The rows in an order that the seed and their keys decide, and no other row."""
    return sorted(rows, key=lambda row: content_sha256([seed, key(row)]))


def mixed_pair(key: str, one: tuple[str, str], other: tuple[str, str]) -> list[ResponseRecord]:
    """Two responses, source and text each, in an order that does not tell which is which."""
    sides = [other, one] if int(content_sha256(key)[0], 16) % 2 else [one, other]
    return [ResponseRecord(name, *side) for name, side in zip("ab", sides, strict=True)]
