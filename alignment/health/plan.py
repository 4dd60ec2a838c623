"""What becomes of each prompt in a snapshot: its split, and how much its comparisons count in training."""

from collections.abc import Set as AbstractSet
from dataclasses import dataclass

from alignment.formats.dataset_folder import SPLITS
from alignment.health.balance import RESAMPLE, Shares, times


@dataclass(frozen=True)
class Plan:
    """``test`` holds the hashes of the prompts held out, ``shares`` the factor of each combination of tags."""

    test: AbstractSet[str]
    shares: Shares[tuple[str, ...]]
    seed: int

    def split(self, prompt: str) -> str:
        return SPLITS[prompt in self.test]

    def share(self, tags: tuple[str, ...], comparison: str) -> tuple[int, float]:
        """How many times a training comparison is taken, and by what its weight is multiplied."""
        factor = self.shares[tags]
        if self.shares.how == RESAMPLE:
            return times(factor, comparison, self.seed), 1.0
        return 1, factor
