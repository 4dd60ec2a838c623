"""Texts that are nearly the same, found before a dataset is split, so that none of them tests what another trained.

MinHash (Broder 1997) over runs of five words, its 64 minima kept to 16 bits each (Li and König 2010), compared where a
band of four of them is equal. 128 bytes a text: a million texts take 128 MB. Two texts are near duplicates where the
share of equal minima, which estimates the Jaccard similarity of their runs, reaches a threshold.
"""

import hashlib
import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

SIMILAR = 0.8
RUN = 5  # words
MINIMA = 64
_BAND = 4  # minima: two texts of similarity .8 share one of the 16 bands with a chance of .9998
_BANDS = MINIMA // _BAND
_LARGEST_BUCKET = 50  # texts compared with the first of their bucket only, beyond these: boilerplate
_MULTIPLY, _ADD = np.random.default_rng(20260517).integers(1 << 64, size=(2, MINIMA), dtype=np.uint64)
_MULTIPLY |= np.uint64(1)
_WORD = re.compile(r"\w+|[^\w\s]")

Signature = NDArray[np.uint16]


def signature(text: str) -> Signature:
    """The MINIMA minima of the text's runs of words, upper and lower case and spaces apart."""
    hashes = np.fromiter(_runs(text), dtype=np.uint64)
    # Multiply and shift (Dietzfelbinger et al. 1997): products wrap at 64 bits, their upper halves are the ranks.
    ranks = (hashes[None, :] * _MULTIPLY[:, None] + _ADD[:, None]) >> np.uint64(32)
    lowest: Signature = (ranks.min(axis=1) & np.uint64(0xFFFF)).astype(np.uint16)
    return lowest


def similarity(one: Signature, other: Signature) -> float:
    """The share of equal minima: an estimate of the Jaccard similarity with a standard error of at most .06."""
    return float((one == other).mean())


@dataclass
class NearDuplicates:
    """Texts by their keys, as they come. ``groups`` says which of them belong together."""

    threshold: float = SIMILAR
    _keys: list[str] = field(default_factory=list)
    _signatures: list[bytes] = field(default_factory=list)

    def add(self, key: str, text: str) -> None:
        self._keys.append(key)
        self._signatures.append(signature(text).tobytes())

    def groups(self) -> dict[str, str]:
        """For each key that has a near duplicate, the least key of its group, linked by any chain of them."""
        table = np.frombuffer(b"".join(self._signatures), dtype=np.uint16).reshape(-1, MINIMA)
        parent = list(range(len(self._keys)))
        for one, other in _candidates(table):
            apart = _root(parent, one) != _root(parent, other)
            if apart and similarity(table[one], table[other]) >= self.threshold:
                parent[_root(parent, one)] = _root(parent, other)
        members: dict[int, list[str]] = {}
        for place, key in enumerate(self._keys):
            members.setdefault(_root(parent, place), []).append(key)
        return {key: min(group) for group in members.values() if len(group) > 1 for key in group}


def _runs(text: str) -> Iterator[int]:
    """A hash of each run of RUN words; of the whole text where it is shorter."""
    words = _WORD.findall(unicodedata.normalize("NFKC", text).casefold())
    for start in range(max(1, len(words) - RUN + 1)):
        run = " ".join(words[start : start + RUN]).encode("utf-8", "surrogatepass")
        yield int.from_bytes(hashlib.blake2b(run, digest_size=8).digest(), "big")


def _candidates(table: Signature) -> Iterator[tuple[int, int]]:
    """Pairs of texts with an equal band: neighbours in the bucket, and each with its first."""
    for band in range(_BANDS):
        columns = np.ascontiguousarray(table[:, band * _BAND : (band + 1) * _BAND]).view(np.uint64).ravel()
        order = np.argsort(columns, kind="stable")
        starts = np.flatnonzero(np.append(True, columns[order][1:] != columns[order][:-1]))
        for bucket in np.split(order, starts[1:]):
            if len(bucket) > 1:
                yield from _pairs(bucket.tolist())


def _pairs(bucket: list[int]) -> Iterator[tuple[int, int]]:
    if len(bucket) > _LARGEST_BUCKET:
        yield from ((bucket[0], other) for other in bucket[1:])
        return
    for place, one in enumerate(bucket):
        yield from ((one, other) for other in bucket[place + 1 :])


def _root(parent: list[int], place: int) -> int:
    while parent[place] != place:
        parent[place] = parent[parent[place]]
        place = parent[place]
    return place
