"""What trainers elsewhere read: shapes as documented, nothing lost in silence, and what can come back does."""

import json
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from openai.types.chat import ChatCompletionMessageParam
from openai.types.graders import StringCheckGrader
from pydantic import ConfigDict, TypeAdapter

from alignment.formats.openai_reinforcement import EXACT
from alignment.formats.preference import SCHEMA, answer
from alignment.formats.registry import READERS, SNAPSHOT_FORMATS, WRITERS, detect, with_grader
from alignment.formats.target import write_rows

TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), min_size=1, max_size=20)
CHAT = TypeAdapter(list[ChatCompletionMessageParam])


def turns(*roles, text="Why?"):
    return [{"role": role, "content": text} for role in roles]


def row(prompt, chosen="yes", rejected="no", number=0, **more):
    return {
        "prompt": prompt,
        "chosen": answer(chosen),
        "rejected": answer(rejected),
        "weight": 2.0,
        "confidence": 0.9,
        "margin": 1.5,
        "score_chosen": 1.0,
        "score_rejected": 0.25,
        "reference": "42",
        "metadata": '{"topic": "sums", "hints": 2, "prompt": "mine"}',
        "comparison": f"q{number}",
        "prompt_sha256": f"{number:064}",
        "tags": ["math"],
        "judgments": [],
        **more,
    }


def written(name, *rows):
    left_out = Counter()
    return list(WRITERS[name].convert(iter(rows), left_out)), {what: n for what, n in left_out.items() if n}


@st.composite
def conversations(draw):
    """Turns of user and assistant in turn, after a system's word or none."""
    before = draw(st.lists(st.tuples(TEXT, TEXT), max_size=2))
    said = [turn for user, assistant in before for turn in (("user", user), ("assistant", assistant))]
    system = [("system", draw(TEXT))] * draw(st.booleans())
    return [{"role": role, "content": text} for role, text in [*system, *said, ("user", draw(TEXT))]]


@st.composite
def pairs(draw):
    chosen, rejected = draw(st.lists(TEXT, min_size=2, max_size=2, unique=True))
    return draw(conversations()), chosen, rejected


@pytest.mark.parametrize("ending", ["jsonl", "jsonl.zst", "parquet"])
@pytest.mark.parametrize("name", ["preference", "openai-preference", "llama-factory", "openrlhf"])
@settings(max_examples=20)
@given(found=st.lists(pairs(), min_size=1, max_size=4))
def test_pairs_come_back_as_they_left(tmp_path_factory, name, ending, found):
    writer = WRITERS[name]
    if ending == "parquet" and writer.schema is None:
        return
    rows = [row(prompt, chosen, rejected, number) for number, (prompt, chosen, rejected) in enumerate(found)]
    path = tmp_path_factory.mktemp("pairs") / f"rows.{ending}"
    assert write_rows(path, writer.convert(iter(rows), Counter()), writer.schema) == len(found)
    assert detect(path) == ("preference" if name == "openrlhf" else name)
    back = []
    for record in READERS[detect(path)].read(path):
        texts = {response.key: response.text for response in record.responses}
        ranks = record.judgments[0].ranking
        better, worse = sorted(texts, key=ranks.__getitem__)
        back.append((list(record.prompt), texts[better], texts[worse]))
    assert back == found


@given(found=st.lists(pairs(), min_size=1, max_size=4))
def test_every_format_takes_any_conversation_and_counts_what_it_can_not_hold(found):
    rows = [row(prompt, chosen, rejected, number) for number, (prompt, chosen, rejected) in enumerate(found)]
    several = sum(len(prompt) > 1 for prompt, _, _ in found)
    for name in SNAPSHOT_FORMATS:
        made, left_out = written(name, *rows)
        if name == "instruction":
            assert len(made) == len(found) - several
            assert sum(n for what, n in left_out.items() if "turn" in what) == several
        else:
            assert len(made) == len(found) * (2 if name == "trl-kto" else 1)
        assert json.loads(json.dumps(made)) == made


def test_preference_has_the_extra_columns_that_trainers_know():
    ((found,), _) = written("preference", row(turns("user")))
    assert {name: found[name] for name in ("margin", "weight", "score_chosen", "score_rejected")} == {
        "margin": 1.5,
        "weight": 2.0,
        "score_chosen": 1.0,
        "score_rejected": 0.25,
    }
    assert WRITERS["preference"].schema == SCHEMA


def test_prompts_come_once_with_the_reference_and_the_columns_of_the_metadata():
    rows = [
        row(turns("user"), "a", "b"),
        row(turns("user"), "a", "c"),
        row(turns("user"), number=1, reference=None),
    ]
    twice = row(turns("user"), number=1, reference=None) | {"comparison": "q9"}
    made, left_out = written("prompt-only", *rows, twice)
    assert made == [
        {"prompt": turns("user"), "topic": "sums", "hints": 2, "reference": "42"},
        {"prompt": turns("user"), "topic": "sums", "hints": 2},
    ]
    assert left_out == {"further comparisons of a prompt, with their metadata": 1}


def test_verl_is_given_what_its_reward_manager_reads():
    (found, other), _ = written(
        "verl", row(turns("user")), row(turns("user"), number=1, reference=None, metadata="{}")
    )
    assert (found["prompt"], found["data_source"]) == (turns("user"), "concord")
    assert found["reward_model"] == {"style": "rule", "ground_truth": "42"}
    item = json.loads(found["extra_info"]["item"])
    assert item == {"topic": "sums", "hints": 2, "reference": "42", "prompt": turns("user")}
    assert (other["reward_model"]["ground_truth"], other["extra_info"]["index"]) == ("", 1)


def test_prompt_and_completion_stand_apart():
    made, _ = written("prompt-completion", row(turns("user")))
    assert made == [{"prompt": turns("user"), "completion": answer("yes")}]


def test_openai_chat_is_what_the_sdk_knows_and_has_no_tool():
    made, left_out = written(
        "openai-chat", row(turns("system", "user")), row(turns("user", "tool"), number=1)
    )
    assert left_out["conversations with a tool's turn, whose call is not kept"] == 1
    assert made == [{"messages": [*turns("system", "user"), *answer("yes")]}]
    CHAT.validate_python(made[0]["messages"])


def test_openai_preference_is_what_the_sdk_knows():
    ((found,), _) = written("openai-preference", row(turns("user")), row(turns("user", "tool")))
    for messages in (found["input"]["messages"], found["preferred_output"], found["non_preferred_output"]):
        CHAT.validate_python(messages)


def test_reinforcement_rows_have_what_the_grader_reads_and_the_grader_beside_them():
    rows = [row(turns("user")), row(turns("user"), number=1, reference=None)]
    made, left_out = written("openai-reinforcement", *rows)
    assert made == [{"messages": turns("user"), "topic": "sums", "hints": 2, "reference": "42"}]
    assert left_out == {"prompts without what the grader reads": 1}
    writer = with_grader(EXACT)
    ((name, grader),) = writer.beside("rows.jsonl").items()
    assert name == "rows.grader.json"
    StringCheckGrader.model_config = ConfigDict(extra="forbid")
    assert StringCheckGrader.model_validate(grader).reference == "{{item.reference}}"


def test_another_grader_wants_other_fields():
    grader = {**EXACT, "reference": "{{ item.topic }}{{item.missing}}"}
    left_out = Counter()
    assert not list(with_grader(grader).convert(iter([row(turns("user"))]), left_out))
    assert left_out["prompts without what the grader reads"] == 1


def test_instructions_are_one_turn():
    made, left_out = written("instruction", row(turns("user")), row(turns("system", "user"), number=1))
    assert made == [{"instruction": "Why?", "input": "", "output": "yes"}]
    assert left_out["conversations of more than one turn, or with a system's word"] == 1


def test_llama_factory_comes_with_its_entry():
    made, left_out = written("llama-factory", row(turns("user")), row(turns("user", "user"), number=1))
    assert made == [{"conversations": turns("user"), "chosen": answer("yes")[0], "rejected": answer("no")[0]}]
    assert left_out == {"conversations whose turns are not of user and assistant in turn": 1}
    (entry,) = WRITERS["llama-factory"].beside("pairs.jsonl")["dataset_info.json"].values()
    assert (entry["file_name"], entry["ranking"]) == ("pairs.jsonl", True)
    assert set(entry["columns"].values()) == set(made[0])


def test_a_published_preference_that_is_none_is_rejected(json_lines):
    good = written("openai-preference", row(turns("user")))[0][0]
    two = {**good, "preferred_output": good["preferred_output"] * 2}
    same = {**good, "non_preferred_output": good["preferred_output"]}
    found = list(READERS["openai-preference"].read(json_lines(good, two, same)))
    assert [getattr(each, "field", None) for each in found] == [None, "preferred_output", "rejected"]
