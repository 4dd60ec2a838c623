"""What people should judge next: each answer where it wins the most labels, and some at random.

The gain of a comparison is how many labels one person's answer to it may be expected to win.

- A doubtful comparison: its doubt, 1 − confidence; 1 where nobody who counts said anything.
- A judge that is short of its certificate on a slice, by the power of its test: the labels that wait for it there,
  over the answers that the test still takes; half of that where nobody knows yet how it will end.
- Labels that are not used because nothing is shown about judges' word: those that wait, over the comparisons that it
  takes.

What is drawn at random comes first, out of all that no person has judged: it alone keeps the guarantee valid.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from alignment.policy.verdicts import Ground
from alignment.statistics.verdicts import Codes, Floats

MOST_GAIN = 1000.0


@dataclass(frozen=True)
class Need:
    """``answers`` by people win ``waiting`` labels, with a chance of ``hope``. ``pool`` are the comparisons, of which
    nobody has judged any, that serve; ``people`` are asked about each."""

    waiting: int
    answers: int
    hope: float
    pool: Codes
    people: int
    ground: int

    @property
    def gain(self) -> float:
        return min(MOST_GAIN, self.hope * self.waiting / max(1, self.answers))


@dataclass(frozen=True)
class Plan:
    """By comparison, no comparison twice: its ``gain``, ``ground`` and how many ``people`` are asked at least."""

    comparison_ids: Codes
    gain: Floats
    ground: Codes
    people: Codes

    def __len__(self) -> int:
        return len(self.comparison_ids)


def plan(
    doubtful: Codes,
    doubt: Floats,
    unjudged: Codes,
    needs: list[Need],
    *,
    at_random: int,
    seed: int,
    limit: int | None = None,
) -> Plan:
    """Whom to ask about what, the highest gain first, ``limit`` comparisons at the most.

    ``doubtful`` are the comparisons routed to people, with their ``doubt``; ``unjudged`` all that no person has
    judged, of which so many are taken ``at_random``.
    """
    rng = np.random.default_rng(seed)
    calls = [_drawn(rng, need) for need in sorted(needs, key=lambda need: -need.gain)]
    calls.append(
        (doubtful, np.maximum(doubt, 0.001), np.full(len(doubtful), Ground.GAIN), np.ones(len(doubtful)))
    )
    by_gain = _first_of_each(calls, limit)
    share = min(len(unjudged), at_random)
    drawn = rng.permutation(np.sort(unjudged))[:share]
    highest = float(by_gain.gain.max(initial=1.0))
    first = (drawn, np.full(share, highest), np.full(share, Ground.DRAWN), np.ones(share))
    rest = (by_gain.comparison_ids, by_gain.gain, by_gain.ground, by_gain.people)
    return _first_of_each([first, rest], limit)


def _drawn(rng: np.random.Generator, need: Need) -> tuple[Codes, Floats, Codes, Floats]:
    """As many of the pool as the need takes, at random."""
    count = min(len(need.pool), -(-need.answers // need.people))
    chosen = rng.permutation(np.sort(need.pool))[:count]
    return chosen, np.full(count, need.gain), np.full(count, need.ground), np.full(count, float(need.people))


def _first_of_each(calls: Sequence[tuple[Codes, Floats, Codes, Floats | Codes]], limit: int | None) -> Plan:
    """The calls in order, each comparison by the first that names it; then by gain."""
    ids, gain, ground, people = (np.concatenate(column) for column in zip(*calls, strict=True))
    first = np.sort(np.unique(ids, return_index=True)[1])
    order = first[np.lexsort((ids[first], -gain[first]))][:limit]
    return Plan(
        ids[order].astype(np.int64),
        gain[order],
        ground[order].astype(np.int64),
        people[order].astype(np.int64),
    )
