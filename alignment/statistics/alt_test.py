"""The alternative annotator test: may a judge stand in for a person? What certifies a judge for the policy.

Calderon, Reichart and Dror (2025), "The Alternative Annotator Test for LLM-as-a-Judge". Each person in turn
is left out; the judge may replace them if it agrees with the others at least as often, less a margin ε.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special

from alignment.statistics.contest import Contest, Scoring, contest
from alignment.statistics.intervals import (
    DEFAULT,
    Resampling,
    bootstrap_all,
    cell_sample,
)
from alignment.statistics.results import Statistic
from alignment.statistics.verdicts import Codes, Floats, as_codes, same_length

MIN_PEOPLE = 3  # the paper's advice: with two, the one left out is compared with a single person
T_TEST_FROM = 30  # items, from which the paper takes the t-test to hold; below, Wilcoxon's signed-rank test

FEW_PEOPLE = "fewer than three people"
FEW_ITEMS = "too few items"

Mask = NDArray[np.bool_]


class AnnotatorTest(NamedTuple):
    """One person's test on ``n`` items: the judge may replace them if ``rejected``; no ``p`` with too few.

    ``difference`` is the mean of d = W(person) − W(judge), ``spread`` its standard deviation: None where not tested.
    """

    rater: int
    n: int
    p: float | None
    rejected: bool
    difference: float | None = None
    spread: float | None = None

    def as_json(self) -> dict[str, Any]:
        """``{rater, n, p, rejected}``."""
        return dict(zip(self._fields[:4], self[:4], strict=True))


@dataclass(frozen=True)
class AltTest:
    """``rate``: the share of people whom the judge may replace; it passes at .5. Its n counts the people tested.

    ``advantage_probability``: how often the judge does at least as well as a person left out. Its n counts
    the items used, its ``excluded`` those with people's verdicts but no second person or no verdict of the
    judge. Where undecided, the rate is undefined, ``reason`` says why, and ``missing`` is how many more
    items the last of the people needed must share.
    """

    rate: Statistic
    advantage_probability: Statistic
    annotators: tuple[AnnotatorTest, ...]
    epsilon: float
    reason: str | None = None
    missing: int = 0

    @property
    def winning_rate(self) -> float | None:
        return self.rate.value

    def as_json(self) -> dict[str, Any]:
        """Everything above, the statistics as ``Statistic.as_json`` gives them."""
        return {
            "winning_rate": self.winning_rate,
            "rate": self.rate.as_json(),
            "advantage_probability": self.advantage_probability.as_json(),
            "annotators": [person.as_json() for person in self.annotators],
            "epsilon": self.epsilon,
            "reason": self.reason,
            "missing": self.missing,
        }


def alt_test(
    items: ArrayLike,
    raters: ArrayLike,
    labels: ArrayLike,
    judge: ArrayLike,
    clusters: ArrayLike,
    *,
    scoring: Scoring = "accuracy",
    values: ArrayLike | None = None,
    epsilon: float = 0.2,
    q: float = 0.05,
    min_items: int = 30,
    min_humans: int = 2,
    min_people: int = MIN_PEOPLE,
    resampling: Resampling = DEFAULT,
) -> AltTest:
    """Test one judge against people. ``q`` bounds the false discovery rate over people (Benjamini–Yekutieli).

    People's verdicts are rows: ``items`` (0 to n − 1), ``raters`` (any ids), ``labels``. ``judge`` (n) is
    the judge's label of each item or MISSING, ``clusters`` (n) its prompt; ``scoring``, ``values`` and ``min_humans``
    are ``contest``'s. ε is .2 for experts, .15 for skilled annotators and .1 for a crowd. People with fewer than
    ``min_items`` items are listed, not tested; with fewer than ``min_people`` to test there is no result.
    """
    group = as_codes(clusters, "clusters")
    same_length(judge=as_codes(judge, "judge"), clusters=group)
    met = contest(items, raters, labels, judge, scoring=scoring, values=values, min_humans=min_humans)
    cells = _cells(met)
    counts = np.bincount(cells, minlength=3 * len(met.raters)).reshape(-1, 3).astype(np.float64)
    n = counts.sum(axis=1).astype(np.int64)
    tested = n >= max(min_items, 2)
    if tested.sum() < max(1, min_people):
        return _undecided(met, n, epsilon, min_items, min_people)
    p, rejected = _decided(counts, n, tested, epsilon, q)
    rate, advantage = _measured(met, cells, tested, rejected, group, epsilon, q, resampling)
    return AltTest(rate, advantage, _people(met.raters, counts, p, tested, rejected), epsilon)


def alt_test_of_counts(
    raters: Codes,
    counts: Floats,
    *,
    epsilon: float = 0.2,
    q: float = 0.05,
    min_items: int = 30,
    min_people: int = MIN_PEOPLE,
    excluded: int = 0,
) -> AltTest:
    """The same test without intervals, from how often each person's d was −1, 0 and 1 (people × 3); see
    ``outcomes``."""
    n = counts.sum(axis=1).astype(np.int64)
    tested = n >= max(min_items, 2)
    if tested.sum() < max(1, min_people):
        return _without_result(raters, n, int(n.max(initial=0)), excluded, epsilon, min_items, min_people)
    p, rejected = _decided(counts, n, tested, epsilon, q)
    wins = ((n - counts[:, 2]) / np.maximum(n, 1))[tested]
    people = int(tested.sum())
    rate = Statistic(float(rejected[tested].mean()), None, None, people, "not resampled")
    advantage = Statistic(float(wins.mean()), None, None, int(n.max()), "not resampled", excluded)
    return AltTest(rate, advantage, _people(raters, counts, p, tested, rejected), epsilon)


class Outcomes(NamedTuple):
    """A row for each person and item: ``items``, ``people`` (indices into ``raters``), and ``d`` + 1, from 0 to 2."""

    items: Codes
    people: Codes
    d: Codes
    raters: Codes

    def counts(self, rows: Mask) -> Floats:
        """How often each person's d was −1, 0 and 1 on these rows (people × 3)."""
        cells = 3 * self.people[rows] + self.d[rows]
        return np.bincount(cells, minlength=3 * len(self.raters)).reshape(-1, 3).astype(np.float64)


def outcomes(items: ArrayLike, raters: ArrayLike, labels: ArrayLike, judge: ArrayLike) -> Outcomes:
    """What the test counts, row by row, so that it can be repeated on parts of the items."""
    met = contest(items, raters, labels, judge)
    return Outcomes(met.items, met.people, _cells(met) - 3 * met.people, met.raters)


def _decided(counts: Floats, n: Codes, tested: Mask, epsilon: float, q: float) -> tuple[Floats, Mask]:
    """p of each person, NaN where not tested, and whom the judge may replace."""
    p = np.full(len(n), np.nan)
    p[tested] = _p_values(counts[tested], epsilon)
    for person in np.flatnonzero(tested & (n < T_TEST_FROM)):
        p[person] = _signed_rank(counts[person], epsilon, p[person])
    rejected = tested.copy()
    rejected[tested] = benjamini_yekutieli(p[tested], q)
    return p, rejected


def _cells(met: Contest) -> Codes:
    """A cell for each person and d = W(person) − W(judge), −1, 0 or 1, where W = 1 if the score is no lower."""
    lower = (met.person < met.judge).astype(np.int64)
    return 3 * met.people + 1 - lower + (met.person > met.judge)


def _moments(counts: Floats) -> tuple[Floats, Floats, Floats]:
    """n, mean and sum of squares about the mean of d, from its counts (… × 3)."""
    n = counts.sum(axis=-1)
    total = counts[..., 2] - counts[..., 0]
    mean = total / np.where(n > 0, n, 1)
    return n, mean, np.maximum(counts[..., 0] + counts[..., 2] - total * mean, 0)


def _p_values(counts: Floats, epsilon: float) -> Floats:
    """One-sided p of the t-test that mean d < ε; without variance 0 where it is, else 1."""
    n, mean, squares = _moments(counts)
    freedom = np.maximum(n - 1, 1)
    constant = squares < 1e-9
    error = np.sqrt(np.where(constant, 1.0, squares) / freedom / np.maximum(n, 1))
    p: Floats = np.where(
        constant, np.where(mean < epsilon, 0.0, 1.0), special.stdtr(freedom, (mean - epsilon) / error)
    )
    return p


def _signed_rank(counts: Floats, epsilon: float, constant: float) -> float:
    """Wilcoxon's signed-rank test (1945) in place of the t-test; ``constant`` is the answer without variance."""
    if (counts > 0).sum() < 2:
        return constant
    from scipy import stats  # half a second, for the few who need it

    d = np.repeat([-1.0, 0.0, 1.0], counts.astype(np.int64))
    return float(stats.wilcoxon(d - epsilon, alternative="less").pvalue)


def benjamini_yekutieli(p: Floats, q: float) -> Mask:
    """Which hypotheses are rejected at a false discovery rate of ``q`` whatever their dependence (2001).

    All up to the last k, by p, with p ≤ k q / (m (1 + 1/2 + … + 1/m)). Works along the last axis.
    """
    m = p.shape[-1]
    steps = np.arange(1, m + 1)
    order = np.argsort(p, axis=-1, kind="stable")
    below = np.take_along_axis(p, order, axis=-1) <= steps / m * (q / (1 / steps).sum())
    last = np.where(below, steps, 0).max(axis=-1, keepdims=True, initial=0)
    rejected = np.empty(p.shape, dtype=np.bool_)
    np.put_along_axis(rejected, order, np.broadcast_to(steps <= last, p.shape), axis=-1)
    return rejected


def _measured(
    met: Contest,
    cells: Codes,
    tested: Mask,
    rejected: Mask,
    clusters: Codes,
    epsilon: float,
    q: float,
    resampling: Resampling,
) -> tuple[Statistic, Statistic]:
    """The winning rate, which each replicate tests anew, and the mean over people of the mean of W(judge)."""
    people = int(tested.sum())
    items = met.items
    if people < len(tested):
        rows = tested[met.people]
        renumbered = np.cumsum(tested) - 1
        cells = cells[rows] % 3 + 3 * renumbered[met.people[rows]]
        items = items[rows]

    def rate(totals: Floats) -> Floats:
        p = _p_values(totals.reshape(-1, people, 3), epsilon)
        share: Floats = benjamini_yekutieli(p, q).mean(axis=1)
        return share

    def advantage(totals: Floats) -> Floats:
        outcomes = totals.reshape(-1, people, 3)
        n = outcomes.sum(axis=2)
        seen = n > 0  # a replicate may leave a person out
        wins = np.where(seen, (n - outcomes[:, :, 2]) / np.where(seen, n, 1), 0)
        mean: Floats = wins.sum(axis=1) / seen.sum(axis=1)
        return mean

    drawn = bootstrap_all(
        cell_sample(clusters[items], cells, 3 * people),
        {"rate": rate, "advantage": advantage},
        n=int(np.count_nonzero(np.bincount(items))),
        excluded=met.excluded,
        resampling=resampling,
        shares=("advantage",),
    )
    found = drawn["rate"]
    # The people's own tests may be signed-rank tests; the replicates' are t-tests.
    return Statistic(float(rejected[tested].mean()), found.low, found.high, people, found.reason), drawn[
        "advantage"
    ]


def _people(
    raters: Codes, counts: Floats, p: Floats, tested: Mask, rejected: Mask
) -> tuple[AnnotatorTest, ...]:
    n, mean, squares = _moments(counts)
    spread = np.sqrt(squares / np.maximum(n - 1, 1))
    columns = (raters, n.astype(np.int64), p, rejected, mean, spread, tested)
    return tuple(
        AnnotatorTest(rater, size, chance, won, difference, deviation)
        if enough
        else AnnotatorTest(rater, size, None, False)
        for rater, size, chance, won, difference, deviation, enough in zip(
            *(column.tolist() for column in columns), strict=True
        )
    )


def _undecided(met: Contest, n: Codes, epsilon: float, min_items: int, min_people: int) -> AltTest:
    used = int(np.count_nonzero(np.bincount(met.items))) if len(met.items) else 0
    return _without_result(met.raters, n, used, met.excluded, epsilon, min_items, min_people)


def _without_result(
    raters: Codes, n: Codes, used: int, excluded: int, epsilon: float, min_items: int, min_people: int
) -> AltTest:
    enough_people = len(n) >= min_people and len(n) > 0
    last = int(np.sort(n)[-min_people]) if enough_people else 0
    reason = FEW_ITEMS if enough_people else FEW_PEOPLE if min_people == MIN_PEOPLE else "too few people"
    people = tuple(
        AnnotatorTest(rater, size, None, False)
        for rater, size in zip(raters.tolist(), n.tolist(), strict=True)
    )
    return AltTest(
        Statistic.undefined(reason, 0),
        Statistic.undefined(reason, used, excluded),
        people,
        epsilon,
        reason,
        max(min_items, 2) - last,
    )


def across(tests: Sequence[AltTest], q: float = 0.05) -> list[AltTest]:
    """The same tests with the false discovery rate bounded over all their people together: one test a slice.

    A judge that is tried on twenty slices would otherwise pass on one by luck. Rates lose their interval, which was
    drawn for each test alone.
    """
    p = np.array([person.p for test in tests for person in test.annotators if person.p is not None])
    verdicts = iter(benjamini_yekutieli(p, q).tolist()) if len(p) else iter(())
    return [_with(test, verdicts) for test in tests]


def _with(test: AltTest, verdicts: Any) -> AltTest:
    people = tuple(
        person if person.p is None else person._replace(rejected=next(verdicts)) for person in test.annotators
    )
    tested = [person for person in people if person.p is not None]
    if test.rate.value is None:
        return test
    share = sum(person.rejected for person in tested) / len(tested)
    rate = Statistic(share, None, None, len(tested), "decided together with other slices")
    return replace(test, annotators=people, rate=rate)


class Needed(NamedTuple):
    """What it takes until the test is decided: ``outcome`` pass or fail, as things stand, and how many more human
    labels; None where no number is enough, because the difference lies on the margin."""

    outcome: str
    labels: int | None


def labels_needed(
    test: AltTest, *, q: float = 0.05, power: float = 0.8, together: int | None = None
) -> Needed | None:
    """How many more labels by the people tested until half of them can, or surely can not, be replaced.

    A person whose mean d lies δ from ε with deviation s needs n = ((z₁₋ₐ + z_power) s / δ)² items, a being the
    threshold of Benjamini and Yekutieli for the k-th of m where k is half of m; the k people nearest to it count.
    With so many tests decided ``together`` (see ``across``) it is that for the k-th of those, as if the others were not
    passed. None where nobody is tested.
    """
    people = [person for person in test.annotators if person.p is not None]
    if not people:
        return None
    m = len(people)
    half = -(-m // 2)
    every = m if together is None else together
    level = half / every * q / float((1 / np.arange(1, every + 1)).sum())
    mean = np.array([person.difference for person in people], dtype=np.float64)
    spread = np.array([person.spread for person in people], dtype=np.float64)
    have = np.array([person.n for person in people])
    gap = np.abs(mean - test.epsilon)
    z = float(special.ndtri(1 - level) + special.ndtri(power))
    with np.errstate(divide="ignore", invalid="ignore"):
        need = np.where(spread == 0, 0.0, (z * spread / gap) ** 2)
    passing = mean < test.epsilon
    outcome = "pass" if 2 * passing.sum() >= m else "fail"
    side = passing if outcome == "pass" else ~passing
    count = half if outcome == "pass" else m - half + 1
    more = np.sort(np.maximum(need[side] - have[side], 0))[:count].sum()
    return Needed(outcome, int(np.ceil(more)) if np.isfinite(more) else None)
