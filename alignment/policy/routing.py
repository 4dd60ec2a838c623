"""What people should judge next: each answer where it wins the most labels, and some at random.

The gain of a comparison is how many labels one person's answer to it may be expected to win.

- A doubtful comparison: its doubt, 1 − confidence; 1 where nobody who counts said anything.
- A judge that is short of its certificate on a slice, by the power of its test: the labels that wait for it there,
  over the answers that the test still takes; half of that where nobody knows yet how it will end.
- Labels that are not used because nothing is shown about judges' word: those that wait, over the comparisons that it
  takes.

What is drawn at random, out of all that no person has judged, alone keeps the guarantee valid. So it is drawn before
all else, whatever else speaks for asking about the same comparisons, and of a limited number the first of the draw are
taken.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from alignment.policy.verdicts import Ground, Mask
from alignment.statistics.verdicts import Codes, Floats

MOST_GAIN = 1000.0
Call = tuple[Codes, Floats, Codes, Floats]  # comparisons, and the gain, ground and people of each


@dataclass(frozen=True)
class Need:
    """``answers`` by people win ``waiting`` labels, with a chance of ``hope``. ``pool`` are the comparisons, of which
    nobody has judged any, that serve; ``people`` are asked about each. With the ground DRAWN any serves that was not
    drawn yet."""

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

    def only(self, rows: Mask) -> Plan:
        """Those under the mask."""
        return Plan(self.comparison_ids[rows], self.gain[rows], self.ground[rows], self.people[rows])


def plan(
    doubtful: Codes,
    doubt: Floats,
    undrawn: Codes,
    needs: list[Need],
    *,
    at_random: int,
    seed: int,
    limit: int | None = None,
) -> Plan:
    """Whom to ask about what, the highest gain first, ``limit`` comparisons at the most.

    ``doubtful`` are the comparisons routed to people, with their ``doubt``; ``undrawn`` all that no person has judged
    and that were not drawn before, of which so many are taken ``at_random`` at least.
    """
    rng = np.random.default_rng(seed)
    draws = [need for need in needs if need.ground == Ground.DRAWN]
    others = sorted((need for need in needs if need.ground != Ground.DRAWN), key=lambda need: -need.gain)
    calls = [_of_pool(rng, need) for need in others]
    calls.append(
        (doubtful, np.maximum(doubt, 0.001), np.full(len(doubtful), Ground.GAIN), np.ones(len(doubtful)))
    )
    highest = max(float(gain.max(initial=1.0)) for _ids, gain, *_ in calls)
    wanted = [(at_random, max([highest, *(need.gain for need in draws)]))]
    wanted += [(need.answers, need.gain) for need in draws]
    return _first_of_each([_draw(rng, undrawn, wanted), *calls], limit)


def _draw(rng: np.random.Generator, undrawn: Codes, wanted: list[tuple[int, float]]) -> Call:
    """One draw for all that ask for one, each as (number, gain): the first of it serve everybody."""
    count = min(len(undrawn), max(number for number, _gain in wanted))
    gain = np.zeros(count)
    for number, worth in wanted:
        gain[:number] = np.maximum(gain[:number], worth)
    drawn = rng.permutation(np.sort(undrawn))[:count]
    return drawn, gain, np.full(count, Ground.DRAWN), np.ones(count)


def _of_pool(rng: np.random.Generator, need: Need) -> Call:
    """As many of the pool as the need takes, at random."""
    count = min(len(need.pool), -(-need.answers // need.people))
    chosen = rng.permutation(np.sort(need.pool))[:count]
    return chosen, np.full(count, need.gain), np.full(count, need.ground), np.full(count, float(need.people))


def _first_of_each(calls: Sequence[Call], limit: int | None) -> Plan:
    """Each comparison by the first call that names it; by gain, and where that is equal in the order of the calls."""
    ids, gain, ground, people = (np.concatenate(column) for column in zip(*calls, strict=True))
    first = np.sort(np.unique(ids, return_index=True)[1])
    order = first[np.argsort(-gain[first], kind="stable")][:limit]
    return Plan(
        ids[order].astype(np.int64),
        gain[order],
        ground[order].astype(np.int64),
        people[order].astype(np.int64),
    )
