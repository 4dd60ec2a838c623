"""Our own format: what goes out comes back, and what is wrong names its field."""

from dataclasses import asdict
from datetime import UTC, datetime

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from alignment.formats import concord
from alignment.formats.arrow import table_of
from alignment.formats.concord import (
    SCHEMA,
    ComparisonRow,
    JudgmentRow,
    ResponseRow,
    judgment_from,
    parquet_row,
    record_from,
)
from alignment.formats.target import write_rows
from feedback.records import (
    BadRecord,
    ComparisonRecord,
    GoldRecord,
    JudgmentRecord,
    Rejection,
    ResponseRecord,
    SpanRecord,
)

TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20)
NAME = TEXT.filter(bool)
NUMBER = st.integers(0, 2**31 - 1)
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**60), 2**60)
    | st.floats(allow_nan=False, allow_infinity=False)
    | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=5,
)


@st.composite
def judgments(draw, keys):
    ranked = draw(st.booleans())
    scores = {key: {draw(NAME): draw(st.integers(-9, 9))} for key in keys if draw(st.booleans())}
    return JudgmentRecord(
        rater=draw(NAME),
        kind=draw(st.sampled_from(["human", "judge", "grader", "reward_model"])),
        outcome="ranked"
        if ranked
        else draw(st.sampled_from(["skipped", "refused", "unparseable", "inconsistent"])),
        ranking={key: draw(st.integers(1, 9)) for key in keys} if ranked else {},
        strength=draw(st.none() | st.integers(0, 100)),
        shown=draw(st.just([]) | st.permutations(keys)),
        scores=scores,
        rationale=draw(TEXT),
        all_bad=draw(st.booleans()),
        spans=draw(st.lists(st.builds(SpanRecord, st.sampled_from(keys), NUMBER, NUMBER, TEXT), max_size=2)),
        flags=draw(st.lists(TEXT, max_size=2)),
        simulated=draw(st.booleans()),
        adjudicates=draw(st.booleans()),
        seconds=draw(st.none() | st.floats(0, 1e6)),
        at=draw(st.none() | st.datetimes(datetime(1990, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC))),
    )


@st.composite
def records(draw):
    keys = draw(st.lists(NAME, min_size=2, max_size=4, unique=True))
    ranks = {key: draw(st.integers(1, 4)) for key in keys}
    return ComparisonRecord(
        key=draw(st.none() | NAME),
        prompt=draw(
            st.lists(
                st.fixed_dictionaries({"role": st.sampled_from(["system", "user"]), "content": TEXT}),
                min_size=1,
                max_size=3,
            )
        ),
        responses=[ResponseRecord(key, draw(NAME), draw(TEXT)) for key in keys],
        tags=draw(st.lists(TEXT, max_size=3)),
        reference=draw(st.none() | NAME),
        metadata=draw(st.dictionaries(TEXT, JSON, max_size=3)),
        judgments=draw(st.lists(judgments(keys), max_size=3)),
        purpose=draw(st.sampled_from(["train", "evaluate"])),
        gold=draw(st.none() | st.builds(GoldRecord, st.just(ranks), NAME, TEXT)),
    )


def row_from(record):
    """The row that an export would write of what this record says."""
    values = asdict(record)
    return ComparisonRow(
        id=record.key,
        prompt=values["prompt"],
        tags=values["tags"],
        reference=record.reference,
        metadata=record.metadata or None,
        purpose=None if record.purpose == "train" else record.purpose,
        gold=values["gold"],
        responses=[ResponseRow(each.key, each.source, each.text) for each in record.responses],
        judgments=[judgment_row(each) for each in values["judgments"]],
    )


def judgment_row(judgment):
    at, outcome = judgment["at"], judgment["outcome"]
    return JudgmentRow(
        **judgment | {"at": at and at.isoformat(), "outcome": None if outcome == "ranked" else outcome}
    )


@given(records())
def test_a_record_comes_back_from_json(record):
    assert record_from(msgspec.json.decode(msgspec.json.encode(row_from(record)))) == record


@given(records())
def test_a_record_comes_back_from_parquet(record):
    table = table_of([parquet_row(row_from(record))], SCHEMA)
    table.validate(full=True)
    assert record_from(table.to_pylist()[0]) == record


@pytest.mark.parametrize("name", ["rows.jsonl", "rows.jsonl.gz", "rows.jsonl.zst", "rows.parquet"])
def test_a_file_comes_back_in_every_ending(tmp_path, pair_row, name):
    rows = [pair_row(f"q{number}", tags=["é"], metadata={"n": [1, None]}) for number in range(3)]
    path = tmp_path / name
    parquet = name.endswith("parquet")
    made = [msgspec.convert(row, ComparisonRow) for row in rows]
    assert write_rows(path, map(parquet_row, made) if parquet else made, SCHEMA) == 3
    found = list(concord.read(path))
    assert [record.line for record in found] == [1, 2, 3]
    assert msgspec.to_builtins([row_from(record) for record in found]) == rows


def test_a_parquet_struct_of_ranks_is_read_like_a_map(pair_row):
    row = pair_row(judgments=[{"rater": "ana", "ranking": {"a": 1, "b": 2, "c": None}, "scores": None}])
    assert record_from(row).judgments[0].ranking == {"a": 1, "b": 2}


def test_a_time_without_a_zone_is_utc_and_others_are_brought_there(pair_row):
    judged = [
        {"rater": "ana", "at": "2026-05-01T10:00:00"},
        {"rater": "ben", "at": "2026-05-01T12:00:00+02:00"},
        {"rater": "cy", "at": datetime(2026, 5, 1, 10, tzinfo=UTC)},
    ]
    times = {each.at for each in record_from(pair_row(judgments=judged)).judgments}
    assert times == {datetime(2026, 5, 1, 10, tzinfo=UTC)}


@pytest.mark.parametrize(
    ("change", "field", "reason"),
    [
        ({"prompt": None}, "prompt", "missing"),
        ({"prompt": "Why?"}, "prompt", "must be a list, not text"),
        ({"prompt": ["Why?"]}, "prompt[0]", "must be an object, not text"),
        ({"prompt": [{"role": "user"}]}, "prompt[0].content", "missing"),
        ({"prompt": [{"role": "user", "content": "x", "name": "y"}]}, "prompt[0].name", "no such field"),
        ({"id": 7}, "id", "must be text, not a number"),
        ({"tags": ["x", 1]}, "tags", "list of texts"),
        ({"judgements": []}, "judgements", "no such field; known are id, prompt"),
        ({"metadata": "no JSON"}, "metadata", "must be an object"),
        ({"metadata": 3}, "metadata", "must be an object, not a number"),
        ({"responses": [{"id": "a", "source": "x"}]}, "responses[0].text", "missing"),
        ({"judgments": [{"rater": None}]}, "judgments[0].rater", "missing"),
        (
            {"judgments": [{"rater": "a", "ranking": {"a": "1"}}]},
            "judgments[0].ranking.a",
            "whole number, not text",
        ),
        (
            {"judgments": [{"rater": "a", "ranking": {"a": True}}]},
            "judgments[0].ranking.a",
            "not true or false",
        ),
        ({"judgments": [{"rater": "a", "ranking": 5}]}, "judgments[0].ranking", "must be an object"),
        ({"judgments": [{"rater": "a", "ranking": [[1, 1]]}]}, "judgments[0].ranking", "names in an object"),
        ({"judgments": [{"rater": "a", "scores": {"a": 3}}]}, "judgments[0].scores", "must be an object"),
        ({"judgments": [{"rater": "a", "strength": 1.5}]}, "judgments[0].strength", "whole number"),
        ({"judgments": [{"rater": "a", "seconds": "3"}]}, "judgments[0].seconds", "must be a number"),
        ({"judgments": [{"rater": "a", "seconds": 10**400}]}, "judgments[0].seconds", "too large"),
        ({"judgments": [{"rater": "a", "at": "yesterday"}]}, "judgments[0].at", "must be a time"),
        (
            {"judgments": [{"rater": "a", "at": "0001-01-01T00:00:00+05:00"}]},
            "judgments[0].at",
            "must be a time",
        ),
        ({"judgments": [{"rater": "a", "at": 5}]}, "judgments[0].at", "must be a time"),
        (
            {"judgments": [{"rater": "a", "all_bad": 1}]},
            "judgments[0].all_bad",
            "true or false, not a number",
        ),
        ({"judgments": [{"rater": "a", "simulated": "no"}]}, "judgments[0].simulated", "not text"),
        ({"judgments": [{"rater": "a", "flags": [1]}]}, "judgments[0].flags", "list of texts"),
        ({"judgments": [{"rater": "a", "spans": [{}]}]}, "judgments[0].spans[0].response", "missing"),
        (
            {"judgments": [{"rater": "a", "spans": [{"response": "a", "end": 2, "comment": "x"}]}]},
            "judgments[0].spans[0].start",
            "missing",
        ),
        (
            {
                "judgments": [
                    {"rater": "a", "spans": [{"response": "a", "start": 0, "end": "2", "comment": ""}]}
                ]
            },
            "judgments[0].spans[0].end",
            "whole number",
        ),
        ({"judgments": [{"rater": "a", "spans": [{"by": 1}]}]}, "judgments[0].spans[0].by", "no such field"),
    ],
)
def test_what_is_wrong_names_its_field(pair_row, change, field, reason):
    with pytest.raises(BadRecord) as caught:
        record_from(pair_row() | change)
    assert caught.value.field == field
    assert reason in caught.value.reason


def test_a_judgment_is_read_by_itself():
    judgment = judgment_from({"rater": "ana", "ranking": {"a": 1}})
    assert (judgment.rater, judgment.kind, judgment.ranking) == ("ana", "human", {"a": 1})


def test_a_bad_row_is_a_rejection_with_its_line(json_lines, pair_row):
    found = list(concord.read(json_lines(pair_row(), {"prompt": []}, b"{", pair_row("q2"))))
    assert [type(each) for each in found] == [ComparisonRecord, Rejection, Rejection, ComparisonRecord]
    assert (found[1].line, found[1].field) == (2, "responses")


def test_metadata_of_a_parquet_file_may_be_absent(pair_row):
    assert record_from(pair_row(metadata=None)).metadata == {}
