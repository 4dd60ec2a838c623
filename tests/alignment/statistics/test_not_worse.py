"""The test that a regression set must pass: worse, not worse, or not known."""

import numpy as np
import pytest

from alignment.statistics.not_worse import NOT_WORSE, UNDECIDED, WORSE, not_worse


def draws(rate, n, seed=0):
    return (np.random.default_rng(seed).random(n) < rate).astype(float)


@pytest.mark.parametrize(("rate", "verdict"), [(0.2, WORSE), (0.6, NOT_WORSE), (0.8, NOT_WORSE)])
def test_a_clear_rate_has_a_clear_verdict(rate, verdict):
    found = not_worse(draws(rate, 400), np.arange(400))
    assert found.verdict == verdict
    assert found.win_rate.low < found.win_rate.value < found.win_rate.high


def test_few_prompts_decide_nothing():
    assert not_worse([1, 0, 1], [0, 1, 2]).verdict == UNDECIDED


def test_worse_is_the_one_sided_t_test():
    from scipy import stats

    credits = draws(0.4, 60)
    expected = stats.ttest_1samp(credits, 0.5, alternative="less").pvalue
    assert not_worse(credits, np.arange(60)).p_worse == pytest.approx(expected)


def test_rows_of_one_prompt_are_not_independent():
    credits = draws(0.35, 50)
    alone = not_worse(credits, np.arange(50))
    repeated = not_worse(np.repeat(credits, 8), np.repeat(np.arange(50), 8))
    assert repeated.p_worse == pytest.approx(alone.p_worse)


def test_equals_are_called_worse_no_more_often_than_alpha():
    found = [not_worse(draws(0.5, 80, seed), np.arange(80)).verdict for seed in range(600)]
    assert found.count(WORSE) / 600 < 0.07


@pytest.mark.parametrize(
    ("credit", "clusters", "verdict"),
    [(0.0, 5, WORSE), (0.0, 4, UNDECIDED), (1.0, 5, NOT_WORSE), (0.5, 5, NOT_WORSE), (0.5, 4, UNDECIDED)],
)
def test_without_variation_it_is_a_sign_test(credit, clusters, verdict):
    found = not_worse([credit] * clusters, np.arange(clusters))
    assert (found.verdict, found.win_rate.reason) == (verdict, "no variation")


def test_no_rows_and_one_prompt_are_undecided():
    assert not_worse([], []).verdict == UNDECIDED
    assert not_worse([1, 0], [7, 7], excluded=3).win_rate.excluded == 3


@pytest.mark.parametrize("wrong", [{"margin": 0.5}, {"margin": -0.1}, {"alpha": 0.0}])
def test_a_margin_or_level_that_is_none_is_refused(wrong):
    with pytest.raises(ValueError, match="margin"):
        not_worse([1.0], [0], **wrong)
