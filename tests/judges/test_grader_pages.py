"""The page on which a grader is written, tried and made a rater, and its export."""

import json

import pytest
from openai.types.graders import StringCheckGrader

from feedback.models import RaterKind
from judges.actions.graders import create_grader
from judges.core.graders import read_grader
from judges.core.graders.examples import EXAMPLES
from judges.core.graders.registry import KINDS
from judges.models import Judge

EXACT = EXAMPLES["string_check"].document


@pytest.fixture
def page(client, project, make_user):
    client.force_login(make_user("eva", project=project, role="engineer"))
    return f"/p/{project.slug}/graders/new/"


def send(client, page, document, **more):
    return client.post(page, {"name": "exact", "grader": json.dumps(document), "margin": "0", **more})


@pytest.mark.parametrize("kind", KINDS)
def test_there_is_an_example_of_each_kind_and_it_is_one(client, page, kind: str):
    example = EXAMPLES[kind]
    assert read_grader(example.document).name == example.document["name"]
    answer = client.get(page, {"kind": kind})
    assert answer.context["form"]["grader"].value().count(f'"type": "{kind}"') == 1
    assert f'href="?kind={kind}"' in answer.content.decode()


def test_a_grader_is_tried_on_comparisons_and_nothing_is_stored(client, page, make_comparisons, project):
    make_comparisons(project, 7)
    document = {"type": "regex", "input": "{{sample.output_text}}", "pattern": "of x"}
    answer = send(client, page, document, **{"try": "1"})
    tried = answer.context["tried"]
    assert [[grade.reward for grade in each.grades] for each in tried] == [[1.0, 0.0]] * 5
    assert "Answer 0 of x." in answer.content.decode()
    assert not Judge.objects.exists()


def test_the_comparisons_of_a_tag_are_tried(client, page, make_comparisons, project):
    make_comparisons(project, 4)
    tag = project.tags.get(name="odd")
    answer = send(client, page, {"type": "length", "input": "x", "most": 1}, tag=tag.pk)
    assert [each.comparison.external_id for each in answer.context["tried"]] == ["q1", "q3"]


def test_why_there_is_no_grade_is_shown(client, page, make_comparisons, project):
    make_comparisons(project, 1)
    answer = send(client, page, EXACT).content.decode()
    assert "no grade" in answer
    assert "There is no item.reference in this row." in answer


def test_a_document_that_is_no_grader_is_refused_with_the_field(client, page):
    answer = send(client, page, EXACT | {"operation": "in"})
    assert "grader.operation must be one of eq, ne" in answer.context["form"].errors["grader"][0]
    answer = client.post(page, {"name": "x", "grader": "{", "margin": "0"})
    assert answer.context["form"].errors["grader"]
    assert "{" in answer.content.decode()


def test_a_grader_becomes_a_rater(client, page, project):
    answer = send(client, page, EXACT, create="1", margin="0.25")
    grader = Judge.objects.get()
    assert answer.url == f"/p/{project.slug}/judges/{grader.pk}/"
    assert (grader.rater.kind, grader.settings) == (RaterKind.GRADER, {"grader": EXACT, "margin": 0.25})
    assert client.get(answer.url).status_code == 200


def test_a_rater_needs_a_name(client, page):
    answer = send(client, page, EXACT, create="1", name="")
    assert answer.status_code == 200
    assert answer.context["form"].errors


def test_a_grader_is_exported_as_openai_s(client, page, project):
    grader = create_grader(project=project, name="exact", settings={"grader": EXACT}, by=None)
    answer = client.get(f"/p/{project.slug}/graders/{grader.pk}/openai.json")
    assert answer["content-disposition"] == f'attachment; filename="grader-{grader.pk}.json"'
    assert StringCheckGrader.model_validate(answer.json()).name == "exact"


def test_what_openai_has_nothing_like_says_so(client, page, project):
    document = {"type": "regex", "input": "{{sample.output_text}}", "pattern": "a"}
    grader = create_grader(project=project, name="pattern", settings={"grader": document}, by=None)
    answer = client.get(f"/p/{project.slug}/graders/{grader.pk}/openai.json")
    assert (answer.status_code, "the kind regex" in answer.content.decode()) == (409, True)


@pytest.mark.parametrize("role", ["annotator", "reviewer", None])
def test_others_do_not_find_the_page(client, project, make_user, role):
    client.force_login(make_user("otto", project=project if role else None, role=role))
    assert client.get(f"/p/{project.slug}/graders/new/").status_code == 404
