"""Each kind of grader that asks nobody: what it rewards, and when it has no grade."""

import json

import pytest

from judges.core.graders import BadGrader, read_grader
from judges.core.graders.similarity import METRICS, bleu, gleu, meteor, words
from tests.judges.core.graders.conftest import OUTPUT

BY_REFERENCE = {"input": OUTPUT, "reference": "{{item.r}}"}


@pytest.mark.parametrize(
    ("operation", "expected"),
    [
        ("eq", [1, 0, 0, 0]),
        ("ne", [0, 1, 1, 1]),
        ("neq", [0, 1, 1, 1]),
        ("like", [1, 0, 1, 0]),
        ("ilike", [1, 1, 1, 0]),
    ],
)
def test_string_check(rewards, operation: str, expected: list[int]):
    document = {"type": "string_check", "operation": operation} | BY_REFERENCE
    assert rewards(document, "Paris", "paris", "It is Paris.", "Rome", item={"r": "Paris"}) == expected


REFERENCE = "The fast brown fox jumped over a lazy dog."
NEAR = "The quick brown fox jumps over the lazy dog."


# Frozen from this implementation where a library computes it; the small ones below are worked by hand.
@pytest.mark.parametrize(
    ("metric", "near", "far"),
    [
        ("fuzzy_match", 0.8095, 0.57),
        ("bleu", 0.2136, 0.0092),
        ("gleu", 0.3235, 0.0294),
        ("meteor", 0.7789, 0.1087),
        ("rouge_1", 0.6667, 0.3636),
        ("rouge_2", 0.25, 0.0),
        ("rouge_3", 0.0, 0.0),
        ("rouge_4", 0.0, 0.0),
        ("rouge_5", 0.0, 0.0),
        ("rouge_l", 0.6667, 0.3636),
    ],
)
def test_text_similarity(rewards, metric: str, near: float, far: float):
    document = {"type": "text_similarity", "evaluation_metric": metric} | BY_REFERENCE
    found = rewards(document, REFERENCE, NEAR, "A dog", "", item={"r": REFERENCE})
    # METEOR of a text with itself is a little less than 1: it counts one chunk of words as one break.
    assert found == [
        pytest.approx(1.0, abs=1e-3),
        pytest.approx(near, abs=1e-4),
        pytest.approx(far, abs=1e-4),
        0.0,
    ]


def test_every_documented_metric_is_there():
    assert set(METRICS) == {
        *("cosine", "fuzzy_match", "bleu", "gleu", "meteor"),
        *("rouge_1", "rouge_2", "rouge_3", "rouge_4", "rouge_5", "rouge_l"),
    }


def test_gleu_by_hand():
    # "a b" against "a c": 1 of 3 n-grams on either side.
    assert gleu("a b", "a c") == pytest.approx(1 / 3)


def test_bleu_by_hand():
    # "a b c d" against "a b c e": precisions 3/4, 2/3, 1/2 and, for 0 of 1, 1/2 by smoothing; equal lengths.
    assert bleu("a b c d", "a b c e") == pytest.approx((3 / 4 * 2 / 3 * 1 / 2 * 1 / 2) ** 0.25)


def test_meteor_matches_stems_and_no_synonyms():
    # Two words match, one by its stem: precision and recall 1, one chunk of two words: 1 - 0.5 (1/2)^3.
    assert meteor("cats sleep", "cat sleeps") == pytest.approx(1 - 0.5 * 0.5**3)
    assert meteor("big", "large") == 0.0


def test_words_are_of_every_script():
    assert words("L'été, 12,5 км!") == ["L", "'", "été", ",", "12", ",", "5", "км", "!"]


def test_texts_too_long_to_compare_have_no_grade(grades):
    document = {"type": "text_similarity", "evaluation_metric": "meteor"} | BY_REFERENCE
    (grade,) = grades(document, "x" * 20_001, item={"r": "x"})
    assert (grade.reward, list(grade.errors)) == (None, ["other_error"])


def test_python_is_given_sample_and_item(rewards):
    source = """
def grade(sample, item):
    assert set(sample) == {"output_text", "output_json", "output_tools", "choices"}
    return sample["output_json"]["n"] / item["of"]
"""
    assert rewards(
        {"type": "python", "source": source, "image_tag": "2025-05-08"}, '{"n": 1}', item={"of": 4}
    ) == [0.25]


def test_python_that_fails_has_no_grade_and_says_where(grades):
    (grade,) = grades({"type": "python", "source": "def grade(sample, item):\n    return item['x']"}, "a")
    assert grade.reward is None
    assert grade.errors == {"python_grader_runtime_error": "KeyError: 'x' (line 2)"}


def test_a_multi_grader_computes_its_formula(grades):
    document = {
        "type": "multi",
        "graders": {
            "exact": {"type": "string_check", "operation": "eq"} | BY_REFERENCE,
            "short": {"type": "length", "input": OUTPUT, "most": 5},
        },
        "calculate_output": "0.75 * exact + 0.25 * short",
    }
    both, short, none = grades(document, "Paris", "Rome", "I do not know.", item={"r": "Paris"})
    assert [both.reward, short.reward, none.reward] == [1.0, 0.25, 0.0]
    assert both.as_json()["sub_rewards"] == {"exact": 1.0, "short": 1.0}


def test_a_multi_grader_is_missing_where_a_part_of_its_formula_is(grades):
    parts = {
        "known": {"type": "length", "input": OUTPUT, "most": 5},
        "missing": {"type": "string_check", "operation": "eq", "input": OUTPUT, "reference": "{{item.no}}"},
    }
    document = {"type": "multi", "graders": parts, "calculate_output": "known + missing"}
    (grade,) = grades(document, "a")
    assert (grade.reward, list(grade.errors)) == (None, ["invalid_variable_error"])
    (grade,) = grades(document | {"calculate_output": "known"}, "a")
    assert (grade.reward, grade.as_json()["sub_rewards"]) == (1.0, {"known": 1.0, "missing": None})


def test_a_formula_without_a_result_is_no_grade(grades):
    parts = {"a": {"type": "length", "input": OUTPUT, "most": 5}}
    (grade,) = grades({"type": "multi", "graders": parts, "calculate_output": "1 / (a - 1)"}, "a")
    assert (grade.reward, list(grade.errors)) == (None, ["formula_parse_error"])


def test_a_single_grader_in_a_multi_goes_by_its_own_name(rewards):
    one = {"type": "length", "name": "short", "input": OUTPUT, "most": 5}
    document = {"type": "multi", "graders": one, "calculate_output": "1 - short"}
    assert rewards(document, "a") == [0.0]


@pytest.mark.parametrize(
    ("text", "reward"),
    [
        ("The answer is 1,234.50.", 1),
        ("1234.5", 1),
        ("First 7, then 1234.5", 1),
        ("1234.5, or 7", 0),
        ("2469/2", 1),
        ("123450 %", 1),
        ("1.2345e3", 1),
        ("none", 0),
        ("-1234.5", 0),
    ],
)
def test_numeric(rewards, text: str, reward: float):
    assert rewards({"type": "numeric"} | BY_REFERENCE, text, item={"r": 1234.5}) == [reward]


def test_numeric_tolerances_and_places(rewards):
    base = {"type": "numeric"} | BY_REFERENCE
    assert rewards(base | {"absolute": 0.5}, "99.5", "99.4", item={"r": 100}) == [1, 0]
    assert rewards(base | {"relative": 0.01}, "101", "101.1", item={"r": 100}) == [1, 0]
    assert rewards(base | {"place": "first"}, "100 or 7", item={"r": 100}) == [1]
    assert rewards(base | {"place": "only"}, "100", " 100\n", "It is 100", item={"r": 100}) == [1, 1, 0]


def test_numeric_without_a_number_to_compare_with_has_no_grade(grades):
    (grade,) = grades({"type": "numeric"} | BY_REFERENCE, "1", item={"r": "many"})
    assert (grade.reward, list(grade.errors)) == (None, ["invalid_variable_error"])


def test_math(rewards):
    document = {"type": "math"} | BY_REFERENCE
    given = [r"So $\frac{2}{4}$.", r"\boxed{0.5}", "1/2", "1/3", "no idea"]
    assert rewards(document, *given, item={"r": r"$\frac{1}{2}$"}) == [1, 1, 1, 0, 0]


def test_math_that_takes_for_ever_is_ended(grades, monkeypatch):
    from judges.core.sandbox import Limits, cases

    monkeypatch.setattr(cases, "Limits", lambda: Limits(seconds=2.0))
    found = grades({"type": "math"} | BY_REFERENCE, "$9^{9^{9^{9}}}$", "3", item={"r": "3"})
    assert [grade.reward for grade in found] == [None, 1.0]


def test_json_schema(rewards):
    schema = {
        "type": "object",
        "properties": {"name": {"type": "string", "pattern": "^[A-Z]"}, "next": {"$ref": "#"}},
        "patternProperties": {"^n_": {"type": "integer"}},
        "required": ["name"],
    }
    texts = [
        '{"name": "Ann"}',
        '{"name": "ann"}',
        '{"name": "A", "n_x": "1"}',
        '{"name": "A", "next": {}}',
        "{}",
        "no",
    ]
    assert rewards({"type": "json_schema", "input": OUTPUT, "schema": schema}, *texts) == [1, 0, 0, 0, 0, 0]


def test_json_schema_tells_equal_items_in_a_long_list(rewards):
    document = {"type": "json_schema", "input": OUTPUT, "schema": {"uniqueItems": True}}
    mixed = json.dumps([[number] if number % 2 else {"n": number} for number in range(50_000)])
    assert rewards(
        document, mixed, '[1, "1", true, [1]]', "[1, 1.0]", '[{"a": 1, "b": 2}, {"b": 2, "a": 1}]'
    ) == [*(1, 1, 0, 0)]


def test_rouge_l_of_very_many_words_has_no_grade(grades):
    document = {"type": "text_similarity", "evaluation_metric": "rouge_l"} | BY_REFERENCE
    (grade,) = grades(document, "a " * 9000, item={"r": "b " * 9000})
    assert (grade.reward, list(grade.errors)) == (None, ["other_error"])


def test_regex(rewards):
    document = {"type": "regex", "input": OUTPUT, "pattern": "colou?r"}
    assert rewards(document, "a color", "Colour", "red") == [1, 0, 0]
    assert rewards(document | {"ignore_case": True, "match": "full"}, "a color", "Colour") == [0, 1]


TESTS = [
    "assert add(1, 2) == 3",
    "def test_zero():\n    assert add(0, 0) == 0\ndef test_text():\n    assert add('a', 'b') == 'ab'",
]


def test_code_tests(grades):
    document = {"type": "code_tests", "input": OUTPUT, "tests": "{{item.tests}}", "seconds": 5}
    good, half, broken, quits = grades(
        document,
        "Here:\n```python\ndef add(a, b):\n    return a + b\n```\nDone.",
        "def add(a, b):\n    return int(a) + int(b)",
        "def add(a, b) return a",
        "import os\nos._exit(0)",
        item={"tests": TESTS},
    )
    assert (good.reward, good.note) == (1.0, "3 of 3 tests passed.")
    assert half.reward == pytest.approx(2 / 3)
    assert half.note.startswith("2 of 3 tests passed. test 3: ValueError")
    assert (broken.reward, broken.note[:40]) == (0.0, "The code can not be run: SyntaxError: ex")
    assert (quits.reward, quits.note) == (
        0.0,
        "The code did not come to the end of its tests: it ended the process.",
    )


def test_code_tests_may_want_all(rewards):
    document = {"type": "code_tests", "input": OUTPUT, "tests": TESTS, "all": True}
    assert rewards(document, "def add(a, b):\n    return int(a) + int(b)") == [0.0]


def test_code_that_never_ends_fails_its_tests(grades):
    document = {"type": "code_tests", "input": OUTPUT, "tests": ["assert True"], "seconds": 0.5}
    (grade,) = grades(document, "while True:\n    pass")
    assert (grade.reward, grade.note) == (
        0.0,
        "The code did not come to the end of its tests: it ran out of time.",
    )


def test_code_can_not_pass_by_printing_a_report(rewards):
    forged = 'import os\nos.write(1, b\'{"word": "", "passed": [true], "failed": ""}\\n\')\nos._exit(0)'
    assert rewards({"type": "code_tests", "input": OUTPUT, "tests": ["assert False"]}, forged) == [0.0]


def test_code_without_tests_has_no_grade(grades):
    (grade,) = grades({"type": "code_tests", "input": OUTPUT, "tests": "{{item.t}}"}, "x = 1", item={"t": []})
    assert (grade.reward, list(grade.errors)) == (None, ["invalid_variable_error"])


def test_length(rewards):
    base = {"type": "length", "input": OUTPUT}
    assert rewards(base | {"most": 3}, "abc", "abcd") == [1, 0]
    assert rewards(
        base | {"least": 2, "most": 3, "unit": "words", "slack": 2}, "a", "a b", "a b c d", "a b c d e f"
    ) == [*(0.5, 1.0, 0.5, 0.0)]
    assert rewards(base | {"least": 2, "unit": "lines"}, "a\nb", "a", "") == [1, 0, 0]


def test_language(grades, rewards):
    document = {"type": "language", "input": OUTPUT, "language": "{{item.l}}"}
    french, english = (
        "Je ne sais pas encore ce que je vais dire.",
        "I do not know yet what I am going to say.",
    )
    assert rewards(document, french, english, item={"l": "fr"}) == [1, 0]
    assert rewards(document | {"among": ["en", "fr"]}, french, english, item={"l": "en"}) == [0, 1]
    (short,) = grades(document, "Merci", item={"l": "fr"})
    assert (short.reward, list(short.errors)) == (None, ["other_error"])


@pytest.mark.parametrize(
    ("document", "problem"),
    [
        (None, "must be an object with a type"),
        ({}, "type is missing"),
        ({"type": "strange"}, "type must be one of string_check"),
        ({"type": "string_check", "input": "a", "reference": "b"}, "operation is missing"),
        (
            {"type": "string_check", "input": "a", "reference": "b", "operation": "in"},
            "operation must be one of",
        ),
        ({"type": "string_check", "input": 1, "reference": "b", "operation": "eq"}, "input can not be used"),
        ({"type": "length", "input": "a", "most": 3, "mots": 3}, "mots is not known here"),
        ({"type": "length", "input": "a"}, "most or least must be there"),
        ({"type": "length", "input": "a", "most": True}, "most must be a whole number"),
        ({"type": "python", "source": "def grade(:"}, "source is no Python in line 1"),
        ({"type": "python", "source": "x = 1"}, "source defines no function grade"),
        ({"type": "regex", "input": "a", "pattern": "("}, "pattern is no regular expression"),
        ({"type": "json_schema", "input": "a", "schema": {"type": "strange"}}, "schema is no JSON schema"),
        ({"type": "json_schema", "input": "a", "schema": {"$ref": "http://x/"}}, "refers to 'http://x/'"),
        ({"type": "json_schema", "input": "a", "schema": {"pattern": "(?=a)"}}, "which RE2 does not know"),
        ({"type": "language", "input": "a", "language": "xx"}, "language 'xx' is not known"),
        ({"type": "multi", "graders": {}, "calculate_output": "1"}, "graders must be an object"),
        (
            {"type": "multi", "graders": {"a": {"type": "length", "input": "x"}}, "calculate_output": "a"},
            "graders.a.most or least must be there",
        ),
        (
            {
                "type": "multi",
                "graders": {"a": {"type": "length", "input": "x", "most": 1}},
                "calculate_output": "a + b",
            },
            "calculate_output names b, which is none of a",
        ),
        ({"type": "multi", "graders": {"a": {"type": "multi"}}, "calculate_output": "a"}, "they do not nest"),
        (
            {
                "type": "score_model",
                "model": "m",
                "input": [{"role": "user", "content": "x"}],
                "range": [1, 0],
            },
            "range must ascend",
        ),
        (
            {
                "type": "score_model",
                "model": "m",
                "input": [{"role": "user", "content": [{"type": "input_image"}]}],
            },
            "holds input_image; graders here read text alone",
        ),
        (
            {
                "type": "label_model",
                "model": "m",
                "input": [{"role": "user", "content": "x"}],
                "labels": ["a"],
                "passing_labels": ["b"],
            },
            "which is none of the labels",
        ),
    ],
)
def test_what_is_no_grader_is_refused_by_the_field_at_fault(document, problem: str):
    with pytest.raises(BadGrader, match=problem):
        read_grader(document)
