"""What the policy looks at: judgments as columns, the slices of their comparisons, and what is known of raters."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from alignment.statistics.verdicts import MISSING, Codes, Ranking, same_length

Mask = NDArray[np.bool_]

ALL = "all"
_TAG_ALL = f"tag {ALL}"


def slice_of(tag: str) -> str:
    """What a tag's slice is called: as the tag, but for one that is itself called "all"."""
    return _TAG_ALL if tag == ALL else tag


def tag_of(slice_name: str) -> str:
    """The tag of a slice other than ALL."""
    return ALL if slice_name == _TAG_ALL else slice_name


@dataclass(frozen=True)
class Verdicts:
    """A project's current judgments as columns, one judgment a rater and comparison.

    By comparison: ``comparison_ids``, ``prompts`` (the cluster of every interval) and ``slices``, a mask for
    each tag (ALL may be among them and is every comparison). By rater: ``people``, True for a person. By
    judgment: ``judgment_ids``, ``comparison`` and ``rater`` (indices), and ``verdict``, an index into
    ``rankings`` or MISSING. ``rankings`` and ``verdict`` are as ``verdicts.encode`` makes them.
    """

    comparison_ids: Codes
    prompts: Codes
    slices: Mapping[str, Mask]
    people: Mask
    judgment_ids: Codes
    comparison: Codes
    rater: Codes
    verdict: Codes
    rankings: list[Ranking]

    def __post_init__(self) -> None:
        same_length(comparison_ids=self.comparison_ids, prompts=self.prompts)
        same_length(
            judgment_ids=self.judgment_ids, comparison=self.comparison, rater=self.rater, verdict=self.verdict
        )
        pairs = self.comparison * len(self.people) + self.rater
        ordered = np.sort(pairs)  # np.unique hashes, which takes twenty times as long for a million
        if (ordered[1:] == ordered[:-1]).any():
            raise ValueError("a rater must have one judgment on a comparison")

    @property
    def count(self) -> int:
        """The number of comparisons."""
        return len(self.comparison_ids)

    def mask(self, slice_name: str) -> Mask:
        """The comparisons of a slice."""
        return np.ones(self.count, dtype=np.bool_) if slice_name == ALL else self.slices[slice_name]

    def only(self, rows: Mask, slices: Mapping[str, Mask]) -> Verdicts:
        """The judgments under the mask, on the same comparisons, with these slices."""
        return replace(
            self,
            slices=slices,
            judgment_ids=self.judgment_ids[rows],
            comparison=self.comparison[rows],
            rater=self.rater[rows],
            verdict=self.verdict[rows],
        )

    def given_by(self, rater: int) -> Codes:
        """One rater's verdict on every comparison, MISSING where there is none."""
        rows = self.rater == rater
        verdicts = np.full(self.count, MISSING, dtype=np.int64)
        verdicts[self.comparison[rows]] = self.verdict[rows]
        return verdicts


@dataclass(frozen=True)
class Drift:
    """A change of a judge's agreement with people: ``p`` that there is none, and the ``sentence`` that says it. Where p
    is at most the policy's q, the judge no longer is what it was and has no certificate."""

    p: float
    sentence: str


@dataclass(frozen=True)
class RaterFacts:
    """What is known of one rater besides their verdicts; None is not known.

    ``family`` is the maker of a judge's model, "" for one of its own. A person's accuracy on ``gold`` and ``alpha``
    with others; a judge's ``attack_rate``, the share of attacks that turned it, and its ``consistency`` between orders
    by slice, and its ``drift``, the likeliest change that was looked for, however small.
    """

    family: str = ""
    gold: float | None = None
    alpha: float | None = None
    attack_rate: float | None = None
    consistency: Mapping[str, float] = field(default_factory=dict)
    drift: Drift | None = None


class Ground:
    """On what ground people were asked about a comparison.

    OTHER: by the queue or a file; DRAWN: at random, out of all that nobody had judged; SLICE: at random within a
    slice, to certify a judge; GAIN: because it was doubtful. GAIN is no fair sample of anything, SLICE of its slice
    alone.
    """

    OTHER, DRAWN, SLICE, GAIN = 0, 1, 2, 3


@dataclass(frozen=True)
class Adjudication:
    """A reviewer's decision on one comparison: no vote among others, but final."""

    comparison: int
    judgment: int
    ranking: Ranking
