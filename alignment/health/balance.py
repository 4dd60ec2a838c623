"""Classes of unequal size brought into balance: rows weighted or taken more or less often, in training only.

A class is a stratum: the comparisons whose prompts share all their tags. With ``WEIGHTS`` a row of class c counts
n / (k · n_c), as scikit-learn's "balanced": every class weighs the same in sum and the mean is 1. With ``RESAMPLE`` a
comparison is taken so many times, its fraction drawn by a hash, so that the same rows give the same rows.
"""

import hashlib
from collections.abc import Hashable, Mapping
from typing import TypeVar

AS_IT_IS, WEIGHTS, RESAMPLE = BALANCES = ("none", "weights", "resample")
MOST = 10.0  # times a row counts at most: a class of three rows must not become a hundred copies of them
Class = TypeVar("Class", bound=Hashable)


class Shares(dict[Class, float]):
    """How often a row of each class counts, and by which of BALANCES."""

    def __init__(self, how: str, factors: Mapping[Class, float]) -> None:
        super().__init__(factors)
        self.how = how


def balanced(sizes: Mapping[Class, int], how: str) -> Shares[Class]:
    """The factor of each class of ``sizes`` rows. Raises ValueError for a ``how`` that is none."""
    if how not in BALANCES:
        raise ValueError(f"{how!r} is none of {', '.join(BALANCES)}")
    filled = {name: size for name, size in sizes.items() if size}
    if how == AS_IT_IS:
        return Shares(how, dict.fromkeys(filled, 1.0))
    total = sum(filled.values())
    return Shares(how, {name: min(MOST, total / (len(filled) * size)) for name, size in filled.items()})


def times(factor: float, key: str, seed: int) -> int:
    """``factor`` rounded up or down by chance, so that it is right on average; the same for the same key and seed."""
    whole = int(factor)
    drawn = int.from_bytes(hashlib.sha256(f"{seed}:balance:{key}".encode()).digest()[:8], "big") / 2**64
    return whole + (drawn < factor - whole)
