"""The human ceiling: the definition written out, the paired difference, and items that do not count."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alignment.statistics.ceiling import human_ceiling
from alignment.statistics.intervals import Resampling
from alignment.statistics.verdicts import MISSING
from tests.alignment.statistics.test_alt_test import simulate

QUICK = Resampling(30)


@given(seed=st.integers(0, 1000), scoring=st.sampled_from(["accuracy", "neg_rmse"]))
@settings(max_examples=30)
def test_it_is_what_the_definition_says(seed, scoring):
    items, raters, labels, judge, prompts = simulate(30, seed=seed)
    judge[::7] = MISSING
    values = np.array([1.0, 4.0])
    score = {
        "accuracy": lambda own, others: np.mean(others == own),
        "neg_rmse": lambda own, others: -np.sqrt(np.mean((values[own] - values[others]) ** 2)),
    }[scoring]
    people, machine = [], []
    for item in np.flatnonzero(judge != MISSING):
        given_labels = labels[items == item]
        rest = [np.delete(given_labels, index) for index in range(len(given_labels))]
        people.append(np.mean([score(own, others) for own, others in zip(given_labels, rest, strict=True)]))
        machine.append(np.mean([score(judge[item], others) for others in rest]))
    found = human_ceiling(
        items, raters, labels, judge, prompts, scoring=scoring, values=values, resampling=QUICK
    )
    assert found.ceiling.value == pytest.approx(np.mean(people))
    assert found.judge.value == pytest.approx(np.mean(machine))
    assert found.difference.value == pytest.approx(np.mean(machine) - np.mean(people))
    assert (found.difference.n, found.difference.excluded) == (len(people), 5)


def test_the_difference_is_paired():
    """Items are hard for both alike, so that the difference is surer than either."""
    rng = np.random.default_rng(0)
    hard = rng.random(400) < 0.5
    labels = np.where(np.repeat(hard, 3), rng.integers(0, 2, 1200), 0)
    judge = np.where(hard, rng.integers(0, 2, 400), 0)
    items, raters = np.repeat(np.arange(400), 3), np.tile(np.arange(3), 400)
    found = human_ceiling(items, raters, labels, judge, np.arange(400))
    widths = [statistic.high - statistic.low for statistic in found]
    assert widths[2] < np.hypot(widths[0], widths[1])
    assert found.difference.low < 0 < found.difference.high
    assert set(found.as_json()) == {"ceiling", "judge", "difference"}


def test_nobody_to_compare_with_is_undefined():
    found = human_ceiling([0], [0], [0], [0, 1], [0, 1])
    assert [statistic.reason for statistic in found] == ["no data"] * 3
    assert found.ceiling.excluded == 1
