"""Rankings as integer codes, the form in which every statistic of the agreement stage takes verdicts.

A verdict on a pair is FIRST, SECOND or TIE, by canonical position. An array with one entry an item holds
MISSING where there is no verdict; an array with one entry a verdict has no row for it. Neither is ever a tie.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

Codes = NDArray[np.int64]
Floats = NDArray[np.float64]
Ranking = tuple[int, ...]

FIRST, SECOND, TIE = 0, 1, 2
MISSING = -1

_PAIRS: tuple[Ranking, ...] = ((1, 2), (2, 1), (1, 1))


class Encoded(NamedTuple):
    """``codes``: each verdict's index into ``rankings``, or MISSING; the first three are a pair's."""

    codes: Codes
    rankings: list[Ranking]


def as_codes(values: ArrayLike, name: str) -> Codes:
    """``values`` as a flat array of whole numbers. ValueError names the argument that is not one."""
    array = np.asarray(values)
    if array.size == 0:
        return np.zeros(0, dtype=np.int64)
    if array.ndim != 1 or not np.issubdtype(array.dtype, np.integer):
        raise ValueError(f"{name} must be a flat array of whole numbers")
    return array.astype(np.int64, copy=False)


def same_length(**arrays: Codes | Floats) -> None:
    """ValueError where the named arrays have different lengths."""
    lengths = {name: len(array) for name, array in arrays.items()}
    if len(set(lengths.values())) > 1:
        raise ValueError(f"these arrays must have the same length: {lengths}")


def no_missing(labels: Codes) -> None:
    """ValueError where an array with one entry a verdict holds MISSING: such a verdict has no row."""
    if labels.size and labels.min() < 0:
        raise ValueError("a missing verdict must be left out, not given as a row")


def normalised(ranking: Iterable[int]) -> Ranking:
    """The same order and ties with ranks 1, 2, 3, …: ``(2, 5, 5)`` becomes ``(1, 2, 2)``."""
    ranks = tuple(ranking)
    place = {rank: index for index, rank in enumerate(sorted(set(ranks)), start=1)}
    return tuple(place[rank] for rank in ranks)


def encode(rankings: Iterable[Ranking | None]) -> Encoded:
    """Codes for rankings of two or more responses, None being MISSING.

    Pairs have the codes FIRST, SECOND and TIE. Longer rankings are numbered from 3 in sorted order, so codes
    from two calls can not be compared: encode people and judges together.
    """
    given = list(rankings)
    known = {ranking: normalised(ranking) for ranking in set(given) if ranking is not None}
    if any(len(ranking) < 2 for ranking in known.values()):
        raise ValueError("a ranking needs at least two responses")
    table = [*_PAIRS, *sorted(set(known.values()) - set(_PAIRS))]
    index = {ranking: code for code, ranking in enumerate(table)}
    code_of: dict[Ranking | None, int] = {ranking: index[same] for ranking, same in known.items()}
    code_of[None] = MISSING
    return Encoded(np.fromiter((code_of[ranking] for ranking in given), np.int64, len(given)), table)


def coded(values: Floats | Codes) -> tuple[Floats, Codes]:
    """The distinct values, ascending, and each value's index into them."""
    if not len(values):
        return np.zeros(0), np.zeros(0, dtype=np.int64)
    low, high = values.min(), values.max()
    if high - low < min(len(values), 1 << 20) + 64:
        whole = values.astype(np.int64)
        if (whole == values).all():  # by counting, where a sort takes ten times as long
            return _coded_by_counting(whole - int(low), float(low))
    levels, codes = np.unique(values, return_inverse=True)
    return levels.astype(np.float64), codes.astype(np.int64)


def _coded_by_counting(offset: Codes, low: float) -> tuple[Floats, Codes]:
    found = np.bincount(offset) > 0
    levels = np.flatnonzero(found).astype(np.float64) + low
    return levels, offset if found.all() else (np.cumsum(found, dtype=np.int64) - 1)[offset]
