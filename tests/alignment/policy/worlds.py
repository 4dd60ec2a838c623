"""Made-up projects whose truth is known, large enough to hold a promise against."""

import numpy as np

from alignment.policy.verdicts import Verdicts
from alignment.statistics.verdicts import encode

PEOPLE = 3


class World:
    """``n`` comparisons, two to a prompt, judged by three people and judges; the second judge follows the first.

    Some comparisons are harder than others for everybody, and every fourth carries the tag ``hard``, on which judges
    are worse. ``asked`` are those that people judged.
    """

    def __init__(self, n: int, seed: int, skill: tuple[float, ...] = (0.93, 0.9, 0.8)) -> None:
        rng = np.random.default_rng(seed)
        self.n, self.prompts = n, np.arange(n) // 2
        self.truth = rng.integers(0, 2, n)
        ease = rng.beta(6, 1, n)
        self.hard = np.arange(n) % 4 == 0
        self.people = np.array([self._says(rng, 0.5 + 0.48 * ease) for _ in range(PEOPLE)])
        judges = [
            self._says(rng, np.where(self.hard, 0.5 + 0.2 * ease, 0.5 + (s - 0.45) * ease)) for s in skill
        ]
        judges[1] = np.where(rng.random(n) < 0.7, judges[0], judges[1])
        self.judges = np.array(judges)

    def _says(self, rng, right):
        return np.where(rng.random(self.n) < right, self.truth, 1 - self.truth)

    @property
    def reference(self):
        """What most people say."""
        return (self.people.sum(axis=0) * 2 > PEOPLE).astype(int)

    def verdicts(self, asked, slices=True) -> Verdicts:
        said = np.vstack([self.people, self.judges])
        raters = len(said)
        comparison, rater = np.repeat(np.arange(self.n), raters), np.tile(np.arange(raters), self.n)
        kept = (rater >= PEOPLE) | asked[comparison]
        return Verdicts(
            comparison_ids=np.arange(self.n),
            prompts=self.prompts,
            slices={"hard": self.hard, "easy": ~self.hard} if slices else {},
            people=np.arange(raters) < PEOPLE,
            judgment_ids=np.flatnonzero(kept),
            comparison=comparison[kept],
            rater=rater[kept],
            verdict=said.T.ravel()[kept],
            rankings=encode([]).rankings,
        )
