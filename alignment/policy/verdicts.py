"""What the policy looks at: a project's judgments as columns, and the slices that its comparisons belong to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from alignment.statistics.verdicts import Codes, Ranking, same_length

Mask = NDArray[np.bool_]

ALL = "all"


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
        if len(np.unique(pairs)) < len(pairs):
            raise ValueError("a rater must have one judgment on a comparison")

    @property
    def count(self) -> int:
        """The number of comparisons."""
        return len(self.comparison_ids)

    def mask(self, slice_name: str) -> Mask:
        """The comparisons of a slice."""
        return np.ones(self.count, dtype=np.bool_) if slice_name == ALL else self.slices[slice_name]
