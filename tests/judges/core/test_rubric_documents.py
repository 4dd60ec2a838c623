"""Rubrics go out and come back the same, as JSON and YAML, and what is wrong in one is named."""

import contextlib
import json

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from judges.core.rubric import SCORERS, BadRubric, CriterionText, RubricText
from judges.core.rubric_documents import (
    rubric_document,
    rubric_from_document,
    rubric_from_text,
    rubric_to_json,
    rubric_to_yaml,
)
from judges.core.rubrics import BUILT_IN, built_in_rubric

TONE = {"name": "tone", "scale": [1, 3], "anchors": {"1": "rude", "3": "warm"}, "weight": 2}
GOOD = {"name": "R", "instructions": "Be fair.", "criteria": [TONE]}

texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=60)
names = texts.filter(str.strip)


@st.composite
def criteria(draw, name):
    low = draw(st.integers(-20, 20))
    high = low + draw(st.integers(1, 8))
    return CriterionText(
        name=name,
        description=draw(texts),
        scale_min=low,
        scale_max=high,
        anchors=draw(st.dictionaries(st.integers(low, high), texts)),
        weight=draw(st.floats(0, 100)),
        scored_by=draw(st.sampled_from(SCORERS)),
    )


@st.composite
def rubrics(draw):
    chosen = draw(st.lists(names, max_size=3, unique=True))
    instructions = draw(texts if chosen else names)
    return RubricText(draw(names), instructions, tuple(draw(criteria(name)) for name in chosen))


@given(rubrics())
@example(RubricText("\x85a", "\u2028b\n\ufeff\r\n c \n\n"))
def test_a_rubric_written_and_read_is_the_same(rubric):
    assert rubric_from_document(rubric_document(rubric)) == rubric
    assert rubric_from_text(rubric_to_json(rubric)) == rubric
    assert rubric_from_text(rubric_to_yaml(rubric)) == rubric


@given(st.text())
def test_no_text_does_anything_but_make_a_rubric_or_name_what_is_wrong(text):
    with contextlib.suppress(BadRubric):
        assert isinstance(rubric_from_text(text), RubricText)


def test_what_is_left_out_has_a_default():
    rubric = rubric_from_document({"name": "R", "criteria": [{"name": "tone"}]})
    assert rubric.criteria == (CriterionText("tone"),)


def test_texts_of_many_lines_are_written_as_blocks():
    written = rubric_to_yaml(RubricText("R", "First line.\nSecond line.\n"))
    assert "instructions: |\n  First line.\n  Second line.\n" in written


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"name": ""}, "name"),
        ({"name": 3}, "name"),
        ({"instructions": ["x"]}, "instructions"),
        ({"instructions": "", "criteria": []}, "instructions"),
        ({"criteria": {"tone": 1}}, "criteria"),
        ({"criteria": [TONE, TONE]}, "criteria[1].name"),
        ({"criteria": [TONE, "tone"]}, "criteria[1]"),
        ({"scale": 5}, "scale"),
        ({"criteria": [TONE | {"levels": 5}]}, "criteria[0].levels"),
        ({"criteria": [TONE | {"scale": [1, 3.5]}]}, "criteria[0].scale"),
        ({"criteria": [TONE | {"scale": [3, 1]}]}, "criteria[0].scale"),
        ({"criteria": [TONE | {"scale": [1]}]}, "criteria[0].scale"),
        ({"criteria": [TONE | {"scale": [True, 3]}]}, "criteria[0].scale"),
        ({"criteria": [TONE | {"scale": [0, 500]}]}, "criteria[0].scale"),
        ({"criteria": [TONE | {"scale": [2000, 2001]}]}, "criteria[0].scale"),
        ({"criteria": [TONE | {"weight": "heavy"}]}, "criteria[0].weight"),
        ({"criteria": [TONE | {"weight": True}]}, "criteria[0].weight"),
        ({"criteria": [TONE | {"weight": -1}]}, "criteria[0].weight"),
        ({"criteria": [TONE | {"weight": float("nan")}]}, "criteria[0].weight"),
        ({"criteria": [TONE | {"scored_by": "cats"}]}, "criteria[0].scored_by"),
        ({"criteria": [TONE | {"anchors": ["rude"]}]}, "criteria[0].anchors"),
        ({"criteria": [TONE | {"anchors": {"low": "rude"}}]}, "criteria[0].anchors"),
        ({"criteria": [TONE | {"anchors": {"9": "?"}}]}, "criteria[0].anchors"),
        ({"criteria": [TONE | {"anchors": {"1": "a", 1: "b"}}]}, "criteria[0].anchors"),
        ({"criteria": [TONE | {"anchors": {1: False}}]}, "criteria[0].anchors[1]"),
        ({"criteria": [TONE | {"description": "a\x00b"}]}, "criteria[0].description"),
        ({"criteria": [TONE | {"name": f"{n}"} for n in range(60)]}, "criteria"),
    ],
)
def test_what_is_wrong_is_named(change, field):
    with pytest.raises(BadRubric) as bad:
        rubric_from_document(GOOD | change)
    assert bad.value.field == field


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "rubric must be an object"),
        ("- a\n- b\n", "rubric must be an object"),
        ('{"name": ', "rubric is no JSON in line 1"),
        ('{"name": "R",\n"name": "S"}', "name is given twice"),
        ("name: R\nname: S\n", "name is given twice"),
        ("name: R\n  bad: [", "rubric is no YAML in line 2"),
        ("a: &x [1]\nb: *x\n", "rubric uses an alias"),
        ("!!python/object/apply:os.system ['true']", "rubric is no YAML"),
        ('{"a": ' + "[" * 100_000, "nested too deep"),
        ("[" * 5000, "nested too deep"),
        ('{"a": ' + "9" * 5000 + "}", "too long"),
        ("\x01", "rubric is no YAML"),
        ("name: no\ninstructions: x\n", "name must be text, not False; put it in quotes"),
        ("x" * 1_000_001, "use at most"),
    ],
)
def test_a_text_that_is_no_rubric_is_refused(text, said):
    with pytest.raises(BadRubric) as bad:
        rubric_from_text(text)
    assert said in str(bad.value)


@pytest.mark.parametrize("key", BUILT_IN)
def test_a_built_in_rubric_has_a_text_for_every_level_and_survives_the_trip(key):
    rubric = built_in_rubric(key)
    assert rubric.criteria
    for criterion in rubric.criteria:
        assert sorted(criterion.anchors) == criterion.levels
        assert len(set(criterion.anchors.values())) == len(criterion.levels)
        assert criterion.description
    assert rubric_from_text(json.dumps(rubric_document(rubric))) == rubric


def test_an_unknown_built_in_rubric_is_no_path():
    with pytest.raises(KeyError):
        built_in_rubric("../rubric_documents")
