"""Templates: what a variable is, what becomes of it, and that no text can bring another one."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from judges.core.graders import BadGrader, Case
from judges.core.graders.fields import Fields
from judges.core.graders.grade import NoGrade
from judges.core.graders.templates import Template, template

CALL = {"id": "1", "type": "function", "function": {"name": "get", "arguments": '{"a": 1}'}}
CASE = Case('{"name": "Ann", "list": [1, 2.5]}', {"r": "yes", "deep": {"a-b": [{"c": True}]}, "é": 1}, [CALL])


def read(text: str) -> Template:
    return template(Fields({"type": "x", "input": text}), "input")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("plain { text } with }} braces {{", "plain { text } with }} braces {{"),
        ("{{item.r}}/{{ item.r }}", "yes/yes"),
        ("{{item.deep.a-b[0].c}}", "true"),
        ('{{item.deep["a-b"]}}', '[{"c": true}]'),
        ("{{item.é}}", "1"),
        ("{{sample.output_text}}", CASE.text),
        ("{{sample.output_json.name}} {{sample.output_json.list[1]}}", "Ann 2.5"),
        ("{{sample.output_tools[0].function.name}}", "get"),
        ("{{sample.output_tools[0].function.arguments}}", '{"a": 1}'),
        ("{{sample.choices[0].message.content}}", CASE.text),
        ("{{sample.choices[0].message.tool_calls[0].id}}", "1"),
    ],
)
def test_a_variable_becomes_what_is_there(text: str, said: str):
    assert read(text).text(CASE) == said


@pytest.mark.parametrize(
    "text", ["{{}}", "{{r}}", "{{item}}", "{{items.r}}", "{{item.r + 1}}", "{{item..r}}", "{{1}}"]
)
def test_what_is_no_variable_is_refused_when_it_is_read(text: str):
    with pytest.raises(BadGrader, match=r"input holds .* which is no variable"):
        read(text)


def test_a_sample_has_only_what_is_documented():
    with pytest.raises(BadGrader, match=r"asks for sample\.output_txt; a sample has output_text"):
        read("{{sample.output_txt}}")


@pytest.mark.parametrize(
    ("text", "kind", "reason"),
    [
        ("{{item.other}}", "invalid_variable_error", "There is no item.other in this row."),
        ("{{item.deep.a-b[3].c}}", "invalid_variable_error", "There is no item.deep.a-b[3] in this row."),
        ("{{sample.output_json.x}}", "sample_parse_error", "The output's JSON has no x."),
        (
            "{{sample.output_tools[1].id}}",
            "invalid_variable_error",
            "There is no sample.output_tools[1] in this row.",
        ),
    ],
)
def test_a_variable_without_a_value_is_no_grade(text: str, kind: str, reason: str):
    with pytest.raises(NoGrade) as caught:
        read(text).text(CASE)
    assert (caught.value.kind, str(caught.value)) == (kind, reason)


@pytest.mark.parametrize("text", ["not JSON", '{"a": NaN}', "[" * 100_000])
def test_an_output_that_is_no_json_has_no_output_json(text: str):
    with pytest.raises(NoGrade, match="The output is not JSON"):
        read("{{sample.output_json.a}}").text(Case(text))


@given(st.text(), st.text())
def test_text_that_is_put_in_is_never_read_again(output: str, reference: str):
    case = Case("{{item.secret}}" + output, {"r": reference, "secret": "hidden"})
    assert read("<{{sample.output_text}}|{{item.r}}>").text(case) == f"<{case.text}|{reference}>"
