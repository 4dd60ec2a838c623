"""The best of n samples, against drawing them."""

from itertools import combinations

import numpy as np
import pytest

from alignment.statistics.best_of_n import best_of_n


def test_it_is_the_mean_over_every_choice_of_n():
    rng = np.random.default_rng(0)
    picking, gold = rng.normal(size=(5, 6)), rng.normal(size=(5, 6))
    for point in best_of_n(picking, gold):
        choices = [list(choice) for choice in combinations(range(6), point.n)]
        best = [[choice[row[choice].argmax()] for choice in choices] for row in picking]
        expected = np.mean([gold[prompt][picks].mean() for prompt, picks in enumerate(best)])
        assert point.gold.value == pytest.approx(expected)


def test_more_samples_pick_higher_and_cost_divergence():
    points = best_of_n(np.random.default_rng(1).normal(size=(40, 8)))
    assert [point.n for point in points] == [1, 2, 4, 8]
    assert [point.kl for point in points] == sorted(point.kl for point in points)
    assert points[0].kl == 0
    picked = [point.picked.value for point in points]
    assert picked == sorted(picked)
    assert points[0].gold is None


def test_equal_scores_are_picked_alike():
    (one, two) = best_of_n([[1.0, 1.0]] * 3, [[0.0, 1.0]] * 3)
    assert one.gold.value == two.gold.value == 0.5


def test_prompts_without_every_score_are_left_out_and_counted():
    (point,) = best_of_n([[1.0], [np.nan], [3.0]])
    assert (point.picked.value, point.picked.n, point.picked.excluded) == (2.0, 2, 1)
    assert best_of_n([[np.nan]])[0].picked.value is None


def test_scores_of_other_samples_are_refused():
    with pytest.raises(ValueError, match="same shape"):
        best_of_n([[1.0, 2.0]], [[1.0]])
