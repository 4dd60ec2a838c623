"""The alternative annotator test, against the paper's definitions written out row by row."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from alignment.statistics.alt_test import FEW_ITEMS, FEW_PEOPLE, alt_test
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
