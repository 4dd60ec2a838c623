"""Export: OpenAI's JSON by OpenAI's own types, and python graders that reward as the kinds they stand for."""

import asyncio
from typing import Any

import pytest
from openai.types.graders import (
    LabelModelGrader,
    PythonGrader,
    ScoreModelGrader,
    StringCheckGrader,
    TextSimilarityGrader,
)

from judges.core.graders import BadGrader, Case, grade
from judges.core.graders.export import openai_grader

OUTPUT = "{{sample.output_text}}"
MESSAGES = [{"role": "user", "content": f"Good? {OUTPUT}"}]
STRING = {"type": "string_check", "input": OUTPUT, "reference": "{{item.r}}", "operation": "neq"}
LABEL = {
    "type": "label_model",
    "name": "l",
    "model": "m",
    "input": MESSAGES,
    "labels": ["a"],
    "passing_labels": ["a"],
}
TYPES = {
    "string_check": StringCheckGrader,
    "text_similarity": TextSimilarityGrader,
    "score_model": ScoreModelGrader,
    "label_model": LabelModelGrader,
    "python": PythonGrader,
}


def check(document: dict[str, Any]) -> None:
    """OpenAI's own type takes it, and nothing is in it that the type does not have."""
    base = TYPES[document["type"]]
    base.model_validate(document)
    assert set(document) <= set(base.model_fields)


@pytest.mark.parametrize(
    "document",
    [
        STRING,
        {
            "type": "text_similarity",
            "input": OUTPUT,
            "reference": "r",
            "evaluation_metric": "bleu",
            "pass_threshold": 0.5,
        },
        {
            "type": "score_model",
            "name": "s",
            "model": "m",
            "input": MESSAGES,
            "range": [0, 2],
            "sampling_params": {"max_tokens": 5, "reasoning_effort": "low"},
        },
        {"type": "python", "source": "def grade(sample, item):\n    return 1.0", "image_tag": "2025-05-08"},
        {"type": "length", "name": "short", "input": OUTPUT, "most": 3},
        {"type": "numeric", "input": OUTPUT, "reference": "1"},
        {"type": "json_schema", "input": OUTPUT, "schema": {"type": "object"}},
    ],
)
def test_openai_s_types_take_what_is_exported(document):
    exported = openai_grader(document)
    check(exported)
    assert exported["name"]


def test_a_multi_grader_is_exported_part_by_part():
    parts = {"a": STRING, "b": {"type": "length", "input": OUTPUT, "most": 3}}
    exported = openai_grader({"type": "multi", "name": "m", "graders": parts, "calculate_output": "a + b"})
    assert (exported["type"], exported["calculate_output"]) == ("multi", "a + b")
    assert [each["type"] for each in exported["graders"].values()] == ["string_check", "python"]
    assert exported["graders"]["a"]["operation"] == "ne"
    for each in exported["graders"].values():
        check(each)


def test_a_label_grader_stands_in_a_multi_as_training_wants_it():
    exported = openai_grader(LABEL)
    assert exported == {
        "type": "multi",
        "name": "l",
        "graders": {"label": LABEL},
        "calculate_output": "label",
    }


@pytest.mark.parametrize(
    ("document", "problem"),
    [
        ({"type": "math", "input": OUTPUT, "reference": "1"}, "is of the kind math"),
        ({"type": "regex", "input": OUTPUT, "pattern": "a"}, "is of the kind regex"),
        ({"type": "code_tests", "input": OUTPUT, "tests": "t"}, "is of the kind code_tests"),
        ({"type": "language", "input": OUTPUT, "language": "fr"}, "is of the kind language"),
        ({"type": "json_schema", "input": OUTPUT, "schema": {"pattern": "a"}}, "has patterns in its schema"),
        (
            {"type": "text_similarity", "input": OUTPUT, "reference": "r", "evaluation_metric": "cosine"},
            "compares by cosine",
        ),
    ],
)
def test_what_openai_has_nothing_like_is_refused_by_name(document, problem: str):
    with pytest.raises(BadGrader, match=problem):
        openai_grader(document)
    inside = {"type": "multi", "graders": {"part": document}, "calculate_output": "part"}
    with pytest.raises(BadGrader, match=f"part {problem}"):
        openai_grader(inside)


TEXTS = [
    "",
    "7",
    " 7",
    "The answer is 7.",
    "7 or 8",
    "14/2",
    "700 %",
    "1,007",
    "a\nb c",
    '{"a": 1}',
    "[1]",
    "x" * 9,
]


@pytest.mark.parametrize(
    "document",
    [
        {"type": "length", "input": f"<{OUTPUT}>", "least": 3, "most": 6, "slack": 4},
        {"type": "length", "input": OUTPUT, "unit": "words", "most": 2},
        {"type": "length", "input": OUTPUT, "unit": "lines", "least": 1, "most": 1},
        {"type": "numeric", "input": OUTPUT, "reference": "{{item.r[0]}}"},
        {"type": "numeric", "input": OUTPUT, "reference": "{{item.r[0]}}", "place": "first", "absolute": 1},
        {"type": "numeric", "input": OUTPUT, "reference": "{{item.r[0]}}", "place": "only", "relative": 0.5},
        {"type": "json_schema", "input": OUTPUT, "schema": {"type": "object", "required": ["a"]}},
    ],
)
def test_the_python_grader_rewards_as_the_kind_it_stands_for(document):
    cases = [Case(text, {"r": [7]}) for text in TEXTS]
    ours = asyncio.run(grade(document, cases))
    theirs = asyncio.run(grade(openai_grader(document), cases))
    assert [found.reward for found in ours] == [found.reward for found in theirs]
    assert len({found.reward for found in ours}) > 1
