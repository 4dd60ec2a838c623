"""Replies are read strictly, against the canonical order, and never guessed."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from judges.core.rendering import BEST_OF_N, MODES, PASS_FAIL, SCORES, JudgeText, render
from judges.core.rubric import CriterionText
from judges.core.verdict import RANKED, REFUSED, UNPARSEABLE, CallVerdict, fits, read_verdict

PROMPT = [{"role": "user", "content": "Why is the sky blue?"}]
CRITERIA = (CriterionText("accuracy", scale_max=3), CriterionText("tone", scale_min=0, scale_max=2))


def request(count: int = 2, shown: tuple[int, ...] | None = None, criteria=(), mode="pairwise"):
    judge = JudgeText("rules", "rules", {}, "Prefer the truth.", criteria, mode=mode)
    texts = [f"Answer {position}." for position in range(count)]
    return render(judge, PROMPT, texts, shown=shown or tuple(range(count)))


def reply(verdict: object = "XK", **others: object) -> str:
    return json.dumps({"rationale": "Because.", **others, "verdict": verdict})


@given(st.integers(2, 6).flatmap(lambda n: st.tuples(st.permutations(range(n)), st.integers(0, n - 1))))
def test_an_id_names_the_response_that_carried_it_whatever_the_order(case):
    order, best = case
    asked = request(len(order), shown=tuple(order))
    said = read_verdict(asked, reply(asked.ids[order.index(best)]), "end_turn")
    assert said.outcome == RANKED
    assert said.ranking == tuple(1 if position == best else 2 for position in range(len(order)))


def test_a_tie_ranks_all_alike():
    assert read_verdict(request(3), reply("tie"), "end_turn").ranking == (1, 1, 1)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "XK",
        "null",
        "[]",
        '"XK"',
        reply("ZM"),
        reply("xk"),
        reply("XK "),
        reply(None),
        reply(1),
        reply("Tie"),
        reply("XK", confidence=1),
        json.dumps({"verdict": "XK"}),
        json.dumps({"rationale": "Because."}),
        json.dumps({"rationale": 3, "verdict": "XK"}),
        json.dumps({"rationale": None, "verdict": "XK"}),
        "```json\n" + reply() + "\n```",
        "My verdict: " + reply(),
        reply() + reply(),
        reply()[:-1],
        '{"rationale": "x", "verdict": "XK", "verdict": "QD"}',
        '{"rationale": "\\u0000", "verdict": "XK"}',
        '{"rationale": "\\ud800", "verdict": "XK"}',
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
        st.sampled_from(["XK", "QD", "tie", "ZM", "", 1, True, None, [], {}]),
    )
)
def test_only_a_rationale_and_a_known_verdict_rank(data):
    said = read_verdict(request(), json.dumps(data), "end_turn")
    sound = (
        set(data) == {"rationale", "verdict"}
        and isinstance(data["rationale"], str)
        and data["verdict"] in ("XK", "QD", "tie")
    )
    assert said.outcome == (RANKED if sound else UNPARSEABLE)


@pytest.mark.parametrize("stop_reason", ["refusal", "content_filter"])
def test_a_refusal_is_a_refusal_even_with_a_verdict_in_it(stop_reason):
    said = read_verdict(request(), reply("XK"), stop_reason)
    assert (said.outcome, said.ranking) == (REFUSED, ())


def test_scores_follow_the_id_to_the_canonical_position():
    asked = request(shown=(1, 0), criteria=CRITERIA)
    first, second = asked.ids
    scores = {first: {"accuracy": 3, "tone": 0}, second: {"accuracy": 1, "tone": 2}}
    said = read_verdict(asked, reply(first, scores=scores), "end_turn")
    assert said.ranking == (2, 1)
    assert said.scores == {("accuracy", 1): 3, ("tone", 1): 0, ("accuracy", 0): 1, ("tone", 0): 2}


@pytest.mark.parametrize(
    "scores",
    [
        {"XK": {"accuracy": 4, "tone": 0}, "QD": {"accuracy": 1, "tone": 2}},
        {"XK": {"accuracy": 3.0, "tone": 0}, "QD": {"accuracy": 1, "tone": 2}},
        {"XK": {"accuracy": True, "tone": 0}, "QD": {"accuracy": 1, "tone": 2}},
        {"XK": {"accuracy": 3}, "QD": {"accuracy": 1, "tone": 2}},
        {"XK": {"accuracy": 3, "tone": 0}},
        {},
    ],
)
def test_scores_off_the_scale_or_incomplete_are_unparseable(scores):
    said = read_verdict(request(criteria=CRITERIA), reply("XK", scores=scores), "end_turn")
    assert said.outcome == UNPARSEABLE


def test_scores_that_were_asked_for_may_not_be_left_out():
    assert read_verdict(request(criteria=CRITERIA), reply("QD"), "end_turn").outcome == UNPARSEABLE


def test_ids_in_a_rationale_become_the_numbers_of_the_responses():
    asked = request(shown=(1, 0))
    first, second = asked.ids
    told = json.dumps({"rationale": f"Response {first} is true, {second} is not (XKCD).", "verdict": first})
    said = read_verdict(asked, told, "end_turn")
    assert said.rationale == "response 2 is true, response 1 is not (XKCD)."


def test_the_best_of_many_has_no_tie():
    asked = request(3, mode=BEST_OF_N)
    assert read_verdict(asked, reply("tie"), "end_turn").outcome == UNPARSEABLE
    assert read_verdict(asked, reply(asked.ids[2]), "end_turn").ranking == (2, 2, 1)


@pytest.mark.parametrize(("verdict", "ranking"), [("pass", (1,)), ("fail", (2,)), ("tie", ()), ("XK", ())])
def test_a_response_alone_passes_or_fails(verdict, ranking):
    asked = request(3, shown=(2,), mode=PASS_FAIL)
    assert read_verdict(asked, reply(verdict), "end_turn").ranking == ranking


def test_a_response_alone_has_its_levels_without_an_id():
    asked = request(3, shown=(2,), mode=PASS_FAIL, criteria=CRITERIA)
    said = read_verdict(asked, reply("pass", scores={"accuracy": 3, "tone": 0}), "end_turn")
    assert said.scores == {("accuracy", 2): 3, ("tone", 2): 0}


def test_scores_are_no_verdict_by_themselves():
    asked = request(mode=SCORES, criteria=CRITERIA)
    levels = {name: {"accuracy": 3, "tone": 0} for name in asked.ids}
    said = read_verdict(asked, json.dumps({"rationale": "", "scores": levels}), "end_turn")
    assert (said.outcome, said.ranking, len(said.scores)) == (RANKED, (), 4)
    assert read_verdict(asked, reply("XK", scores=levels), "end_turn").outcome == UNPARSEABLE


def test_a_schema_of_strings_and_enums_is_enough():
    assert fits("x", {"type": "string"})
    assert not fits(1, {"type": "string"})
    assert not fits(True, {"type": "integer", "enum": [1]})


@st.composite
def replies(draw, schema):
    """A reply that fits the schema, or one with a part of it changed."""
    if draw(st.integers(0, 19)) == 0:
        return draw(st.none() | st.booleans() | st.integers() | st.text() | st.lists(st.integers()))
    if "enum" in schema:
        return draw(st.sampled_from(schema["enum"]))
    if schema["type"] == "string":
        return draw(st.text(max_size=20))
    return {name: draw(replies(part)) for name, part in schema["properties"].items()}


@given(st.data(), st.sampled_from(MODES), st.integers(2, 4), st.booleans())
def test_in_every_mode_a_reply_is_read_if_and_only_if_it_fits(data, mode, count, scored):
    criteria = CRITERIA if scored or mode == SCORES else ()
    asked = request(count, shown=(1,) if mode == PASS_FAIL else None, criteria=criteria, mode=mode)
    told = data.draw(replies(asked.schema))
    said = read_verdict(asked, json.dumps(told), "end_turn")
    if fits(told, asked.schema):
        assert said.outcome in (RANKED, UNPARSEABLE)  # the latter for a rationale that no database holds
    else:
        assert said == CallVerdict(UNPARSEABLE, asked.shown)
    if said.outcome == RANKED:
        assert len(said.ranking) == (0 if mode == SCORES else len(asked.shown))
        assert len(said.scores) == len(criteria) * len(asked.shown)
    else:
        assert not said.ranking
        assert not said.scores


@given(st.text(), st.sampled_from(MODES))
def test_no_text_is_a_verdict_in_any_mode(text, mode):
    asked = request(2, shown=(1,) if mode == PASS_FAIL else None, criteria=CRITERIA, mode=mode)
    assert read_verdict(asked, text, "end_turn").outcome == UNPARSEABLE
