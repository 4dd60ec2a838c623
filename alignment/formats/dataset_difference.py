"""Two frozen datasets compared, comparison by comparison, in constant memory: both are in the order of their hashes."""

import heapq
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from alignment.formats.dataset_folder import SPLITS

ADDED, REMOVED, RELABELLED, MOVED, REWEIGHTED = KINDS = (
    "added",
    "removed",
    "relabelled",
    "moved",
    "reweighted",
)
MOST_ROWS = 200  # named of each kind; all are counted
_NUMBERS = ("weight", "confidence", "margin")
_BATCH = 1000
Key = tuple[str, str]


class Frozen(NamedTuple):
    """One comparison in a dataset: its pairs (chosen, rejected), its split, and its label's numbers and its rows."""

    key: Key
    pairs: frozenset[tuple[str, str]]
    split: str
    numbers: tuple[float | None, ...]


@dataclass
class Difference:
    """``counts`` by KINDS and of what stayed; ``rows`` the first comparisons of each kind; ``policy`` each field of the
    policies that differs, with both values; ``splits`` the rows of each split in both."""

    counts: Counter[str] = field(default_factory=Counter)
    rows: dict[str, list[str]] = field(default_factory=lambda: {kind: [] for kind in KINDS})
    policy: list[tuple[str, Any, Any]] = field(default_factory=list)
    splits: dict[str, tuple[int, int]] = field(default_factory=dict)

    def note(self, kind: str, comparison: str) -> None:
        self.counts[kind] += 1
        if len(self.rows[kind]) < MOST_ROWS:
            self.rows[kind].append(comparison)


def difference(
    before: Path, after: Path, manifests: tuple[Mapping[str, Any], Mapping[str, Any]]
) -> Difference:
    """What ``after`` has otherwise than ``before``. Raises OSError or pyarrow's ArrowException.

    A comparison is relabelled where another answer is chosen, moved where it is in the other split, and reweighted
    where only its weight, confidence, margin or number of copies differs; it may be both moved and one of the others.
    """
    found = Difference()
    one, other = _frozen(before), _frozen(after)
    old, new = next(one, None), next(other, None)
    while old or new:
        if new is None or (old is not None and old.key < new.key):
            assert old is not None  # noqa: S101  tells the type checker
            found.note(REMOVED, old.key[1])
            old = next(one, None)
        elif old is None or new.key < old.key:
            found.note(ADDED, new.key[1])
            new = next(other, None)
        else:
            _compare(found, old, new)
            old, new = next(one, None), next(other, None)
    first, second = manifests
    found.policy = _policy(first["policy"], second["policy"])
    found.splits = {name: (first["splits"][name]["rows"], second["splits"][name]["rows"]) for name in SPLITS}
    return found


def _compare(found: Difference, old: Frozen, new: Frozen) -> None:
    comparison = new.key[1]
    if old.split != new.split:
        found.note(MOVED, comparison)
    if old.pairs != new.pairs:
        found.note(RELABELLED, comparison)
    elif old.numbers != new.numbers:
        found.note(REWEIGHTED, comparison)
    elif old.split == new.split:
        found.counts["same"] += 1


def _policy(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[tuple[str, Any, Any]]:
    fields = [(name, old[name], new[name]) for name in ("name", "version")]
    names = [*old["document"], *(name for name in new["document"] if name not in old["document"])]
    fields += [(name, old["document"].get(name), new["document"].get(name)) for name in names]
    return [each for each in fields if each[1] != each[2]]


def _frozen(folder: Path) -> Iterator[Frozen]:
    rows = heapq.merge(*(_rows(folder, split) for split in SPLITS), key=itemgetter(0))
    for key, group in groupby(rows, key=itemgetter(0)):
        found = list(group)
        _, split, _, numbers = found[0]
        yield Frozen(key, frozenset(row[2] for row in found), split, (*numbers, len(found)))


def _rows(folder: Path, split: str) -> Iterator[tuple[Key, str, tuple[str, str], tuple[float | None, ...]]]:
    """(its key, the split, (chosen, rejected), numbers) of each row, read by column."""
    with pq.ParquetFile(folder / f"{split}.parquet") as file:
        numbers = [name for name in _NUMBERS if name in file.schema_arrow.names]
        columns = ["prompt_sha256", "comparison", "chosen", "rejected", *numbers]
        for batch in file.iter_batches(batch_size=_BATCH, columns=columns):
            texts = [_contents(batch.column(name)) for name in ("chosen", "rejected")]
            keys = zip(*(batch.column(name).to_pylist() for name in columns[:2]), strict=True)
            # Datasets frozen before margins were kept have none, which is 0.
            values = zip(
                *(
                    batch.column(name).to_pylist() if name in numbers else [0.0] * batch.num_rows
                    for name in _NUMBERS
                ),
                strict=True,
            )
            for key, pair, given in zip(keys, zip(*texts, strict=True), values, strict=True):
                yield key, split, pair, given


def _contents(messages: pa.ListArray) -> list[str]:
    """The text of each answer, which is one message."""
    texts: list[str] = pc.struct_field(messages.flatten(), [1]).to_pylist()
    return texts
