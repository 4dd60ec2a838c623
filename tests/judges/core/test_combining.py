"""Several calls about a comparison become one verdict: those that disagree are inconsistent, never a tie."""

from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from judges.core.combining import combine
from judges.core.rendering import PASS_FAIL, SCORES, JudgeText
from judges.core.rubric import CriterionText
from judges.core.verdict import INCONSISTENT, RANKED, REFUSED, UNPARSEABLE, CallVerdict

PAIRS = JudgeText("rules", "rules", {}, "Prefer.")
CRITERIA = (CriterionText("accuracy", weight=3), CriterionText("tone", weight=1))


def call(outcome: str = RANKED, ranking: tuple[int, ...] = (), shown: tuple[int, ...] = (0, 1)):
    return CallVerdict(outcome, shown, ranking, rationale=f"{outcome} {ranking}")


FIRST, SECOND, TIE = call(ranking=(1, 2)), call(ranking=(2, 1)), call(ranking=(1, 1))
REVERSED = {"shown": (1, 0)}


@pytest.mark.parametrize("other", [(2, 1), (1, 1)])
def test_orders_that_disagree_are_inconsistent_and_no_tie(other):
    said = combine(PAIRS, [FIRST, call(ranking=other, **REVERSED)])
    assert (said.outcome, said.ranking, said.shown) == (INCONSISTENT, (), ())
    assert "Shown in the order 1, 2: " in said.rationale
    assert "Shown in the order 2, 1: " in said.rationale


def test_orders_that_agree_keep_the_first_rationale():
    said = combine(PAIRS, [FIRST, call(ranking=(1, 2), **REVERSED)])
    assert (said.outcome, said.ranking, said.rationale) == (RANKED, (1, 2), FIRST.rationale)


def test_one_order_is_told():
    assert combine(PAIRS, [call(ranking=(1, 2), **REVERSED)]).shown == (1, 0)


@pytest.mark.parametrize("outcome", [REFUSED, UNPARSEABLE])
def test_a_verdict_missing_in_one_order_is_missing(outcome):
    assert combine(PAIRS, [FIRST, call(outcome, **REVERSED)]).outcome == outcome
    assert combine(PAIRS, [call(outcome), call(ranking=(1, 2), **REVERSED)]).outcome == outcome


def test_a_refusal_goes_before_a_reply_that_can_not_be_read():
    assert combine(PAIRS, [call(UNPARSEABLE), call(REFUSED, **REVERSED)]).outcome == REFUSED


@pytest.mark.parametrize(
    ("samples", "outcome", "ranking"),
    [
        ([FIRST, FIRST, SECOND], RANKED, (1, 2)),
        ([SECOND, FIRST, SECOND], RANKED, (2, 1)),
        ([TIE, TIE, FIRST], RANKED, (1, 1)),
        ([FIRST, SECOND], INCONSISTENT, ()),
        ([FIRST, SECOND, TIE], INCONSISTENT, ()),
        ([FIRST, call(REFUSED), call(REFUSED)], REFUSED, ()),
        ([FIRST, FIRST, call(UNPARSEABLE)], RANKED, (1, 2)),
        ([FIRST, call(UNPARSEABLE)], INCONSISTENT, ()),
    ],
)
def test_samples_need_more_than_half(samples, outcome, ranking):
    said = combine(PAIRS, samples)
    assert (said.outcome, said.ranking) == (outcome, ranking)


pair_calls = st.builds(
    lambda said, shown: CallVerdict(said[0], shown, said[1]),
    st.sampled_from([(RANKED, (1, 2)), (RANKED, (2, 1)), (RANKED, (1, 1)), (REFUSED, ()), (UNPARSEABLE, ())]),
    st.sampled_from([(0, 1), (1, 0)]),
)


@given(
    st.lists(pair_calls, min_size=1, max_size=8).flatmap(
        lambda said: st.tuples(st.just(said), st.permutations(said))
    )
)
def test_the_sequence_of_calls_does_not_matter(case):
    said, shuffled = combine(PAIRS, case[0]), combine(PAIRS, case[1])
    assert (said.outcome, said.ranking) == (shuffled.outcome, shuffled.ranking)
    assert bool(said.ranking) == (said.outcome == RANKED)


@given(st.lists(pair_calls, min_size=1, max_size=8))
def test_swapping_the_responses_swaps_the_verdict(said):
    swapped = [CallVerdict(one.outcome, one.shown[::-1], one.ranking[::-1]) for one in said]
    before, after = combine(PAIRS, said), combine(PAIRS, swapped)
    assert (after.outcome, after.ranking) == (before.outcome, before.ranking[::-1])


def pair(one, other, ranking):
    return CallVerdict(RANKED, (one, other), ranking, f"{one} and {other}", {("tone", one): one})


@given(st.lists(st.integers(1, 3), min_size=2, max_size=6), st.randoms())
def test_pairs_that_agree_with_one_ranking_give_it(levels, random):
    best_first = sorted(set(levels))
    ranking = tuple(best_first.index(level) + 1 for level in levels)
    pairs = [
        pair(a, b, (1, 1) if levels[a] == levels[b] else (1, 2) if levels[a] < levels[b] else (2, 1))
        for a, b in combinations(range(len(levels)), 2)
    ]
    random.shuffle(pairs)
    said = combine(PAIRS, pairs)
    assert (said.outcome, said.ranking) == (RANKED, ranking)


@pytest.mark.parametrize(
    "third",
    [(2, 1), (1, 1)],
)
def test_pairs_that_go_round_in_a_circle_are_inconsistent(third):
    said = combine(PAIRS, [pair(0, 1, (1, 2)), pair(1, 2, (1, 2)), pair(0, 2, third)])
    assert (said.outcome, said.ranking) == (INCONSISTENT, ())


def test_one_pair_without_a_verdict_leaves_none():
    said = combine(PAIRS, [pair(0, 1, (1, 2)), pair(1, 2, (1, 2)), CallVerdict(REFUSED, (0, 2))])
    assert said.outcome == REFUSED


def test_the_parts_of_a_verdict_keep_their_rationales_and_levels():
    said = combine(PAIRS, [pair(0, 1, (1, 2)), pair(1, 2, (1, 2)), pair(0, 2, (1, 2))])
    assert said.rationale == "0 and 1\n1 and 2\n0 and 2"
    assert said.scores == {("tone", 0): 0, ("tone", 1): 1}
    assert said.shown == ()


def scored(levels, shown=(0, 1), outcome=RANKED):
    """A call that gives each position its (accuracy, tone)."""
    scores = {
        (name, position): level
        for position, pair in enumerate(levels)
        for name, level in zip(("accuracy", "tone"), pair, strict=True)
    }
    return CallVerdict(outcome, shown, (), "said", scores if outcome == RANKED else {})


def by_scores(calls, margin=0.0):
    return combine(JudgeText("rules", "rules", {}, "", CRITERIA, mode=SCORES, tie_margin=margin), calls)


def test_levels_are_weighed_by_the_criteria():
    said = by_scores([scored([(3, 5), (4, 1)])])  # means 3.5 and 3.25
    assert (said.ranking, said.shown) == ((1, 2), (0, 1))


@pytest.mark.parametrize(("margin", "ranking"), [(0.0, (1, 2)), (0.24, (1, 2)), (0.25, (1, 1)), (1, (1, 1))])
def test_means_within_the_margin_tie(margin, ranking):
    assert by_scores([scored([(3, 5), (4, 1)])], margin).ranking == ranking


def test_a_rank_never_spans_more_than_the_margin():
    assert by_scores([scored([(5, 5), (4, 4), (3, 3)], (0, 1, 2))], 1.0).ranking == (1, 1, 2)


def test_samples_and_orders_are_averaged():
    calls = [scored([(5, 5), (3, 3)]), scored([(3, 3), (3, 3)]), scored([(3, 3), (3, 3)], (1, 0))]
    calls.append(scored([(3, 3), (4, 4)], (1, 0)))
    said = by_scores(calls)  # 4 and 3 in one order, 3 and 3.5 in the other
    assert said.outcome == INCONSISTENT
    said = by_scores(calls, 0.5)
    assert (said.outcome, said.ranking) == (RANKED, (1, 1))
    assert said.scores == {("accuracy", 0): 4, ("tone", 0): 4, ("accuracy", 1): 3, ("tone", 1): 3}


def test_orders_that_contradict_each_other_by_more_than_the_margin_are_inconsistent():
    calls = [scored([(5, 5), (3, 3)]), scored([(3, 3), (5, 5)], (1, 0))]
    assert by_scores(calls, 1.9).outcome == INCONSISTENT
    assert by_scores(calls, 2.0).ranking == (1, 1)


@pytest.mark.parametrize(
    ("outcomes", "outcome"),
    [
        ([RANKED, RANKED, REFUSED], RANKED),
        ([RANKED, REFUSED, UNPARSEABLE], REFUSED),
        ([RANKED, UNPARSEABLE], UNPARSEABLE),
    ],
)
def test_more_than_half_of_the_samples_must_have_scored(outcomes, outcome):
    said = by_scores([scored([(5, 5), (3, 3)], outcome=one) for one in outcomes])
    assert said.outcome == outcome


def alone(position, *ranks):
    return [CallVerdict(RANKED, (position,), (rank,), f"{position}: {rank}") for rank in ranks]


PASSES = JudgeText("rules", "rules", {}, "", mode=PASS_FAIL)


@pytest.mark.parametrize(
    ("first", "second", "ranking", "all_bad"),
    [(1, 2, (1, 2), False), (2, 1, (2, 1), False), (1, 1, (1, 1), False), (2, 2, (1, 1), True)],
)
def test_who_passes_ranks_above_who_fails(first, second, ranking, all_bad):
    said = combine(PASSES, [*alone(0, first), *alone(1, second)])
    assert (said.outcome, said.ranking, said.all_bad, said.shown) == (RANKED, ranking, all_bad, ())


def test_a_response_passes_by_more_than_half_of_its_samples():
    assert combine(PASSES, [*alone(0, 1, 1, 2), *alone(1, 2, 2, 2)]).ranking == (1, 2)
    assert combine(PASSES, [*alone(0, 1, 2), *alone(1, 2, 2)]).outcome == INCONSISTENT


def test_a_response_without_a_verdict_leaves_none():
    assert combine(PASSES, [*alone(0, 1), CallVerdict(UNPARSEABLE, (1,))]).outcome == UNPARSEABLE
