"""The alternative annotator test, against the paper's definitions written out row by row."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from alignment.statistics.alt_test import (
    FEW_ITEMS,
    FEW_PEOPLE,
    across,
    alt_test,
    benjamini_yekutieli,
    labels_needed,
)
from alignment.statistics.intervals import Resampling
from alignment.statistics.verdicts import FIRST, MISSING, SECOND, TIE

QUICK = Resampling(30)


def simulate(n=200, people=4, per_item=3, skill=0.8, judge_skill=0.8, seed=0):
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, 2, n)
    items = np.repeat(np.arange(n), per_item)
    raters = np.argsort(rng.random((n, people)), axis=1)[:, :per_item].ravel()
    labels = np.where(rng.random(len(items)) < skill, truth[items], 1 - truth[items])
    judge = np.where(rng.random(n) < judge_skill, truth, 1 - truth)
    return items, raters, labels, judge, np.arange(n)


def differences(items, raters, labels, judge):
    """W(judge) and W(person) of every person and item, from the definition of S."""
    wins = {}
    for item, rater, label in zip(items, raters, labels, strict=True):
        others = [
            other for i, r, other in zip(items, raters, labels, strict=True) if i == item and r != rater
        ]
        if others and judge[item] != MISSING:
            s_judge = np.mean([judge[item] == other for other in others])
            s_person = np.mean([label == other for other in others])
            wins.setdefault(rater, []).append((float(s_judge >= s_person), float(s_person >= s_judge)))
    return {rater: np.array(rows) for rater, rows in wins.items()}


@given(seed=st.integers(0, 10_000), judge_skill=st.floats(0.3, 1), epsilon=st.sampled_from([0.1, 0.2]))
def test_every_number_is_what_the_paper_defines(seed, judge_skill, epsilon):
    items, raters, labels, judge, prompts = simulate(80, judge_skill=judge_skill, seed=seed)
    judge[::9] = MISSING
    result = alt_test(items, raters, labels, judge, prompts, epsilon=epsilon, resampling=QUICK)
    wins = differences(items, raters, labels, judge)
    p = [
        stats.ttest_1samp(wins[person.rater] @ [-1, 1], epsilon, alternative="less").pvalue
        for person in result.annotators
    ]
    assert [person.n for person in result.annotators] == [len(wins[rater]) for rater in sorted(wins)]
    assert [person.p for person in result.annotators] == pytest.approx(p)
    rejected = stats.false_discovery_control(p, method="by") <= 0.05
    assert [person.rejected for person in result.annotators] == rejected.tolist()
    assert result.winning_rate == rejected.mean()
    advantage = np.mean([rows[:, 0].mean() for rows in wins.values()])
    assert result.advantage_probability.value == pytest.approx(advantage)
    assert (result.advantage_probability.n, result.advantage_probability.excluded) == (71, 9)


def test_a_judge_as_good_as_people_passes_and_a_bad_one_does_not():
    good = alt_test(*simulate(600, judge_skill=0.9))
    assert good.winning_rate == 1
    assert 0.8 < good.advantage_probability.low < good.advantage_probability.value
    bad = alt_test(*simulate(600, skill=0.95, judge_skill=0.55))
    assert bad.winning_rate == 0
    assert bad.advantage_probability.high < 0.7


@pytest.mark.parametrize(("judge", "p", "rate"), [(FIRST, 0.0, 1.0), (SECOND, 1.0, 0.0)])
def test_without_variance_the_margin_decides(judge, p, rate):
    items, raters = np.repeat(np.arange(40), 3), np.tile([5, 6, 7], 40)
    result = alt_test(items, raters, np.full(120, FIRST), np.full(40, judge), np.arange(40))
    assert [person.p for person in result.annotators] == [p] * 3
    assert result.winning_rate == rate
    assert result.advantage_probability.value == rate
    assert (result.advantage_probability.high - result.advantage_probability.low) == pytest.approx(
        0.088, abs=0.001
    )


def test_few_items_take_the_signed_rank_test():
    items, raters, labels, judge, prompts = simulate(20, people=3, judge_skill=0.9)
    result = alt_test(items, raters, labels, judge, prompts, min_items=10)
    wins = differences(items, raters, labels, judge)
    for person in result.annotators:
        d = wins[person.rater] @ [-1, 1]
        assert person.p == pytest.approx(stats.wilcoxon(d - 0.2, alternative="less").pvalue)


def test_a_person_with_too_few_items_is_listed_and_not_tested():
    items, raters, labels, judge, prompts = simulate(100, people=3)
    extra = np.arange(4)
    result = alt_test(
        np.concatenate([items, extra]),
        np.concatenate([raters, np.full(4, 99)]),
        np.concatenate([labels, judge[extra]]),
        judge,
        prompts,
    )
    assert [(person.rater, person.n, person.p is None) for person in result.annotators][-1] == (99, 4, True)
    assert not result.annotators[-1].rejected
    assert result.winning_rate in (0, 1 / 3, 2 / 3, 1)


def test_undecided_says_why_and_how_much_is_missing():
    two = alt_test([0, 0, 1, 1], [1, 2, 1, 2], [0, 0, 1, 0], [0, 1], [0, 1])
    assert (two.winning_rate, two.reason) == (None, FEW_PEOPLE)
    items, raters, labels, judge, prompts = simulate(20, people=3)
    few = alt_test(items, raters, labels, judge, prompts)
    assert (few.winning_rate, few.reason, few.missing) == (None, FEW_ITEMS, 10)
    assert few.advantage_probability.as_json() == {"value": None, "n": 20, "reason": FEW_ITEMS}
    nothing = alt_test([], [], [], [MISSING], [0])
    assert (nothing.reason, nothing.annotators, nothing.missing) == (FEW_PEOPLE, (), 30)
    assert few.as_json()["annotators"][0] == {"rater": 0, "n": 20, "p": None, "rejected": False}


def test_a_label_that_no_person_gave_agrees_with_nobody():
    items, raters = np.repeat(np.arange(40), 3), np.tile([5, 6, 7], 40)
    result = alt_test(items, raters, np.full(120, FIRST), np.full(40, TIE), np.arange(40))
    assert result.advantage_probability.value == 0


def test_items_without_a_second_person_or_the_judge_are_excluded():
    items, raters, labels, judge, prompts = simulate(120, people=3)
    judge[:10] = MISSING
    alone = (items >= 110) & (raters != raters[items.searchsorted(items)])
    kept = ~alone
    result = alt_test(items[kept], raters[kept], labels[kept], judge, prompts)
    assert (result.advantage_probability.n, result.advantage_probability.excluded) == (100, 20)


def test_the_advantage_resamples_prompts():
    items, raters, labels, judge, prompts = simulate(300, judge_skill=0.7)
    alone = alt_test(items, raters, labels, judge, prompts).advantage_probability
    grouped = alt_test(items, raters, labels, judge, np.sort(prompts % 6)).advantage_probability
    assert alone.value == grouped.value
    assert (grouped.low, grouped.high) != (alone.low, alone.high)


def test_two_verdicts_of_one_person_are_refused():
    with pytest.raises(ValueError, match="one verdict an item"):
        alt_test([0, 0], [1, 1], [0, 1], [0], [0])


def test_row_order_does_not_matter():
    items, raters, labels, judge, prompts = simulate(100)
    order = np.random.default_rng(1).permutation(len(items))
    assert alt_test(items[order], raters[order], labels[order], judge, prompts) == alt_test(
        items, raters, labels, judge, prompts
    )


def test_pandalm_can_be_tested(pandalm):
    people, judges, clusters = pandalm
    items, raters = np.tile(np.arange(999), 3), np.repeat([1, 2, 3], 999)
    result = alt_test(items, raters, np.concatenate(list(people.values())), judges["gpt-3.5-turbo"], clusters)
    assert [person.n for person in result.annotators] == [974] * 3
    assert result.advantage_probability.excluded == 25
    assert result.winning_rate == 0


def by_the_papers_definition(people, judge, scoring, epsilon, q, min_items):
    """Winning rate and advantage probability of Calderon et al. (2025), section 3, one rating after the other.

    ``people``: by name, the value of each item; ``judge``: of each item.
    """

    def score(own, others):
        if scoring == "accuracy":
            return float(np.mean([own == other for other in others]))
        return -float(np.sqrt(np.mean([(own - other) ** 2 for other in others])))

    shared = [item for item in judge if sum(item in given for given in people.values()) >= 2]
    p, advantages = [], []
    for name, given_values in people.items():
        mine = [item for item in shared if item in given_values]
        if len(mine) < min_items:
            continue
        wins, losses = [], []
        for item in mine:
            others = [other[item] for key, other in people.items() if key != name and item in other]
            machine, person = score(judge[item], others), score(given_values[item], others)
            wins.append(float(machine >= person))
            losses.append(float(person >= machine))
        d = np.array(losses) - np.array(wins)
        p.append(stats.ttest_1samp(d, epsilon, alternative="less").pvalue)
        advantages.append(np.mean(wins))
    m = len(p)
    harmonic = sum(1 / k for k in range(1, m + 1))
    last = max([k for k, value in enumerate(sorted(p), 1) if value <= k * q / (m * harmonic)], default=0)
    return last / m, float(np.mean(advantages))


@pytest.mark.parametrize("scoring", ["accuracy", "neg_rmse"])
@given(seed=st.integers(0, 100_000), skill=st.floats(0.2, 1), epsilon=st.sampled_from([0.0, 0.1, 0.2]))
@settings(max_examples=40)
def test_winning_rate_and_advantage_are_the_papers(scoring, seed, skill, epsilon):
    rng = np.random.default_rng(seed)
    values = np.array([1.0, 2.0, 2.5, 4.0, 5.0])
    n, names = 60, 5
    truth = rng.integers(0, 5, n)
    rated = rng.random((n, names)) < 0.7
    items, raters = np.nonzero(rated)
    labels = np.where(rng.random(len(items)) < 0.7, truth[items], rng.integers(0, 5, len(items)))
    judge = np.where(rng.random(n) < skill, truth, rng.integers(0, 5, n))
    judge[rng.random(n) < 0.1] = MISSING
    people = {name: {} for name in range(names)}
    for item, rater, label in zip(items, raters, labels, strict=True):
        people[rater][item] = values[label]
    said = {item: values[label] for item, label in enumerate(judge) if label != MISSING}
    expected = by_the_papers_definition(people, said, scoring, epsilon, 0.05, 30)
    found = alt_test(
        items, raters, labels, judge, np.arange(n),
        scoring=scoring, values=values, epsilon=epsilon, min_people=1, resampling=QUICK,
    )  # fmt: skip
    assert found.winning_rate == expected[0]
    assert found.advantage_probability.value == pytest.approx(expected[1], abs=1e-12)


def test_more_people_an_item_leave_items_out():
    items, raters, labels, judge, prompts = simulate(90, per_item=3)
    alone = np.flatnonzero(items == 0)[2:]
    kept = np.delete(np.arange(len(items)), alone)
    rows = (items[kept], raters[kept], labels[kept], judge, prompts)
    assert alt_test(*rows, min_humans=2).advantage_probability.n == 90
    few = alt_test(*rows, min_humans=3)
    assert (few.advantage_probability.n, few.advantage_probability.excluded) == (89, 1)


def test_neg_rmse_needs_the_numbers():
    with pytest.raises(ValueError, match="number that each label stands for"):
        alt_test(*simulate(40), scoring="neg_rmse")


def test_two_people_will_do_where_they_are_told_to():
    rows = simulate(60, people=2, per_item=2, judge_skill=0.95)
    assert alt_test(*rows).reason == FEW_PEOPLE
    assert alt_test(*rows, min_people=1).winning_rate == 1
    nobody = alt_test([0], [0], [0], [0], [0], min_people=1)
    assert (nobody.winning_rate, nobody.reason) == (None, FEW_ITEMS)
    assert alt_test([], [], [], [0], [0], min_people=1).reason == "too few people"


@given(
    p=st.lists(st.floats(0, 1) | st.sampled_from([0.0, 1e-4, 0.01]), min_size=1, max_size=12),
    q=st.sampled_from([0.01, 0.05, 0.2]),
)
def test_benjamini_yekutieli_is_scipys(p, q):
    adjusted = stats.false_discovery_control(p, method="by")
    away = np.abs(adjusted - q) > 1e-12
    ours = benjamini_yekutieli(np.array(p), q)
    assert (ours == (adjusted <= q))[away].all()
    assert (benjamini_yekutieli(np.array([p, p[::-1]]), q)[0] == ours).all()


def test_the_winning_rates_interval_says_how_the_decision_may_turn():
    """A judge right on the margin: other prompts would have given other rates."""
    found = alt_test(*simulate(150, people=5, judge_skill=0.73, skill=0.85))
    assert found.rate.low < found.rate.high
    assert found.rate.low <= found.rate.value <= found.rate.high
    assert found.rate.n == 5


def test_slices_share_one_false_discovery_rate():
    slices = [
        alt_test(*simulate(120, judge_skill=skill, seed=seed))
        for seed, skill in enumerate([0.78, 0.5, 0.5, 0.5])
    ]
    together = across(slices)
    p = [person.p for test in slices for person in test.annotators]
    expected = stats.false_discovery_control(p, method="by") <= 0.05
    assert [person.rejected for test in together for person in test.annotators] == expected.tolist()
    assert together[0].winning_rate <= slices[0].winning_rate
    assert together[1].rate.reason == "decided together with other slices"
    undecided = alt_test(*simulate(10))
    assert across([undecided]) == [undecided]


def test_how_many_more_labels_a_decision_takes():
    near = alt_test(*simulate(150, people=5, judge_skill=0.7, seed=3))
    needed = labels_needed(near)
    assert needed.labels > 0
    clear = alt_test(*simulate(600, judge_skill=0.95))
    assert labels_needed(clear) == ("pass", 0)
    bad = alt_test(*simulate(600, skill=0.97, judge_skill=0.4))
    assert labels_needed(bad) == ("fail", 0)
    assert labels_needed(alt_test(*simulate(10))) is None


def test_the_labels_said_to_be_needed_do_decide_most_often():
    """Told so many more labels, a study of that size passes about as often as the power promised."""
    first = alt_test(*simulate(60, people=3, judge_skill=0.82, seed=5))
    needed = labels_needed(first)
    assert needed.outcome == "pass"
    size = 60 + needed.labels // 2  # the two people nearest to the decision share the labels
    passed = [
        alt_test(*simulate(size, people=3, judge_skill=0.82, seed=seed), resampling=QUICK)
        for seed in range(40)
    ]
    assert np.mean([test.winning_rate >= 0.5 for test in passed]) > 0.5


def test_a_difference_on_the_margin_is_never_decided():
    test = alt_test(*simulate(60, people=3), resampling=QUICK)
    level = [person._replace(difference=0.2, spread=0.5) for person in test.annotators]
    assert labels_needed(replace(test, annotators=tuple(level))) == ("fail", None)


def test_constant_differences_under_thirty_items_need_no_rank_test():
    items, raters = np.repeat(np.arange(12), 3), np.tile([5, 6, 7], 12)
    found = alt_test(items, raters, np.zeros(36, int), np.zeros(12, int), np.arange(12), min_items=10)
    assert [person.p for person in found.annotators] == [0.0] * 3


def test_rare_labels_and_many_people_are_counted_sparsely(monkeypatch):
    rows = simulate(100)
    dense = alt_test(*rows)
    monkeypatch.setattr("alignment.statistics.contest._MOST_CELLS", 10)
    many = np.array([5, 90_000])
    sparse = alt_test(rows[0], rows[1], many[rows[2]], many[rows[3]], rows[4])
    assert sparse.annotators == dense.annotators
    with pytest.raises(ValueError, match="one verdict an item"):
        alt_test([0, 0], [1, 1], [0, 1], [0], [0])
