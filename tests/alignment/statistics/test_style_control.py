"""A win rate at equal length: what is left once length is taken out."""

import numpy as np
import pytest
from scipy.special import expit

from alignment.statistics.style_control import style_controlled_win_rate
from alignment.statistics.verdicts import FIRST, MISSING, SECOND


def judged(effect, style, seed=0, n=4000):
    """Verdicts of whoever likes ``effect`` of the model and ``style`` of length, where the model is longer."""
    rng = np.random.default_rng(seed)
    ours, theirs = rng.integers(20, 60, n), rng.integers(10, 40, n)
    difference = (ours - theirs) / (ours + theirs)
    won = rng.random(n) < expit(effect + style * difference)
    return np.where(won, FIRST, SECOND), np.arange(n), ours, theirs


def test_a_model_that_wins_by_length_alone_wins_half_at_equal_length():
    verdicts, clusters, ours, theirs = judged(effect=0.0, style=3.0)
    found = style_controlled_win_rate(verdicts, clusters, ours, theirs)
    assert (verdicts == FIRST).mean() > 0.65
    assert found.low < 0.5 < found.high


def test_what_the_model_is_better_at_stays():
    found = style_controlled_win_rate(*judged(effect=1.0, style=2.0))
    assert found.low < expit(1.0) < found.high


@pytest.mark.parametrize(
    ("verdicts", "lengths", "reason"),
    [
        ([MISSING, MISSING], [(3, 4), (4, 3)], "no data"),
        ([FIRST, FIRST], [(3, 4), (4, 3)], "no variation"),
        ([FIRST, SECOND], [(3, 3), (4, 4)], "the lengths do not vary"),
        ([FIRST, SECOND] * 5, [(9, 1), (1, 9)] * 5, "length alone tells who wins"),
    ],
)
def test_what_can_not_be_told_apart_is_undefined(verdicts, lengths, reason):
    ours, theirs = zip(*lengths, strict=True)
    assert style_controlled_win_rate(verdicts, np.arange(len(verdicts)), ours, theirs).reason == reason
