"""Mapped pairs: any columns, any raters, and a missing verdict that stays missing."""

import json
from collections import Counter
from pathlib import Path

import pytest

from alignment.formats import pairs
from alignment.formats.mapping import parse_mapping
from alignment.formats.pairs import record_from
from alignment.formats.source import FormatError
from feedback.records import BadRecord, ComparisonRecord, check_record

MAPPINGS = Path(__file__).parents[2] / "data"
BASE = {"prompt": ["ask"], "responses": [{"text": "one"}, {"text": "two"}]}
ROW = {"ask": "Why?", "one": "Because.", "two": "No."}


def mapping(**fields):
    return parse_mapping(json.dumps(BASE | fields))


def judged(row, *columns, **fields):
    record = record_from(ROW | row, mapping(judgments=list(columns), **fields))
    return {judgment.rater: (judgment.outcome, dict(judgment.ranking)) for judgment in record.judgments}


FIRST, SECOND, TIE = (
    ("ranked", ranking) for ranking in ({"1": 1, "2": 2}, {"1": 2, "2": 1}, {"1": 1, "2": 1})
)


def test_the_least_mapping_names_a_prompt_and_two_responses():
    record = record_from(ROW, mapping(), line=3)
    assert record.prompt == [{"role": "user", "content": "Why?"}]
    assert [(each.key, each.source, each.text) for each in record.responses] == [
        ("1", "unknown", "Because."),
        ("2", "unknown", "No."),
    ]
    assert (record.key, record.judgments, record.line) == (None, [], 3)


def test_parts_of_a_prompt_are_joined_and_empty_ones_left_out():
    row = ROW | {"input": "", "more": "Now."}
    assert record_from(row, mapping(prompt=["ask", "input", "more"])).prompt[0]["content"] == "Why?\n\nNow."


def test_id_tags_reference_and_sources_are_columns_or_paths():
    row = ROW | {"n": 7, "meta": {"set": "a", "level": None}, "gold": "x", "m": "gpt"}
    record = record_from(
        row,
        mapping(
            id="n",
            tags=["meta.set", "meta.level"],
            reference="gold",
            responses=[{"text": "one", "source": "m"}, {"text": "two"}],
        ),
    )
    assert (record.key, record.tags, record.reference) == ("7", ["a"], "x")
    assert [each.source for each in record.responses] == ["gpt", "unknown"]


def test_a_star_stands_for_the_rater_whatever_is_in_its_name():
    row = {"judge": {"gpt-3.5/x": {"v": "1"}, "b": {"v": 2}}, "vote_ana": "tie", "vote_": "1", "votes": "1"}
    columns = ({"path": "judge.*", "kind": "judge", "verdict": "v"}, {"path": "vote_*"})
    assert judged(row, *columns) == {"gpt-3.5/x": FIRST, "b": SECOND, "ana": TIE}


def test_a_column_whose_whole_name_has_dots_is_found_first():
    assert judged({"a.b": "1", "a": {"b": "2"}}, {"path": "a.b", "rater": "x"}) == {"x": FIRST}


def test_a_persons_empty_verdict_is_no_judgment_and_a_machines_is_unparseable():
    row = {"h": {"ana": None, "ben": ""}, "j": {"m": None}}
    assert judged(row, {"path": "h.*"}, {"path": "j.*", "kind": "judge"}) == {"m": ("unparseable", {})}
    assert judged(row, {"path": "h.*", "missing": "skipped"})["ana"] == ("skipped", {})
    assert judged(row, {"path": "j.*", "kind": "judge", "missing": "none"}) == {}


@pytest.mark.parametrize(
    ("orders", "outcome"),
    [
        (("1", "1"), FIRST),
        (("1", "2"), ("inconsistent", {})),
        (("1", None), ("unparseable", {})),
        (("tie", "tie"), TIE),
    ],
)
def test_a_judge_asked_in_two_orders_must_say_the_same(orders, outcome):
    row = {"j": {"m": {"ab": orders[0], "ba": orders[1]}}}
    assert judged(row, {"path": "j.*", "kind": "judge", "verdict": ["ab", "ba"]}) == {"m": outcome}


def test_verdicts_are_translated():
    verdicts = {"model_a": "1", "model_b": "2", "tie (bothbad)": "tie"}
    assert judged({"w": "tie (bothbad)"}, {"path": "w", "rater": "x"}, verdicts=verdicts) == {"x": TIE}


def test_rationales_come_along():
    columns = {"path": "j.*", "kind": "judge", "verdict": "v", "rationale": "why"}
    record = record_from(ROW | {"j": {"m": {"v": "1", "why": "Shorter."}}}, mapping(judgments=[columns]))
    assert record.judgments[0].rationale == "Shorter."


@pytest.mark.parametrize(
    ("row", "field", "reason"),
    [
        ({"w": "5"}, "w", "'5' is none of the verdicts 1, 2, tie"),
        ({"w": {}}, "w", "must be text, not dict"),
        ({"w": "1", "ask": " "}, "ask", "the prompt is empty"),
        ({"w": "1", "one": ["x"]}, "one", "must be text, not list"),
        ({}, "w", "no such column; the row has ask, one, two"),
    ],
)
def test_what_does_not_fit_rejects_the_row_with_its_column(row, field, reason):
    with pytest.raises(BadRecord) as caught:
        judged(row, {"path": "w", "rater": "x"})
    assert caught.value.field == field
    assert reason in caught.value.reason


def test_a_path_into_what_is_no_object_and_a_star_that_fits_nothing_are_told():
    with pytest.raises(BadRecord, match="no object"):
        judged({"w": "1"}, {"path": "w.*"})
    with pytest.raises(BadRecord, match="no column fits"):
        record_from(ROW, mapping(id="zz*"))


@pytest.mark.parametrize(
    ("document", "part"),
    [
        ("{", "not JSON"),
        ("[]", "mapping: it must be an object"),
        ('{"prompt": ["a"]}', "responses: it is missing"),
        (json.dumps(BASE | {"responses": [{"text": "one"}]}), "2 to 26 are needed, not 1"),
        (json.dumps(BASE | {"prompt": []}), "prompt: it must name at least one column"),
        (json.dumps(BASE | {"promt": []}), "promt: there is no such field"),
        (
            json.dumps(BASE | {"judgments": [{"path": "a.*", "rater": "x"}]}),
            "judgments[0].path: name the rater",
        ),
        (json.dumps(BASE | {"judgments": [{"path": "a"}]}), "judgments[0].path: name the rater"),
        (json.dumps(BASE | {"judgments": [{"path": "*.*"}]}), "judgments[0].path: name the rater"),
        (json.dumps(BASE | {"judgments": [{"path": "*", "kind": "ai"}]}), "'ai' is none of human, judge"),
        (json.dumps(BASE | {"judgments": [{"path": "*", "missing": "tie"}]}), "'tie' is none of unparseable"),
        (json.dumps(BASE | {"verdicts": {"3": "both"}}), "verdicts.3: 'both' is none of 1, 2, tie"),
    ],
)
def test_a_wrong_mapping_is_refused_and_the_part_named(document, part):
    with pytest.raises(FormatError) as caught:
        parse_mapping(document)
    assert part in caught.value.sentence


def test_csv_columns_are_mapped_alike(tmp_path):
    path = tmp_path / "votes.csv"
    path.write_text("ask,one,two,vote_ana,vote_ben\nWhy?,x,y,1,\nHow?,x,y,tie,2\n")
    found = list(pairs.read(path, mapping(judgments=[{"path": "vote_*"}])))
    assert [[judgment.rater for judgment in record.judgments] for record in found] == [
        ["ana"],
        ["ana", "ben"],
    ]


def real(shared_data, name):
    document = (MAPPINGS / f"{name}.mapping.json").read_text()
    found = list(pairs.read(shared_data / name / "comparisons.jsonl", parse_mapping(document)))
    for record in found:
        assert isinstance(record, ComparisonRecord)
        check_record(record)
    return found


def test_pandalm_comes_in_whole_and_its_25_unparseable_answers_stay_missing(shared_data):
    found = real(shared_data, "pandalm")
    assert len(found) == 999
    said = Counter((each.rater, each.kind, each.outcome) for record in found for each in record.judgments)
    assert said == {
        ("annotator1", "human", "ranked"): 999,
        ("annotator2", "human", "ranked"): 999,
        ("annotator3", "human", "ranked"): 999,
        ("gpt-3.5-turbo", "judge", "ranked"): 974,
        ("gpt-3.5-turbo", "judge", "unparseable"): 25,
        ("pandalm-7b", "judge", "ranked"): 999,
    }


def test_llmbar_keeps_its_judges_apart_and_tells_disagreement_between_orders(shared_data):
    found = real(shared_data, "llmbar")
    assert Counter(record.tags[0] for record in found) == {
        "Natural": 100,
        "Adversarial/Neighbor": 134,
        "Adversarial/GPTInst": 92,
        "Adversarial/GPTOut": 47,
        "Adversarial/Manual": 46,
    }
    outcomes = Counter(each.outcome for record in found for each in record.judgments if each.kind == "judge")
    assert outcomes == {"ranked": 7425 + 6731, "inconsistent": 5957 + 1588, "unparseable": 87}


def test_llmbars_published_agreement_between_orders_is_reproduced(shared_data):
    """The published counts take two missing verdicts for agreement; ours leave them out."""
    found = real(shared_data, "llmbar")
    outcomes = Counter(
        (record.tags[0], each.rater, each.outcome) for record in found for each in record.judgments
    )
    rows = [
        json.loads(line) for line in (shared_data / "llmbar" / "published.jsonl").read_text().splitlines()
    ]
    exact = 0
    for row in rows:
        agreed, missing = (
            outcomes[(row["subset"], row["judge"], name)] for name in ("ranked", "unparseable")
        )
        assert agreed <= row["positional_agreement"] <= agreed + missing
        exact += agreed == row["positional_agreement"]
    assert (len(rows), exact) == (260, 240)


def test_a_row_that_does_not_fit_is_a_rejection_with_its_line(json_lines):
    found = list(pairs.read(json_lines(ROW, {"ask": "Why?"}, b"{", ROW), mapping()))
    assert [(each.line, isinstance(each, ComparisonRecord)) for each in found] == [
        (1, True),
        (2, False),
        (3, False),
        (4, True),
    ]
    assert found[1].field == "one"


def test_a_column_can_name_the_rater_and_another_the_rationale():
    columns = {"path": "winner", "rater_column": "who", "rationale": "why"}
    record = record_from(ROW | {"winner": "2", "who": "ana", "why": "Short."}, mapping(judgments=[columns]))
    (said,) = record.judgments
    assert (said.rater, said.ranking, said.rationale) == ("ana", {"1": 2, "2": 1}, "Short.")


def test_a_value_can_mean_no_verdict():
    fields = {"verdicts": {"A": "1", "?": "none"}}
    assert judged({"w": "?"}, {"path": "w", "rater": "x"}, **fields) == {}
    machine = {"path": "w", "rater": "x", "kind": "judge"}
    assert judged({"w": "?"}, machine, **fields) == {"x": ("unparseable", {})}


THREE = {
    "responses": [{"text": "one"}, {"text": "two"}, {"text": "three"}],
    "judgments": [{"ranks": ["k1", "k2", "k3"], "rater": "ana"}],
}


def test_ranks_of_several_responses_make_a_ranking_with_ties():
    row = ROW | {"three": "Maybe.", "k1": 2, "k2": "1", "k3": " 2 "}
    (said,) = record_from(row, mapping(**THREE)).judgments
    assert said.ranking == {"1": 2, "2": 1, "3": 2}


@pytest.mark.parametrize("rank", ["0", "4", "first", "", "-1", 1.5, "²"])
def test_a_rank_that_is_none_rejects_the_row(rank):
    row = ROW | {"three": "Maybe.", "k1": "1", "k2": "1", "k3": rank}
    with pytest.raises(BadRecord, match="no rank from 1 to 3"):
        record_from(row, mapping(**THREE))


def test_no_rank_at_all_is_no_judgment():
    row = ROW | {"three": "Maybe.", "k1": "", "k2": None, "k3": ""}
    assert record_from(row, mapping(**THREE)).judgments == []


@pytest.mark.parametrize(
    ("fields", "part"),
    [
        (THREE | {"judgments": [{"path": "w", "rater": "x"}]}, "a verdict says who wins of two"),
        (THREE | {"judgments": [{"ranks": ["k1"], "rater": "x"}]}, "3 responses and 1 ranks"),
        ({"judgments": [{"path": "w", "ranks": ["a", "b"], "rater": "x"}]}, "the path to a verdict, or"),
        ({"judgments": [{"path": "w", "rater": "x", "rater_column": "y"}]}, "name the rater or its column"),
    ],
)
def test_a_judgment_is_described_one_way_only(fields, part):
    with pytest.raises(FormatError, match=part):
        mapping(**fields)


def test_a_prompt_can_be_a_conversation_and_columns_can_be_kept():
    talk = [
        {"role": "user", "content": "Hi"},
        {"role": "assistant", "content": "Ho"},
        {"role": "user", "content": "?"},
    ]
    record = record_from(ROW | {"ask": talk, "licence": "MIT", "n": None}, mapping(metadata=["licence", "n"]))
    assert record.prompt == talk
    assert record.metadata == {"licence": "MIT"}
    with pytest.raises(BadRecord, match="must hold messages"):
        record_from(ROW | {"ask": ["Hi"]}, mapping())
