"""The selection keeps its promise in simulation, and its figures are the exact ones."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from alignment.statistics.selection import fewest_items, select_threshold, upper_bound


def test_the_bound_is_the_exact_one_of_clopper_and_pearson():
    # Without an error it is 1 - (1 - confidence) ** (1 / n); with all wrong nothing is bounded.
    assert upper_bound(0, 50, 0.95) == pytest.approx(1 - 0.05 ** (1 / 50))
    assert upper_bound(7, 7, 0.95) == 1
    # 2 of 100 at 95 % one-sided: 6.16 % (Hahn and Meeker, Statistical Intervals, table A.23).
    assert upper_bound(2, 100, 0.95) == pytest.approx(0.0616, abs=5e-4)


@pytest.mark.parametrize(
    ("max_error", "confidence", "items"), [(0.05, 0.95, 59), (0.1, 0.9, 22), (0.5, 0.5, 1)]
)
def test_the_fewest_items_are_those_that_prove_it_without_an_error(max_error, confidence, items):
    assert fewest_items(max_error, confidence) == items
    assert upper_bound(0, items, confidence) <= max_error + 1e-12
    assert items == 1 or upper_bound(0, items - 1, confidence) > max_error


def world(rng: np.random.Generator, n: int) -> tuple[np.ndarray, np.ndarray]:
    """Confidences that promise more than they hold, and which labels are wrong."""
    confidence = rng.beta(4, 1.5, n)
    return confidence, (rng.random(n) > 0.35 + 0.63 * confidence).astype(int)


def test_over_many_splits_the_tolerated_error_is_exceeded_no_more_often_than_promised():
    rng = np.random.default_rng(1)
    confidence, wrong = world(rng, 200_000)
    exceeded, chosen, splits = 0, 0, 500
    for split in range(splits):
        drawn = rng.choice(len(confidence), 1000, replace=False)
        found = select_threshold(
            confidence[drawn], wrong[drawn], drawn, max_error=0.1, confidence=0.9, seed=split
        )
        if found.threshold is not None:
            chosen += 1
            exceeded += wrong[confidence >= found.threshold].mean() > 0.1
    assert chosen > 0.5 * splits  # a selection that never selects keeps its promise too
    # Three standard deviations above the promised tenth.
    assert exceeded <= splits * 0.1 + 3 * np.sqrt(splits * 0.1 * 0.9)


def test_an_untrustworthy_labeller_is_never_selected():
    rng = np.random.default_rng(2)
    found = select_threshold(rng.random(500), rng.random(500) < 0.5, np.arange(500), max_error=0.1)
    assert found.threshold is None
    assert "bounds the disagreement" in (found.reason or "")


def test_too_few_items_say_how_many_it_takes():
    found = select_threshold([0.9] * 20, [0] * 20, range(20), max_error=0.05)
    assert found.threshold is None
    assert "it takes 59" in (found.reason or "")


def test_items_of_a_cluster_count_once():
    found = select_threshold([0.9] * 200, [0] * 200, np.arange(200) // 4, max_error=0.05)
    assert (found.n, found.excluded) == (50, 150)
    assert found.threshold is None


def test_equal_confidences_stand_or_fall_together():
    found = select_threshold([0.9] * 300 + [0.6] * 100, [0] * 300 + [1] * 100, range(400), max_error=0.2)
    assert [step.n for step in found.steps] == [300, 400]
    assert found.threshold == 0.9


@given(st.integers(0, 200), st.floats(0.02, 0.4), st.integers(0, 5))
def test_what_is_chosen_passed_and_so_did_all_before_it(n, max_error, seed):
    rng = np.random.default_rng(seed)
    confidence, wrong = world(rng, n)
    found = select_threshold(confidence, wrong, np.arange(n), max_error=max_error, seed=seed)
    assert (found.chosen is None) == (found.reason is not None)
    if found.chosen:
        passed = found.steps[: found.steps.index(found.chosen) + 1]
        assert all(step.bound <= max_error for step in passed)
        assert [step.threshold for step in found.steps] == sorted(
            (step.threshold for step in found.steps), reverse=True
        )


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"max_error": 0.0}, "max_error"),
        ({"confidence": 1.0}, "confidence"),
        ({"confidences": [1.2]}, "confidences"),
        ({"wrong": [2]}, "wrong"),
        ({"clusters": [0, 1]}, "clusters"),
    ],
)
def test_values_out_of_range_are_named(change, named):
    arguments = {"confidences": [0.5], "wrong": [0], "clusters": [0], "max_error": 0.1} | change
    with pytest.raises(ValueError, match=named):
        select_threshold(**arguments)
