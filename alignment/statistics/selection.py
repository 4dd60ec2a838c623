"""Which labels may stand without people: the smallest confidence whose disagreement with people is bounded.

On a random calibration set judged by people, thresholds are tested from the strictest on (fixed-sequence
testing; Maurer, Hothorn and Lehmacher 1995; Angelopoulos et al. 2021, "Learn then Test"). Each asks whether the
exact upper bound (Clopper and Pearson 1934) on the share of labels that people contradict is within what is
tolerated; the first that fails ends the sequence. Because the order is fixed before an outcome is looked at,
the chance that the chosen threshold tolerates too much is at most 1 - confidence, however many were tested.
With cross-fitted confidences, each learnt from the outcomes of the other folds, that is exact fold by fold only;
for all folds together simulations vouch.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

from alignment.statistics.verdicts import Codes, Floats, same_length

STEPS = 40  # thresholds at the most: each adds a like share of the calibration set
_AS_GOOD = 0.005  # chances of passing this close are the same


@dataclass(frozen=True)
class Step:
    """One threshold tested: ``n`` calibration items reach it, people contradict ``wrong`` of them."""

    threshold: float
    n: int
    wrong: int
    bound: float

    @property
    def error(self) -> float:
        """The share contradicted."""
        return self.wrong / self.n


@dataclass(frozen=True)
class Selection:
    """What came of the tests. ``steps`` are every threshold's figures, strictest first, tested or not.

    ``chosen`` is the last of them that passed before the first that failed, None where not even the first did or
    there was nothing to test: ``reason`` then says why. ``n`` counts calibration items, ``excluded`` those left out
    because another of the same cluster stands for it.
    """

    max_error: float
    confidence: float
    steps: tuple[Step, ...]
    chosen: Step | None
    n: int
    excluded: int = 0
    reason: str | None = None

    @property
    def threshold(self) -> float | None:
        """What a label's confidence must reach; None where nothing is proven, 0 where every label passed."""
        if self.chosen is None:
            return None
        return 0.0 if self.chosen is self.steps[-1] else self.chosen.threshold


def select_threshold(
    confidences: ArrayLike,
    wrong: ArrayLike,
    clusters: ArrayLike,
    *,
    max_error: float,
    confidence: float = 0.95,
    seed: int = 0,
) -> Selection:
    """The smallest threshold on ``confidences`` (n) whose disagreement is at most ``max_error``, with ``confidence``.

    ``wrong`` (n, 0 or 1) says which labels people contradict. One item of each cluster, drawn with ``seed``, counts:
    items of a prompt err together, and an exact bound wants independent ones. The bound is on the disagreement over
    such items at or above the threshold. ValueError for values out of range.
    """
    given, errors = _checked(confidences, wrong, max_error, confidence)
    cluster = np.asarray(clusters)
    same_length(confidences=given, wrong=errors, clusters=cluster)
    kept = _one_a_cluster(cluster, seed)
    steps = _steps(given[kept], errors[kept], max_error, confidence)
    chosen, reason = _chosen(steps, len(kept), max_error, confidence)
    return Selection(max_error, confidence, steps, chosen, len(kept), len(given) - len(kept), reason)


def upper_bound(wrong: ArrayLike, n: ArrayLike, confidence: float) -> Floats:
    """Exact one-sided upper bound of a share: ``wrong`` of ``n`` independent trials; 1 where all are wrong."""
    k, trials = np.asarray(wrong), np.asarray(n)
    bound = special.betaincinv(k + 1.0, np.maximum(trials - k, 1), confidence)
    return np.where(k >= trials, 1.0, bound)


def fewest_items(max_error: float, confidence: float) -> int:
    """How many calibration items, none of them contradicted, prove ``max_error``: the least that can."""
    return int(np.ceil(np.log(1 - confidence) / np.log1p(-max_error) - 1e-9))


def more_items(selection: Selection) -> int | None:
    """How many more calibration items prove the tolerated error, if as many are contradicted as until now.

    0 where something is proven; None where more are contradicted at every threshold than is tolerated.
    """
    if selection.chosen is not None:
        return 0
    if not selection.steps:
        return max(0, fewest_items(selection.max_error, selection.confidence) - selection.n)
    sizes = np.arange(1, 40 * fewest_items(selection.max_error, selection.confidence) + 40)
    found = []
    for step in selection.steps:
        proven = special.bdtr(np.floor(step.error * sizes), sizes, selection.max_error) <= (
            1 - selection.confidence
        )
        if step.error < selection.max_error and proven.any():
            reaching = int(sizes[np.argmax(proven)])
            found.append(max(1, int(np.ceil(reaching * selection.n / step.n)) - selection.n))
    return min(found) if found else None


def _checked(
    confidences: ArrayLike, wrong: ArrayLike, max_error: float, confidence: float
) -> tuple[Floats, Codes]:
    given, errors = np.asarray(confidences, dtype=np.float64), np.asarray(wrong).astype(np.int64)
    if not 0 < max_error < 1:
        raise ValueError(f"max_error must lie between 0 and 1, not {max_error}")
    if not 0.5 <= confidence < 1:
        raise ValueError(f"confidence must be at least 0.5 and below 1, not {confidence}")
    if not ((given >= 0) & (given <= 1)).all():
        raise ValueError("confidences must lie between 0 and 1")
    if not np.isin(errors, (0, 1)).all():
        raise ValueError("wrong must hold 0 and 1 alone")
    return given, errors


def _one_a_cluster(clusters: Codes, seed: int) -> Codes:
    """The indices of the items that stand for their clusters."""
    shuffled = np.random.default_rng(seed).permutation(len(clusters))
    _, first = np.unique(clusters[shuffled], return_index=True)
    kept: Codes = np.sort(shuffled[first])
    return kept


def _steps(given: Floats, errors: Codes, max_error: float, confidence: float) -> tuple[Step, ...]:
    """The thresholds of the sequence. They depend on the confidences alone, never on what people said."""
    order = np.argsort(-given, kind="stable")
    ranked, wrong = given[order], np.cumsum(errors[order])
    last_of_equal = np.flatnonzero(np.append(ranked[1:] < ranked[:-1], True)) if len(ranked) else np.arange(0)
    least = min(fewest_items(max_error, confidence), len(ranked))
    reaching = last_of_equal[last_of_equal + 1 >= least]
    reaching = reaching[_start(np.cumsum(1 - ranked)[reaching], reaching + 1, max_error, confidence) :]
    if len(reaching) > STEPS:
        reaching = reaching[np.unique(np.linspace(0, len(reaching) - 1, STEPS).round().astype(int))]
    counts, found = reaching + 1, wrong[reaching]
    bounds = upper_bound(found, counts, confidence)
    return tuple(
        Step(float(ranked[at]), int(n), int(k), float(bound))
        for at, n, k, bound in zip(reaching, counts, found, bounds, strict=True)
    )


def _start(expected: Floats, n: Codes, max_error: float, confidence: float) -> int:
    """The first of the thresholds that passes as likely as any, with so many items ``n`` at or above it and so many
    contradictions ``expected`` of them by their confidences: the sequence begins there.

    Begun with few items, one chance contradiction would end it; with too many, the doubtful ones among them. Expected
    is one contradiction in two items more (Laplace's rule of succession), so that few are not taken at their word.
    """
    if not len(n):
        return 0
    most = _most_wrong(n, max_error, confidence)
    passing = np.where(most < 0, 0.0, special.bdtr(np.maximum(most, 0), n, (expected + 1) / (n + 2)))
    return int(np.argmax(passing >= passing.max() - _AS_GOOD))


def _most_wrong(n: Codes, max_error: float, confidence: float) -> Codes:
    """How many of ``n`` items may be contradicted so that the bound is within ``max_error``; −1 where not even none."""
    low, high = np.full(len(n), -1), n.copy()
    while (high - low > 1).any():
        middle = (low + high) // 2
        # The bound is within it where so few would be a rare sight if it were exceeded: no quantile is needed.
        proves = (middle >= 0) & (special.bdtr(np.maximum(middle, 0), n, max_error) <= 1 - confidence)
        low, high = np.where(proves, middle, low), np.where(proves, high, middle)
    return low


def _chosen(
    steps: tuple[Step, ...], n: int, max_error: float, confidence: float
) -> tuple[Step | None, str | None]:
    needed = fewest_items(max_error, confidence)
    if n < needed:
        return (
            None,
            f"{n} calibration items can not prove it, even without a contradiction: it takes {needed}",
        )
    chosen = None
    for step in steps:
        if step.bound > max_error:
            break
        chosen = step
    if chosen is None:
        first = steps[0]
        return None, (
            f"people contradict {first.wrong} of the {first.n} surest labels, "
            f"which bounds the disagreement at {first.bound:.3f} only"
        )
    return chosen, None
