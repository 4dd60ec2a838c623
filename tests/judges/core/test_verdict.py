"""Replies are read strictly, against the canonical order, and never guessed."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from judges.core.rendering import JudgeText, label, render
from judges.core.rubric import CriterionText
from judges.core.verdict import (
    INCONSISTENT,
    RANKED,
    REFUSED,
    UNPARSEABLE,
    CallVerdict,
    combine,
    fits,
    read_verdict,
)

PROMPT = [{"role": "user", "content": "Why is the sky blue?"}]
CRITERIA = (CriterionText("accuracy", scale_max=3), CriterionText("tone", scale_min=0, scale_max=2))


def request(count: int = 2, shown: tuple[int, ...] | None = None, criteria=()):
    judge = JudgeText("rules", "rules", {}, "Prefer the truth.", criteria)
    texts = [f"Answer {position}." for position in range(count)]
    return render(judge, PROMPT, texts, shown=shown or tuple(range(count)))


def reply(verdict: object = "A", **others: object) -> str:
    return json.dumps({"rationale": "Because.", "verdict": verdict, **others})


@given(st.integers(2, 6).flatmap(lambda n: st.tuples(st.permutations(range(n)), st.integers(0, n - 1))))
def test_a_label_names_the_response_that_carried_it_whatever_the_order(case):
    order, best = case
    asked = request(len(order), shown=tuple(order))
    said = read_verdict(asked, reply(label(order.index(best))), "end_turn")
    assert said.outcome == RANKED
    assert said.ranking == tuple(1 if position == best else 2 for position in range(len(order)))


def test_a_tie_ranks_all_alike():
    assert read_verdict(request(3), reply("tie"), "end_turn").ranking == (1, 1, 1)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "A",
        "null",
        "[]",
        '"A"',
        reply("C"),
        reply("a"),
        reply("A "),
        reply(None),
        reply(1),
        reply("Tie"),
        reply("A", confidence=1),
        json.dumps({"verdict": "A"}),
        json.dumps({"rationale": "Because."}),
        json.dumps({"rationale": 3, "verdict": "A"}),
        json.dumps({"rationale": None, "verdict": "A"}),
        "```json\n" + reply() + "\n```",
        "My verdict: " + reply(),
        reply() + reply(),
        reply()[:-1],
        '{"rationale": "x", "verdict": "A", "verdict": "B"}',
        '{"rationale": "\\u0000", "verdict": "A"}',
        '{"rationale": "\\ud800", "verdict": "A"}',
        "[" * 100_000,
    ],
)
def test_a_reply_that_does_not_fit_is_unparseable(text):
    said = read_verdict(request(), text, "end_turn")
    assert (said.outcome, said.ranking, said.scores) == (UNPARSEABLE, (), {})


@given(st.text() | st.recursive(st.none() | st.booleans() | st.text(), st.lists).map(json.dumps))
def test_no_text_raises_or_is_guessed(text):
    assert read_verdict(request(), text, "end_turn").outcome == UNPARSEABLE


@given(
    st.dictionaries(
        st.sampled_from(["rationale", "verdict", "scores", "other"]),
        st.sampled_from(["A", "B", "tie", "C", "", 1, True, None, [], {}]),
    )
)
def test_only_a_rationale_and_a_known_verdict_rank(data):
    said = read_verdict(request(), json.dumps(data), "end_turn")
    sound = (
        set(data) == {"rationale", "verdict"}
        and isinstance(data["rationale"], str)
        and data["verdict"] in ("A", "B", "tie")
    )
    assert said.outcome == (RANKED if sound else UNPARSEABLE)


@pytest.mark.parametrize("stop_reason", ["refusal", "content_filter"])
def test_a_refusal_is_a_refusal_even_with_a_verdict_in_it(stop_reason):
    said = read_verdict(request(), reply("A"), stop_reason)
    assert (said.outcome, said.ranking) == (REFUSED, ())


def test_scores_follow_the_label_to_the_canonical_position():
    scores = {"A": {"accuracy": 3, "tone": 0}, "B": {"accuracy": 1, "tone": 2}}
    said = read_verdict(request(shown=(1, 0), criteria=CRITERIA), reply("A", scores=scores), "end_turn")
    assert said.ranking == (2, 1)
    assert said.scores == {("accuracy", 1): 3, ("tone", 1): 0, ("accuracy", 0): 1, ("tone", 0): 2}


@pytest.mark.parametrize(
    "scores",
    [
        {"A": {"accuracy": 4, "tone": 0}, "B": {"accuracy": 1, "tone": 2}},
        {"A": {"accuracy": 3.0, "tone": 0}, "B": {"accuracy": 1, "tone": 2}},
        {"A": {"accuracy": True, "tone": 0}, "B": {"accuracy": 1, "tone": 2}},
        {"A": {"accuracy": 3}, "B": {"accuracy": 1, "tone": 2}},
        {"A": {"accuracy": 3, "tone": 0}},
        {},
    ],
)
def test_scores_off_the_scale_or_incomplete_are_unparseable(scores):
    said = read_verdict(request(criteria=CRITERIA), reply("A", scores=scores), "end_turn")
    assert said.outcome == UNPARSEABLE


def test_scores_may_be_left_out():
    assert read_verdict(request(criteria=CRITERIA), reply("B"), "end_turn").ranking == (2, 1)


def test_a_schema_of_strings_and_enums_is_enough():
    assert fits("x", {"type": "string"})
    assert not fits(1, {"type": "string"})
    assert not fits(True, {"type": "integer", "enum": [1]})


def call(outcome: str = RANKED, ranking: tuple[int, ...] = (), shown: tuple[int, ...] = (0, 1)):
    return CallVerdict(outcome, shown, ranking, rationale=f"{outcome} {ranking}")


FIRST, SECOND, TIE = call(ranking=(1, 2)), call(ranking=(2, 1)), call(ranking=(1, 1))
REVERSED = {"shown": (1, 0)}


@pytest.mark.parametrize("other", [(2, 1), (1, 1)])
def test_orders_that_disagree_are_inconsistent_and_no_tie(other):
    said = combine([FIRST, call(ranking=other, **REVERSED)])
    assert (said.outcome, said.ranking, said.shown) == (INCONSISTENT, (), ())
    assert "Shown in the order 1, 2: " in said.rationale
    assert "Shown in the order 2, 1: " in said.rationale


def test_orders_that_agree_keep_the_first_rationale():
    said = combine([FIRST, call(ranking=(1, 2), **REVERSED)])
    assert (said.outcome, said.ranking, said.rationale) == (RANKED, (1, 2), FIRST.rationale)


def test_one_order_is_told():
    assert combine([call(ranking=(1, 2), **REVERSED)]).shown == (1, 0)


@pytest.mark.parametrize("outcome", [REFUSED, UNPARSEABLE])
def test_a_verdict_missing_in_one_order_is_missing(outcome):
    assert combine([FIRST, call(outcome, **REVERSED)]).outcome == outcome
    assert combine([call(outcome), call(ranking=(1, 2), **REVERSED)]).outcome == outcome


def test_a_refusal_goes_before_a_reply_that_can_not_be_read():
    assert combine([call(UNPARSEABLE), call(REFUSED, **REVERSED)]).outcome == REFUSED


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
    said = combine(samples)
    assert (said.outcome, said.ranking) == (outcome, ranking)


calls = st.builds(
    lambda said, shown: CallVerdict(said[0], shown, said[1]),
    st.sampled_from([(RANKED, (1, 2)), (RANKED, (2, 1)), (RANKED, (1, 1)), (REFUSED, ()), (UNPARSEABLE, ())]),
    st.sampled_from([(0, 1), (1, 0)]),
)


@given(
    st.lists(calls, min_size=1, max_size=8).flatmap(
        lambda said: st.tuples(st.just(said), st.permutations(said))
    )
)
def test_the_sequence_of_calls_does_not_matter(case):
    said, shuffled = combine(case[0]), combine(case[1])
    assert (said.outcome, said.ranking) == (shuffled.outcome, shuffled.ranking)
    assert bool(said.ranking) == (said.outcome == RANKED)


@given(st.lists(calls, min_size=1, max_size=8))
def test_swapping_the_responses_swaps_the_verdict(said):
    swapped = [CallVerdict(one.outcome, one.shown[::-1], one.ranking[::-1]) for one in said]
    before, after = combine(said), combine(swapped)
    assert (after.outcome, after.ranking) == (before.outcome, before.ranking[::-1])
