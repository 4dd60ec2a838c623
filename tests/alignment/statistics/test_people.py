"""Figures of people: worked by hand, against the definitions, and what must not change them."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from alignment.statistics.alpha import krippendorff_alpha
from alignment.statistics.intervals import Resampling
from alignment.statistics.people import (
    ATTENTION,
    GOLD,
    REPEAT,
    WORK,
    Answers,
    _earlier_wins,
    _same_pairs,
    agreement_with_known,
    agreement_with_self,
    alpha_with_others,
    first_shown_preferred,
    median_seconds,
    skips,
)
from alignment.statistics.verdicts import MISSING, encode
from alignment.statistics.weeks import by_week

QUICK = Resampling(30)
A, B, TIE = (1, 2), (2, 1), (1, 1)


def answers(rows, people=None):
    """Answers from (rater, comparison, ranking or None) and, by name, item, known, shown, original, seconds, …"""
    filled = [
        {"rater": row[0], "comparison": row[1], "ranking": row[2], **(row[3] if row[3:] else {})}
        for row in rows
    ]
    encoded = encode([row["ranking"] for row in filled] + [row.get("known") for row in filled])
    orders = sorted({row["shown"] for row in filled if "shown" in row})

    def column(name, missing, kind=np.int64):
        return np.array([row.get(name, missing) for row in filled], dtype=kind)

    comparison = column("comparison", 0)
    return Answers(
        raters=people or int(column("rater", 0).max(initial=-1)) + 1,
        comparisons=int(comparison.max(initial=-1)) + 1,
        rankings=encoded.rankings,
        orders=orders,
        rater=column("rater", 0),
        comparison=comparison,
        prompt=np.array([row.get("prompt", row["comparison"]) for row in filled], dtype=np.int64),
        item=column("item", WORK),
        verdict=encoded.codes[: len(filled)],
        known=encoded.codes[len(filled) :],
        shown=np.array(
            [orders.index(row["shown"]) if "shown" in row else MISSING for row in filled], dtype=np.int64
        ),
        original=column("original", MISSING),
        seconds=column("seconds", np.nan, np.float64),
        words=column("words", np.nan, np.float64),
        week=column("week", 0),
    )


verdicts_of_two = st.lists(
    st.tuples(st.sampled_from([A, B, TIE]), st.sampled_from([A, B, TIE])), min_size=1, max_size=30
)
verdicts_of_many = st.dictionaries(
    st.tuples(st.integers(0, 3), st.integers(0, 6)),
    st.sampled_from([A, B, TIE, None]),
    min_size=1,
    max_size=28,
)


@given(pairs=verdicts_of_two)
def test_with_one_other_alpha_is_that_of_two_observers(pairs):
    both = answers([(rater, item, said[rater]) for item, said in enumerate(pairs) for rater in (0, 1)])
    expected = krippendorff_alpha(
        both.comparison, both.verdict, both.prompt, level="nominal", resampling=QUICK
    )
    for own in alpha_with_others(both, resampling=QUICK):
        assert own.n == expected.n
        assert own.value == (None if expected.value is None else pytest.approx(expected.value))


def test_the_interval_is_that_of_two_observers_too():
    rng = np.random.default_rng(4)
    truth = rng.integers(0, 2, 300)
    said = np.where(rng.random((2, 300)) < 0.85, truth, 1 - truth)
    both = answers([(rater, item, (A, B)[said[rater, item]]) for item in range(300) for rater in (0, 1)])
    expected = krippendorff_alpha(both.comparison, both.verdict, both.prompt, level="nominal")
    for own in alpha_with_others(both):
        assert (own.low, own.high) == pytest.approx((expected.low, expected.high), abs=0.02)


def alpha_by_definition(said, person):
    """1 − Do/De, where every pair of the person's verdict and another's stands with the weight 1 / others."""
    differs, met = 0.0, np.zeros(3)
    code = {A: 0, B: 1, TIE: 2}
    units = 0
    for (rater, item), own in said.items():
        others = [v for (r, i), v in said.items() if i == item and r != person and v is not None]
        if rater != person or own is None or not others:
            continue
        units += 1
        met[code[own]] += 1
        for other in others:
            differs += (other != own) / len(others)
            met[code[other]] += 1 / len(others)
    n = 2 * units
    expected = (n * n - (met**2).sum()) / (n * (n - 1)) if units else 0
    return units, None if expected < 1e-9 else 1 - differs / units / expected


@given(said=verdicts_of_many)
def test_alpha_with_the_others_is_what_the_definition_says(said):
    found = alpha_with_others(answers([(r, i, v) for (r, i), v in said.items()], people=4), resampling=QUICK)
    for person, alpha in enumerate(found):
        units, expected = alpha_by_definition(said, person)
        assert alpha.n == units
        assert alpha.value == (None if expected is None else pytest.approx(expected))


@given(said=verdicts_of_many, random=st.randoms())
def test_figures_do_not_depend_on_the_order_of_the_rows(said, random):
    rows = [(r, i, v, {"shown": (0, 1), "seconds": float(i)}) for (r, i), v in said.items()]
    ours, shuffled = answers(rows, 4), answers(random.sample(rows, len(rows)), 4)
    for figure in (alpha_with_others, first_shown_preferred):
        assert figure(shuffled, resampling=QUICK) == figure(ours, resampling=QUICK)
    for figure in (skips, median_seconds):
        assert figure(shuffled) == figure(ours)


def test_a_ranking_is_compared_by_each_pair_of_its_responses():
    """Of three pairs two agree: Do = 1/3; four FIRST and two SECOND among six: De = (36 − 20)/30."""
    two = answers([(0, 0, (1, 2, 3)), (1, 0, (2, 1, 3))])
    alpha = alpha_with_others(two)[0]
    assert alpha.value == pytest.approx(1 - (1 / 3) / ((36 - (5**2 + 1**2)) / 30))
    assert (alpha.n, alpha.reason) == (1, "one cluster only")


def test_only_work_is_compared_with_the_others():
    rows = [(rater, 0, A, {"item": item}) for rater in (0, 1) for item in (GOLD,)]
    assert alpha_with_others(answers(rows))[0].reason == "no data"


def test_gold_is_right_rank_for_rank_and_skips_are_neither():
    gold = {"item": GOLD, "known": A}
    rows = [(0, 0, A, gold), (0, 1, TIE, gold), (0, 2, None, gold), (0, 3, B, {"item": GOLD})]
    rows += [(0, 4, A, {"item": ATTENTION, "known": A}), (1, 0, B, gold)]
    both = answers(rows)
    ana, ben = agreement_with_known(both, GOLD)
    assert (ana.value, ana.n) == (0.5, 2)
    assert (ben.value, ben.n) == (0.0, 1)
    assert agreement_with_known(both, ATTENTION)[0].value == 1
    assert ana.low < 0.5 < ana.high


def test_a_person_is_compared_with_themselves_where_an_item_came_again():
    again = {"item": REPEAT, "original": 0}
    rows = [(0, 0, (1, 2, 3)), (0, 1, (1, 3, 2), again), (1, 0, None), (1, 1, (1, 2, 3), again)]
    rows += [(2, 1, (1, 2, 3), again), (3, 5, A), (3, 6, A, {"item": REPEAT, "original": 5})]
    found = agreement_with_self(answers(rows))
    assert [(one.value, one.n) for one in found] == [
        (pytest.approx(2 / 3), 1),
        (None, 0),
        (None, 0),
        (1.0, 1),
    ]


def test_side_bias_is_about_places_not_positions():
    rows = [(0, i, (A, B)[i % 2], {"shown": ((0, 1), (1, 0))[i % 2]}) for i in range(8)]
    rows += [(0, 8, TIE, {"shown": (0, 1)}), (0, 9, A)]
    always_first = first_shown_preferred(answers(rows))[0]
    assert (always_first.value, always_first.n) == (1.0, 8)
    mixed = first_shown_preferred(answers([(0, 0, (1, 3, 2), {"shown": (2, 0, 1)})]))[0]
    assert mixed.value == pytest.approx(2 / 3)  # 2 before 0: no; 2 before 1 and 0 before 1: yes


def test_speed_is_a_median_of_verdicts_and_knows_the_length():
    rows = [(0, i, A, {"seconds": s, "words": 50.0}) for i, s in enumerate((10.0, 30.0, 20.0))]
    rows += [(0, 3, None, {"seconds": 500.0, "words": 50.0}), (1, 0, A)]
    assert median_seconds(answers(rows)) == [(20.0, 40.0), (None, None)]


def test_skips_are_counted_among_work():
    rows = [(0, 0, A), (0, 1, None), (0, 2, None, {"item": GOLD, "known": A})]
    share = skips(answers(rows))[0]
    assert (share.value, share.n) == (0.5, 2)


def test_nobody_and_nothing_have_no_figures():
    nobody = answers([], people=2)
    for figure in (alpha_with_others, agreement_with_self, first_shown_preferred, skips):
        assert [one.reason for one in figure(nobody)] == ["no data", "no data"]
    assert len(by_week(nobody).week) == 0


def test_weeks_hold_each_persons_figures():
    gold = {"item": GOLD, "known": A}
    rows = [
        (0, 0, A, {"week": 5, "seconds": 4.0}),
        (0, 1, B, {"week": 5, "seconds": 6.0}),
        (0, 2, None, {"week": 7, "seconds": 99.0}),
        (0, 3, B, {**gold, "week": 7}),
        (1, 0, A, {"week": 6, "seconds": 1.0}),
        (1, 1, A, {"week": 6}),
    ]
    weeks = by_week(answers(rows))
    assert list(zip(weeks.rater, weeks.week, weeks.answers, strict=True)) == [(0, 5, 2), (0, 7, 2), (1, 6, 2)]
    assert weeks.without_verdict.tolist() == [0, 1, 0]
    assert (weeks.gold.tolist(), weeks.gold_right.tolist()) == ([0, 1, 0], [0, 0, 0])
    assert weeks.compared.tolist() == [2, 0, 2]
    assert weeks.same[[0, 2]].tolist() == [0.5, 0.5]
    assert np.isnan(weeks.same[1])
    assert weeks.seconds[[0, 2]].tolist() == [5.0, 1.0]
    assert np.isnan(weeks.seconds[1])


def test_answers_that_can_not_be_compared_count_for_nothing():
    """A repeat with another number of responses, and an order that does not fit the ranking."""
    assert np.isnan(_same_pairs((1, 2), (1, 2, 3)))
    assert np.isnan(_earlier_wins((1, 2), (0, 2)))
