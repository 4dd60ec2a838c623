"""hh-rlhf: dialogues are split where they begin to differ, and the order of answers tells nothing."""

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from alignment.formats import hh_rlhf
from alignment.formats.fields import Fields
from feedback.records import check_record

START = "\n\nHuman: Hi\n\nAssistant: Hello\n\nHuman: Why?\n\nAssistant:"
WORDS = st.text(st.sampled_from("ab \n?é"), min_size=1, max_size=8).map(str.strip).filter(bool)


def only(path):
    return next(iter(hh_rlhf.read(path)))


def test_a_row_becomes_a_prompt_two_answers_and_one_judgment(json_lines):
    record = only(json_lines({"chosen": f"{START} Because.", "rejected": f"{START} Be quiet."}))
    assert [message["role"] for message in record.prompt] == ["user", "assistant", "user"]
    assert record.prompt[2]["content"] == "Why?"
    texts = {response.key: response.text for response in record.responses}
    (judgment,) = record.judgments
    assert {texts[key]: rank for key, rank in judgment.ranking.items()} == {"Because.": 1, "Be quiet.": 2}
    assert (judgment.rater, judgment.kind) == ("hh-rlhf", "human")


@given(WORDS, WORDS)
def test_neither_order_nor_key_nor_source_says_which_answer_was_chosen(one, other):
    assume(one != other)
    (first,) = hh_rlhf._records(Fields({"chosen": f"{START} {one}", "rejected": f"{START} {other}"}))
    (second,) = hh_rlhf._records(Fields({"chosen": f"{START} {other}", "rejected": f"{START} {one}"}))
    check_record(first)
    assert first.responses == second.responses
    assert first.judgments[0].ranking != second.judgments[0].ranking


@pytest.mark.parametrize(
    ("chosen", "rejected", "reason"),
    [
        (f"{START} Yes", f"{START} Yes", "equals the rejected"),
        (f"{START} Yes", f"{START} Yes ", "chosen answer equals"),
        (f"{START} Yes\n\nHuman: Ok\n\nAssistant: x", f"{START} No", "differ before their last turn"),
        (f"{START} Yes", f"{START} Yes\n\nHuman: Ok\n\nAssistant: x", "differ before their last turn"),
        ("\n\nHuman: a\n\nAssistant: x", "\n\nHuman: b\n\nAssistant: y", "share no turn"),
        ("Why?\n\nAssistant: x", "Why?\n\nAssistant: y", "does not begin with a turn"),
    ],
)
def test_dialogues_that_can_not_be_split_are_rejected(json_lines, chosen, rejected, reason):
    found = only(json_lines({"chosen": chosen, "rejected": rejected}))
    assert found.line == 1
    assert reason in found.reason


def test_fields_of_another_kind_are_rejected(json_lines):
    assert only(json_lines({"chosen": [], "rejected": START})).field == "chosen"


def test_the_real_rows_all_come_in(shared_data):
    found = list(hh_rlhf.read(shared_data / "hh_rlhf" / "harmless_base_test_600.jsonl"))
    assert len(found) == 600
    for record in found:
        check_record(record)
    first = sum(record.judgments[0].ranking["a"] == 1 for record in found)
    assert 250 < first < 350  # a coin's flips, since a hash orders the answers
