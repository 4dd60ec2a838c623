"""The formats of published datasets and other tools: each documented row becomes what it says, and no more."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alignment.formats import (
    argilla,
    helpsteer,
    label_studio,
    open_assistant,
    tldr,
    trl_preference,
    ultrafeedback,
)
from alignment.formats.fields import Fields
from alignment.formats.reading import ranks_of
from alignment.formats.registry import READERS, detect, open_records
from feedback.records import BadRecord, ComparisonRecord, Rejection, check_record


def turns(*texts):
    return [{"role": ("user", "assistant")[n % 2], "content": text} for n, text in enumerate(texts)]


def completion(model, response, **ratings):
    return {
        "model": model,
        "response": response,
        "annotations": {name: {"Rating": rating, "Rationale": "r"} for name, rating in ratings.items()},
    }


ULTRAFEEDBACK = {
    "source": "sharegpt",
    "instruction": "Why?",
    "models": ["x", "y", "z"],
    "completions": [
        completion("x", "Because.", helpfulness="5", honesty="N/A"),
        completion("y", "No.", helpfulness="2", honesty="5"),
        completion("z", "Perhaps.", helpfulness="5", honesty="1"),
    ],
}
HELPSTEER2 = [
    {
        "prompt": "Why?",
        "response": text,
        "helpfulness": level,
        "correctness": 3,
        "coherence": 4,
        "complexity": 1,
        "verbosity": 1,
    }
    for text, level in (("Because.", 4), ("No.", 1))
]
HELPSTEER3 = {
    "domain": "code",
    "language": "python",
    "context": turns("Why?"),
    "response1": "Because.",
    "response2": "No.",
    "overall_preference": -2,
    "individual_preference": [
        {"score": -3, "reasoning": "Clear.", "feedback1": "Good.", "feedback2": "Rude."},
        {"score": 0, "reasoning": "", "feedback1": "", "feedback2": ""},
    ],
}
ARENA = {
    "question_id": "q",
    "model_a": "x",
    "model_b": "y",
    "winner": "tie (bothbad)",
    "judge": "arena_user_1",
    "conversation_a": turns("Why?", "Because."),
    "conversation_b": turns("Why?", "No."),
    "turn": 1,
    "language": "English",
    "tstamp": 1682351591.13,
}
MT_BENCH = {
    "question_id": 81,
    "model_a": "x",
    "model_b": "y",
    "winner": "model_b",
    "judge": ["author_1"],
    "conversation_a": turns("Why?", "Because.", "And?", "So."),
    "conversation_b": turns("Why?", "No.", "And?", "Not."),
    "turn": 1,
}


def reply(key, text, rank=None, replies=()):
    return {
        "message_id": key,
        "text": text,
        "role": "assistant",
        "lang": "en",
        "rank": rank,
        "replies": list(replies),
    }


OPEN_ASSISTANT = {
    "message_tree_id": "t",
    "tree_state": "ready_for_export",
    "prompt": {
        "message_id": "t",
        "text": "Why?",
        "role": "prompter",
        "lang": "en",
        "replies": [
            reply("r1", "No.", 1),
            reply(
                "r0",
                "Because.",
                0,
                [
                    {
                        "message_id": "p2",
                        "text": "And?",
                        "role": "prompter",
                        "lang": "en",
                        "replies": [reply("s0", "So.", 0), reply("s1", "Hm.", 1), reply("s2", "Unranked.")],
                    }
                ],
            ),
        ],
    },
}
TLDR = {
    "info": {"id": "t3_1", "post": "Long.", "title": "T", "subreddit": "pets"},
    "summaries": [
        {"text": " Short.", "policy": "sup4", "note": "odd"},
        {"text": " Shorter.", "policy": "ref", "note": None},
    ],
    "choice": 1,
    "worker": "w1",
    "batch": "batch3",
    "split": "train",
    "extra": {"confidence": 7},
}
ARGILLA = {
    "id": "1",
    "external_id": "e1",
    "fields": {"prompt": "Why?", "response-1": "Because.", "response-2": "No."},
    "metadata": {"batch": 3},
    "responses": [
        {
            "user_id": "u1",
            "status": "submitted",
            "values": {
                "quality": {
                    "value": [{"value": "response-1", "rank": 1}, {"value": "response-2", "rank": 1}]
                },
                "comment": {"value": "both fine"},
            },
        },
        {"user_id": "u2", "status": "discarded", "values": {}},
        {"user_id": "u3", "status": "draft", "values": {}},
    ],
    "suggestions": [
        {
            "question_id": "q",
            "value": [{"value": "response-1", "rank": 2}, {"value": "response-2", "rank": 1}],
            "score": 0.9,
            "agent": "gpt",
            "type": "model",
        }
    ],
}
LABEL_STUDIO = {
    "id": 7,
    "data": {"prompt": "Why?", "answer1": "Because.", "answer2": "No."},
    "annotations": [
        {
            "completed_by": {"id": 1, "email": "ana@example.org"},
            "lead_time": 12.5,
            "was_cancelled": False,
            "ground_truth": False,
            "result": [
                {"type": "pairwise", "value": {"selected": "right"}},
                {"type": "textarea", "value": {"text": ["Brief."]}},
            ],
        },
        {"completed_by": 2, "was_cancelled": True, "result": []},
    ],
    "predictions": [
        {"model_version": "m1", "score": 0.7, "result": [{"type": "pairwise", "value": {"selected": "left"}}]}
    ],
}
PREFERENCE = {"prompt": "Why?", "chosen": "Because.", "rejected": "No."}

ROWS = {
    "ultrafeedback": [ULTRAFEEDBACK],
    "helpsteer2": HELPSTEER2,
    "helpsteer3": [HELPSTEER3],
    "chatbot-arena": [ARENA, MT_BENCH],
    "open-assistant": [OPEN_ASSISTANT],
    "tldr": [TLDR],
    "argilla": [ARGILLA],
    "label-studio": [LABEL_STUDIO],
    "preference": [PREFERENCE],
}


def read(json_lines, *rows):
    """Everything in a file of these rows, whose format is recognised."""
    return list(open_records(json_lines(*rows))[1])


def said(record):
    """(rater, kind, outcome, ranks in the order of the responses) of each judgment."""
    keys = [response.key for response in record.responses]
    return [
        (each.rater, each.kind, each.outcome, [each.ranking[key] for key in keys if each.ranking])
        for each in record.judgments
    ]


@pytest.mark.parametrize("name", ROWS)
def test_a_documented_row_is_recognised_and_can_be_stored(json_lines, name):
    path = json_lines(*ROWS[name])
    assert detect(path) == name
    found = list(open_records(path)[1])
    assert found
    for record in found:
        assert isinstance(record, ComparisonRecord), record
        check_record(record)


def test_ultrafeedback_ranks_by_the_aspects_that_all_were_rated_on(json_lines):
    (record,) = read(json_lines, ULTRAFEEDBACK)
    # Honesty is N/A for the first, so helpfulness alone decides: 5, 2, 5.
    assert said(record) == [("ultrafeedback", "judge", "ranked", [1, 2, 1])]
    assert record.judgments[0].scores["2"] == {"honesty": 5, "helpfulness": 2}
    assert [response.source for response in record.responses] == ["x", "y", "z"]


def test_ultrafeedback_without_a_shared_rating_has_no_verdict(json_lines):
    row = ULTRAFEEDBACK | {
        "completions": [completion("x", "A", honesty="N/A"), completion("y", "B", honesty="4")]
    }
    (record,) = read(json_lines, row)
    assert said(record) == [("ultrafeedback", "judge", "unparseable", [])]


@pytest.mark.parametrize("rating", ["6", "0", "4.5", "high"])
def test_a_rating_that_is_none_rejects_the_row_and_names_it(json_lines, rating):
    row = ULTRAFEEDBACK | {
        "completions": [completion("x", "A", honesty=rating), completion("y", "B", honesty="4")]
    }
    (found,) = read(json_lines, row)
    assert isinstance(found, Rejection)
    assert found.field == "completions[0].annotations.honesty.Rating"


def test_helpsteer2_puts_neighbouring_rows_of_a_prompt_together(json_lines):
    rows = [*HELPSTEER2, HELPSTEER2[0] | {"prompt": "Alone?"}]
    record, alone = read(json_lines, *rows)
    assert said(record) == [("helpsteer2", "human", "ranked", [1, 2])]
    assert record.judgments[0].scores["1"]["coherence"] == 4
    assert alone == Rejection(3, "no row beside it has the same prompt, so there is nothing to compare")


@pytest.mark.parametrize("level", [5, 10, -1])
def test_a_level_off_the_scale_is_rejected_and_not_clipped(json_lines, level):
    bad, _ = read(json_lines, HELPSTEER2[0] | {"verbosity": level}, HELPSTEER2[1])
    assert (bad.line, bad.field) == (1, "verbosity")


def test_helpsteer2_prompts_of_several_turns_are_taken_apart():
    prompt = "Hi\n<extra_id_1>Assistant\nHello\n<extra_id_1>User\nWhy?\n"
    assert helpsteer._turns(prompt) == turns("Hi", "Hello", "Why?")
    with pytest.raises(BadRecord, match="'Narrator' is none of"):
        helpsteer._turns("Hi\n<extra_id_1>Narrator\nHello")


def test_helpsteer3_keeps_each_annotator_apart(json_lines):
    (record,) = read(json_lines, HELPSTEER3)
    assert said(record) == [
        ("helpsteer3 annotator 1", "human", "ranked", [1, 2]),
        ("helpsteer3 annotator 2", "human", "ranked", [1, 1]),
    ]
    assert record.judgments[0].strength == 3
    assert record.judgments[0].rationale == "Clear.\n\nGood.\n\nRude."
    (overall,) = read(json_lines, HELPSTEER3 | {"individual_preference": []})
    assert said(overall) == [("helpsteer3", "human", "ranked", [1, 2])]


def test_arena_votes_keep_that_both_were_bad(json_lines):
    (record,) = read(json_lines, ARENA)
    assert said(record) == [("arena_user_1", "human", "ranked", [1, 1])]
    assert record.judgments[0].all_bad
    assert record.judgments[0].at.year == 2023


def test_mt_bench_votes_are_on_the_turn_they_name(json_lines):
    first, second, judge = read(
        json_lines, MT_BENCH, MT_BENCH | {"turn": 2}, MT_BENCH | {"judge": ["gpt-4", "pair-v2"]}
    )
    assert [response.text for response in first.responses] == ["Because.", "No."]
    assert said(first) == [("author_1", "human", "ranked", [2, 1])]
    assert "differ before their last turn" in second.reason
    assert said(judge)[0][:2] == ("gpt-4 pair-v2", "judge")


def test_open_assistant_trees_give_a_comparison_for_each_ranked_message(json_lines):
    first, second = read(json_lines, OPEN_ASSISTANT)
    assert [response.key for response in first.responses] == ["r1", "r0"]
    assert said(first) == [("open-assistant", "human", "ranked", [2, 1])]
    assert second.prompt == turns("Why?", "Because.", "And?")
    assert [response.key for response in second.responses] == ["s0", "s1"]
    assert first.line == second.line == 1


def test_a_tree_that_never_ends_is_rejected():
    node = reply("a", "x")
    for _ in range(120):
        node = {"message_id": "p", "text": "x", "role": "prompter", "replies": [node]}
    with pytest.raises(BadRecord, match="more than 100 turns"):
        list(open_assistant._records(Fields({"prompt": node})))


def test_tldr_names_the_worker_and_keeps_the_remarks(json_lines):
    (record,) = read(json_lines, TLDR)
    assert record.prompt[0]["content"] == "SUBREDDIT: pets\n\nTITLE: T\n\nPOST: Long.\n\nTL;DR:"
    assert said(record) == [("w1", "human", "ranked", [2, 1])]
    assert record.judgments[0].rationale == "A: odd\nConfidence: 7"
    with pytest.raises(BadRecord, match="0 or 1"):
        list(tldr._records(Fields(TLDR | {"choice": 2})))


def test_argilla_keeps_people_and_models_apart_and_drafts_out(json_lines):
    (record,) = read(json_lines, ARGILLA)
    assert said(record) == [
        ("u1", "human", "ranked", [1, 1]),
        ("u2", "human", "skipped", []),
        ("gpt", "judge", "ranked", [2, 1]),
    ]
    assert (record.key, record.metadata) == ("e1", {"batch": 3})
    with pytest.raises(BadRecord, match="no field holds the prompt"):
        list(argilla._records(Fields(ARGILLA | {"fields": {"response-1": "a", "response-2": "b"}})))


def test_an_argilla_label_names_the_better_field(json_lines):
    def answered(value):
        return ARGILLA | {
            "responses": [{"user_id": "u", "status": "submitted", "values": {"best": {"value": value}}}],
            "suggestions": [],
        }

    better, tie, other = read(json_lines, answered("response-2"), answered("tie"), answered("blue"))
    assert said(better) == [("u", "human", "ranked", [2, 1])]
    assert said(tie) == [("u", "human", "ranked", [1, 1])]
    assert said(other) == []


def test_label_studio_pairs(json_lines):
    (record,) = read(json_lines, LABEL_STUDIO)
    assert record.key == "7"
    assert said(record) == [
        ("ana@example.org", "human", "ranked", [2, 1]),
        ("2", "human", "skipped", []),
        ("m1", "judge", "ranked", [1, 2]),
    ]
    assert (record.judgments[0].rationale, record.judgments[0].seconds) == ("Brief.", 12.5)


@pytest.mark.parametrize("ranker", [["c", "a", "b"], {"bucket": ["c", "a", "b"]}])
def test_label_studio_rankings_in_both_documented_forms(ranker):
    row = {
        "id": 1,
        "data": {"prompt": "Why?", "items": [{"id": key, "body": f"Text {key}"} for key in "abc"]},
        "annotations": [{"completed_by": 3, "result": [{"type": "ranker", "value": {"ranker": ranker}}]}],
    }
    (record,) = label_studio._records(Fields(row))
    assert said(record) == [("3", "human", "ranked", [2, 3, 1])]


def test_a_json_list_as_label_studio_exports_it_is_read(tmp_path):
    path = tmp_path / "export.json"
    path.write_text(json.dumps([LABEL_STUDIO, LABEL_STUDIO | {"id": 8}]))
    name, found = open_records(path)
    assert (name, [record.key for record in found]) == ("label-studio", ["7", "8"])


@pytest.mark.parametrize(
    "row",
    [
        PREFERENCE,
        {"prompt": turns("Why?"), "chosen": turns("", "Because.")[1:], "rejected": turns("", "No.")[1:]},
        {"chosen": turns("Why?", "Because."), "rejected": turns("Why?", "No.")},
        {"prompt": "Why?", "chosen": turns("Why?", "Because."), "rejected": turns("Why?", "No.")},
    ],
    ids=["texts", "explicit prompt", "implicit prompt", "prompt repeated"],
)
def test_every_layout_of_a_preference_is_the_same_comparison(row):
    (record,) = trl_preference._records(Fields(row))
    assert record.prompt == turns("Why?")
    texts = {response.key: response.text for response in record.responses}
    assert {texts[key]: rank for key, rank in record.judgments[0].ranking.items()} == {
        "Because.": 1,
        "No.": 2,
    }


def test_a_preference_that_a_model_scored_is_a_judges():
    (record,) = trl_preference._records(Fields(PREFERENCE | {"score_chosen": 8.0, "score_rejected": 3.0}))
    assert (record.judgments[0].rater, record.judgments[0].kind) == ("ultrafeedback", "judge")


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        (PREFERENCE | {"rejected": "Because."}, "equals the rejected"),
        ({"chosen": "a", "rejected": "b"}, "missing"),
        ({"chosen": turns("Why?", "A", "B"), "rejected": turns("Why?", "C", "B")}, "differ before"),
        ({"chosen": turns("Why?", "A", "B"), "rejected": turns("Why?", "A", "C")}, "assistant's turn"),
    ],
)
def test_a_preference_that_is_none_says_why(row, reason):
    with pytest.raises(BadRecord, match=reason):
        list(trl_preference._records(Fields(row)))


@given(st.lists(st.integers(-3, 3), min_size=1, max_size=6))
def test_ranks_count_from_one_and_follow_the_values(values):
    ranks = ranks_of(values)
    assert min(ranks) == 1
    assert set(ranks) == set(range(1, max(ranks) + 1))
    assert all(
        (x > y) == (i < j)
        for x, i in zip(values, ranks, strict=True)
        for y, j in zip(values, ranks, strict=True)
    )


@pytest.mark.parametrize("name", sorted(ROWS))
@given(
    junk=st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=5),
        lambda x: st.lists(x, max_size=3) | st.dictionaries(st.text(max_size=5), x, max_size=3),
        max_leaves=5,
    ),
    place=st.integers(0, 20),
)
def test_whatever_stands_in_a_field_is_read_or_rejected(tmp_path_factory, name, junk, place):
    row = dict(ROWS[name][0])
    row[sorted(row)[place % len(row)]] = junk
    path = tmp_path_factory.mktemp("junk") / "rows.jsonl"
    path.write_text(json.dumps(row) + "\n")
    for found in READERS[name].read(path):
        assert isinstance(found, ComparisonRecord | Rejection)


def test_ultrafeedback_rejects_what_is_no_object():
    with pytest.raises(BadRecord, match="must be an object"):
        list(ultrafeedback._records(Fields({"instruction": "x", "completions": ["text"]})))
