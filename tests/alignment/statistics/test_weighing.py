"""Raters' verdicts weighed together: against the likelihood written out, and what the weights must be like."""

import numpy as np
import pytest
from scipy import optimize

from alignment.statistics.verdicts import FIRST, SECOND, TIE
from alignment.statistics.weighing import Weighing, fit_weighing


def rows_of(said):
    """Rows of a table (raters × items) of verdicts, −1 where there is none."""
    rater, item = np.nonzero(said >= 0)
    return item, rater, said[rater, item]


def judged(rng, truth, *right):
    """A rater for each share ``right`` who gives the true verdict as often, else the opposite."""
    return np.array([np.where(rng.random(len(truth)) < share, truth, 1 - truth) for share in right])


def test_the_weights_are_the_likeliest_under_their_prior():
    rng = np.random.default_rng(0)
    truth, said = rng.integers(0, 3, 60), rng.integers(-1, 3, (4, 60))

    def loss(beta):
        total = beta @ beta / 2
        for item in range(60):
            score = np.array([sum(beta[:4][said[:, item] == verdict]) for verdict in (FIRST, SECOND, TIE)])
            score[TIE] += beta[4]
            total -= score[truth[item]] - np.log(np.exp(score).sum())
        return total

    found = fit_weighing(*rows_of(said), truth, 6)
    best = optimize.minimize(loss, np.zeros(5)).x
    assert found.weight[:4] == pytest.approx(best[:4], abs=1e-4)
    assert found.weight[4:].tolist() == [0, 0]  # nobody heard them
    assert found.tie == pytest.approx(best[4], abs=1e-4)


def test_exchanging_the_responses_exchanges_the_chances():
    rng = np.random.default_rng(1)
    truth, said, turned = rng.integers(0, 3, 80), rng.integers(-1, 3, (3, 80)), rng.random(80) < 0.5
    other = np.array([SECOND, FIRST, TIE, -1])
    swapped = np.where(turned, other[said], said)
    one = fit_weighing(*rows_of(said), truth, 3)
    two = fit_weighing(*rows_of(swapped), np.where(turned, other[truth], truth), 3)
    assert two.weight == pytest.approx(one.weight, abs=1e-9)
    chances, mirrored = one.posterior(*rows_of(said), 80), two.posterior(*rows_of(swapped), 80)
    assert np.where(turned[:, None], mirrored[:, [1, 0, 2]], mirrored) == pytest.approx(chances, abs=1e-9)


def test_raters_who_err_together_share_a_weight_and_others_add():
    rng = np.random.default_rng(2)
    truth = rng.integers(0, 2, 1000)
    said = judged(rng, truth, 0.85, 0.85, 0.5, 0.3)
    alone = fit_weighing(*rows_of(said[:1]), truth, 1).weight
    twins = fit_weighing(*rows_of(said[[0, 0]]), truth, 2).weight
    assert twins[0] == pytest.approx(twins[1], abs=1e-9)
    assert twins.sum() == pytest.approx(alone[0], abs=0.05)
    good, independent, noise, contrary = fit_weighing(*rows_of(said), truth, 4).weight
    assert min(good, independent) == pytest.approx(np.log(0.85 / 0.15), abs=0.3)
    assert noise == pytest.approx(0, abs=0.3)
    assert contrary == pytest.approx(np.log(0.3 / 0.7), abs=0.3)


def test_a_chance_is_what_the_weights_add_up_to():
    weighing = Weighing(np.array([1.0, 0.5]), tie=-2.0)
    chances = weighing.posterior([0, 0, 1], [0, 1, 1], [FIRST, SECOND, TIE], 3)
    for chance, score in zip(chances, ([1, 0.5, -2], [0, 0, -1.5], [0, 0, -2]), strict=True):
        assert chance == pytest.approx(np.exp(score) / np.exp(score).sum())


def test_nothing_known_weighs_nothing():
    empty = np.zeros(0, dtype=np.int64)
    found = fit_weighing(empty, empty, empty, empty, 2)
    assert (found.weight.tolist(), found.tie) == ([0, 0], 0)


def test_longer_rankings_are_refused():
    with pytest.raises(ValueError, match="split longer rankings"):
        fit_weighing([0], [0], [3], [0], 1)
