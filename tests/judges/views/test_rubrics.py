"""The rubrics' pages: who reads and who writes them, and an editor that loses nothing of what is written."""

import json

import pytest
import yaml

from feedback.actions.answer_forms import set_answer_form
from feedback.answers import AnswerForm
from feedback.errors import Refused
from feedback.models import Role, Rubric
from feedback.queries.rubrics import criteria_for_people
from judges.actions.rubrics import create_rubric
from judges.core.rubric import CriterionText
from judges.core.rubrics import built_in_rubric

HOSTILE = '"><script>alert(1)</script>{{ 7|add:7 }}{% now "Y" %}'
CLARITY = CriterionText("Clarity", "Is it clear?", 1, 3, {1: "Muddled", 3: "Plain"}, 2.0, "judges")
TRUTH = CriterionText("Truth", "Is it true?", 1, 5, {}, 1.0, "people")


@pytest.fixture
def help_rubric(project) -> Rubric:
    return create_rubric(
        project=project, name="Help", instructions="Be helpful.", criteria=(CLARITY, TRUTH), by=None
    )


def filled_in(*keys: str, **changes: str) -> dict[str, object]:
    """The editor's fields with two criteria, in the order of ``keys``."""
    fields = {
        "name": "Help",
        "instructions": "Be helpful.",
        "criterion": list(keys or ("c0", "c1")),
        "c0-name": "Clarity",
        "c0-description": "Is it clear?",
        "c0-scale_min": "1",
        "c0-scale_max": "3",
        "c0-weight": "2",
        "c0-scored_by": "judges",
        "c0-anchor_1": "Muddled",
        "c0-anchor_3": "Plain",
        "c1-name": "Truth",
        "c1-description": "Is it true?",
        "c1-scale_min": "1",
        "c1-scale_max": "5",
        "c1-weight": "1",
        "c1-scored_by": "people",
    }
    return fields | changes


def order(answer) -> list[str]:
    return [criterion.key for criterion in answer.context["form"].criteria]


READ = ("rubric", "rubric-changes")
WRITE = ("rubric-edit",)


@pytest.mark.parametrize("name", [*READ, *WRITE])
def test_an_annotator_finds_no_page_of_rubrics(help_rubric, as_role, address, name):
    assert as_role(Role.ANNOTATOR).get(address(name, help_rubric.pk)).status_code == 404


@pytest.mark.parametrize("name", ["rubrics", "rubric-new", "rubric-import"])
def test_an_annotator_finds_neither_list_nor_forms(help_rubric, as_role, address, name):
    assert as_role(Role.ANNOTATOR).get(address(name)).status_code == 404


def test_a_reviewer_reads_the_rubrics_and_can_not_write_one(help_rubric, as_role, address):
    client = as_role(Role.REVIEWER)
    listed = client.get(address("rubrics")).content.decode()
    assert "Help" in listed
    assert "New rubric" not in listed
    page = client.get(address("rubric", help_rubric.pk)).content.decode()
    assert "Muddled" in page
    assert "Edit as a new version" not in page
    for name, args in (("rubric-edit", [help_rubric.pk]), ("rubric-new", []), ("rubric-import", [])):
        assert client.post(address(name, *args), filled_in(do="save")).status_code == 404
    assert Rubric.objects.count() == 1


@pytest.mark.parametrize("name", [*READ, *WRITE])
def test_another_projects_rubric_is_not_found(help_rubric, elsewhere, name):
    path = {"rubric": "", "rubric-changes": "changes/", "rubric-edit": "edit/"}[name]
    assert elsewhere.get(f"/p/elsewhere/judges/rubrics/{help_rubric.pk}/{path}").status_code == 404


def test_saving_makes_a_version_and_keeps_the_one_before(help_rubric, as_role, address):
    client = as_role(Role.ENGINEER)
    answer = client.post(
        address("rubric-edit", help_rubric.pk), filled_in("c1", "c0", do="save", **{"c0-weight": "3"})
    )
    newest = Rubric.objects.get(version=2)
    assert answer.url == address("rubric", newest.pk)
    assert [(row.name, row.weight, row.scored_by) for row in newest.criteria.all()] == [
        ("Truth", 1.0, "people"),
        ("Clarity", 3.0, "judges"),
    ]
    assert newest.criteria.get(name="Clarity").anchors == {"1": "Muddled", "3": "Plain"}
    assert help_rubric.criteria.get(name="Clarity").weight == 2.0


def test_saving_what_is_there_already_makes_nothing(help_rubric, as_role, address):
    answer = as_role(Role.ENGINEER).post(address("rubric-edit", help_rubric.pk), filled_in(do="save"))
    assert answer.url == address("rubric", help_rubric.pk)
    assert Rubric.objects.count() == 1


@pytest.mark.parametrize(
    ("deed", "after"),
    [
        ("up-c1", ["c1", "c0"]),
        ("down-c0", ["c1", "c0"]),
        ("up-c0", ["c0", "c1"]),
        ("remove-c0", ["c1"]),
        ("add", ["c0", "c1", "c2"]),
        ("remove-c9", ["c0", "c1"]),
        ("preview", ["c0", "c1"]),
    ],
)
def test_a_button_rearranges_the_criteria_and_keeps_what_is_written(
    help_rubric, as_role, address, deed, after
):
    fields = filled_in(do=deed, **{"c1-description": "half a sent", "c1-weight": "not yet"})
    answer = as_role(Role.ENGINEER).post(address("rubric-edit", help_rubric.pk), fields)
    assert order(answer) == after
    page = answer.content.decode()
    assert "half a sent" in page
    assert 'value="not yet"' in page
    assert "errorlist" not in page
    assert Rubric.objects.count() == 1


def test_a_new_criterion_takes_nothing_from_one_that_was_taken_out(help_rubric, as_role, address):
    fields = filled_in("c1", do="add")  # c0 was taken out; its fields are still sent
    answer = as_role(Role.ENGINEER).post(address("rubric-edit", help_rubric.pk), fields)
    assert order(answer) == ["c1", "c0"]
    added = answer.context["form"].criteria[1]
    assert (added["name"].value(), added["scale_max"].value()) == (None, "5")


def test_the_anchors_follow_the_scale(help_rubric, as_role, address):
    client = as_role(Role.ENGINEER)

    def anchors(low: str, high: str) -> list[str]:
        fields = filled_in(**{"c0-scale_min": low, "c0-scale_max": high})
        form = client.post(address("rubric-edit", help_rubric.pk), fields).context["form"]
        return [anchor.name for anchor in form.criteria[0].anchors]

    assert anchors("0", "2") == ["anchor_0", "anchor_1", "anchor_2"]
    assert anchors("0", "100") == ["anchor_0", "anchor_1", "anchor_3", "anchor_50", "anchor_100"]
    assert anchors("", "9" * 5000) == []


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"c0-name": ""}, "This field is required."),
        ({"c0-weight": "-1"}, "greater than or equal to 0"),
        ({"c0-scored_by": "nobody"}, "Select a valid choice"),
        ({"c0-scale_max": "1"}, "must ascend"),
        ({"c1-name": "Clarity"}, "rename one of them"),
        ({"c0-name": "x" * 101}, "at most 100 characters"),
        ({"c0-weight": "nan"}, "Enter a number."),
    ],
)
def test_what_can_not_be_saved_is_told_and_nothing_is_lost(help_rubric, as_role, address, changes, told):
    fields = filled_in(do="save", instructions="Rewritten.", **changes)
    answer = as_role(Role.ENGINEER).post(address("rubric-edit", help_rubric.pk), fields)
    page = answer.content.decode()
    assert told in page
    assert "Rewritten." in page
    assert Rubric.objects.count() == 1


def test_a_new_rubric_does_not_take_the_name_of_another(help_rubric, as_role, address):
    answer = as_role(Role.ENGINEER).post(address("rubric-new"), filled_in(do="save"))
    assert "has a rubric of this name" in answer.content.decode()


def test_a_built_in_rubric_is_a_start(project, as_role, address):
    client = as_role(Role.ENGINEER)
    answer = client.get(address("rubric-new") + "?start=honesty")
    honesty = built_in_rubric("honesty")
    assert [form["name"].value() for form in answer.context["form"].criteria] == [
        criterion.name for criterion in honesty.criteria
    ]
    assert client.get(address("rubric-new") + "?start=nothing%00").status_code == 200


def test_the_rubric_that_people_score_is_marked(project, help_rubric, as_role, address):
    client = as_role(Role.REVIEWER)
    assert "people score it" in client.get(address("rubric", help_rubric.pk)).content.decode()
    newer = create_rubric(project=project, name="Other", instructions="Be brief.", criteria=(TRUTH,), by=None)
    assert "people score it" not in client.get(address("rubric", help_rubric.pk)).content.decode()
    assert client.get(address("rubrics")).content.decode().count("people score it") == 1
    assert [criterion.rubric_id for criterion in criteria_for_people(project.pk)] == [newer.pk]


def test_a_rubric_that_was_chosen_for_people_stays_theirs_whatever_judges_are_given(project, help_rubric):
    chosen = help_rubric.name
    set_answer_form(project=project, form=AnswerForm(), show_judges=False, rubric=chosen, by=None)
    create_rubric(project=project, name="Other", instructions="Be brief.", criteria=(TRUTH,), by=None)
    assert {criterion.rubric_id for criterion in criteria_for_people(project.pk)} == {help_rubric.pk}
    newer = create_rubric(project=project, name=chosen, instructions="Help.", criteria=(TRUTH,), by=None)
    assert {criterion.rubric_id for criterion in criteria_for_people(project.pk)} == {newer.pk}
    with pytest.raises(Refused, match="no rubric 'Nothing'"):
        set_answer_form(project=project, form=AnswerForm(), show_judges=False, rubric="Nothing", by=None)


def test_the_preview_shows_each_what_is_theirs(help_rubric, as_role, address):
    context = as_role(Role.REVIEWER).get(address("rubric", help_rubric.pk)).context
    assert [criterion.name for criterion in context["for_people"]] == ["Truth"]
    assert "Clarity" in context["for_judges"]
    assert "Truth" not in context["for_judges"]


def test_the_difference_between_versions_is_told_in_words(project, help_rubric, as_role, address):
    newer = create_rubric(
        project=project, name="Help", instructions="Be very helpful.", criteria=(CLARITY, TRUTH), by=None
    )
    page = as_role(Role.REVIEWER).get(address("rubric-changes", newer.pk)).content.decode()
    assert "<ins>very </ins>" in page
    same = as_role(Role.ENGINEER).get(address("rubric-changes", newer.pk) + f"?from={newer.pk}")
    assert "Both versions say the same." in same.content.decode()


@pytest.mark.parametrize(("form", "read"), [("json", json.loads), ("yaml", yaml.safe_load)])
def test_what_is_exported_can_be_imported(project, help_rubric, as_role, address, form, read):
    client = as_role(Role.ENGINEER)
    answer = client.get(address("rubric-export", help_rubric.pk, form))
    assert "attachment" in answer["Content-Disposition"]
    written = answer.content.decode()
    assert read(written)["criteria"][0]["name"] == "Clarity"
    client.post(address("rubric-import"), {"document": written})
    assert Rubric.objects.get() == help_rubric
    changed = written.replace("Be helpful.", "Be kind.")
    imported = client.post(address("rubric-import"), {"document": changed})
    assert imported.url == address("rubric", Rubric.objects.get(version=2).pk)
    assert Rubric.objects.get(version=2).instructions == "Be kind."


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("{", "is no JSON in line 1"),
        ("a: [", "is no YAML"),
        ("name: x\nweight: 1", "weight is not known"),
        ("", "required"),
    ],
)
def test_a_document_that_is_none_is_told_with_its_field(project, as_role, address, text, told):
    answer = as_role(Role.ENGINEER).post(address("rubric-import"), {"document": text})
    assert told in " ".join(answer.context["form"].errors["document"])
    assert text in answer.content.decode()
    assert not Rubric.objects.exists()


@pytest.mark.parametrize("name", ["rubrics", "rubric", "rubric-edit", "rubric-changes"])
def test_a_hostile_rubric_stays_text(project, as_role, address, name):
    criterion = CriterionText(HOSTILE[:100], HOSTILE, 1, 2, {1: HOSTILE})
    rubrics = [
        create_rubric(project=project, name=HOSTILE, instructions=words, criteria=(criterion,), by=None)
        for words in (HOSTILE, HOSTILE + "!")
    ]
    args = [] if name == "rubrics" else [rubrics[1].pk]
    page = as_role(Role.ENGINEER).get(address(name, *args)).content.decode()
    assert "<script>alert" not in page
    assert "&lt;script&gt;alert(1)" in page
    assert "{{ 7|add:7 }}" in page
