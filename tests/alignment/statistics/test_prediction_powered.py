"""PPI++: the paper's formulas, coverage, and the cheapest mix against all others."""

import numpy as np
import pytest

from alignment.statistics.prediction_powered import cheapest_mix, prediction_powered_mean


def simulated(n=200, more=5000, skill=0.85, seed=0, rate=0.6):
    rng = np.random.default_rng(seed)
    truth = (rng.random(n + more) < rate).astype(float)
    judge = np.where(rng.random(n + more) < skill, truth, 1 - truth)
    return truth[:n], judge[:n], np.arange(n), judge[n:], np.arange(more)


def test_without_clusters_it_is_the_papers_estimate():
    people, judge, prompts, rest, others = simulated()
    n, more = len(people), len(rest)
    covariance = np.cov(people, judge)
    tuning = covariance[0, 1] / ((1 + n / more) * np.var(np.concatenate([judge, rest]), ddof=1))
    found = prediction_powered_mean(people, judge, prompts, rest, others)
    assert found.tuning == pytest.approx(tuning, rel=0.05)  # the paper pools the variance of f
    value = found.tuning * rest.mean() + (people - found.tuning * judge).mean()
    assert found.estimate.value == pytest.approx(value)
    variance = found.tuning**2 * rest.var(ddof=1) / more + (people - found.tuning * judge).var(ddof=1) / n
    half = 1.959964 * variance**0.5
    assert (found.estimate.low, found.estimate.high) == pytest.approx((value - half, value + half), abs=1e-6)
    assert found.people_only.value == people.mean()
    assert found.effective_n == pytest.approx(n * people.var(ddof=1) / n / variance)
    assert found.effective_n > 1.5 * n


def test_intervals_cover_the_truth_as_often_as_they_say_even_with_a_biased_judge():
    covered = narrower = 0
    for seed in range(200):
        rng = np.random.default_rng(seed)
        people, judge, prompts, rest, others = simulated(150, 3000, seed=seed)
        judge, rest = (np.where(rng.random(len(part)) < 0.2, 1.0, part) for part in (judge, rest))
        found = prediction_powered_mean(people, judge, prompts, rest, others)
        covered += found.estimate.low <= 0.6 <= found.estimate.high
        narrower += found.estimate.high - found.estimate.low < found.people_only.high - found.people_only.low
    assert 180 <= covered <= 199
    assert narrower > 190


def test_a_judge_who_guesses_is_not_trusted():
    people, judge, prompts, rest, others = simulated(skill=0.5, seed=3)
    found = prediction_powered_mean(people, 1 - judge, prompts, 1 - rest, others)
    assert found.tuning < 0.2
    assert found.effective_n == pytest.approx(200, rel=0.05)


def test_rows_of_one_prompt_add_no_certainty():
    people, judge, prompts, rest, others = simulated()
    alone = prediction_powered_mean(people, judge, prompts, rest, others)
    tripled = prediction_powered_mean(
        *(np.tile(part, 3) for part in (people, judge, prompts)),
        *(np.tile(part, 3) for part in (rest, others)),
    )
    assert tripled.estimate.low == pytest.approx(alone.estimate.low)
    assert tripled.effective_n == pytest.approx(3 * alone.effective_n)


def test_without_judgments_elsewhere_people_stand_alone():
    people, judge, prompts, *_ = simulated()
    found = prediction_powered_mean(people, judge, prompts, [], [])
    assert (found.tuning, found.estimate) == (0, found.people_only)
    assert prediction_powered_mean([], [], [], [1.0], [0]).estimate.reason == "no data"
    one = prediction_powered_mean([1.0, 0.0], [1.0, 0.0], [4, 4], [1.0], [0])
    assert one.estimate.reason == "one cluster only"
    sure = prediction_powered_mean([1.0, 1.0], [1.0, 1.0], [0, 1], [1.0, 0.0], [2, 3])
    assert (sure.estimate.reason, sure.effective_n) == ("no variation", None)


@pytest.mark.parametrize(
    ("correlation", "judge_cost"), [(0.9, 0.01), (0.7, 0.05), (0.5, 0.2), (0.3, 0.9), (0.0, 0.1)]
)
def test_no_other_mix_is_cheaper(correlation, judge_cost):
    found = cheapest_mix(
        variance=0.24, correlation=correlation, half_width=0.03, person_cost=1, judge_cost=judge_cost
    )
    allowed = (0.03 / 1.959964) ** 2
    people = np.arange(1, 1200)
    with np.errstate(divide="ignore", invalid="ignore"):
        left = allowed - 0.24 * (1 - correlation**2) / people
        judged = np.where(left > 0, 0.24 * correlation**2 / left, np.inf)
    judged = np.maximum(judged, people)
    best = min((people + judge_cost * judged).min(), 0.24 / allowed)
    assert found.cost <= best + 1 + judge_cost
    assert found.people_only_cost == np.ceil(0.24 / allowed)
    assert found.cost <= found.people_only_cost


def test_a_free_judge_is_asked_about_everything_and_nonsense_is_refused():
    free = cheapest_mix(variance=0.24, correlation=0.8, half_width=0.03, person_cost=1, judge_cost=0)
    assert free.cost == free.people < free.people_only_cost
    with pytest.raises(ValueError, match="more than 0"):
        cheapest_mix(variance=0.24, correlation=0.8, half_width=0, person_cost=1, judge_cost=0)
