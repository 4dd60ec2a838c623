"""Rubrics and judges are versions: a change makes a new one, the same content is the same one."""

import pytest

from feedback.actions.projects import create_project
from feedback.errors import Refused
from feedback.models import AuditEntry, Rater, RaterKind
from judges.actions.judges import create_rules_judge
from judges.actions.rubrics import create_rubric
from judges.core.rubric import CriterionText
from judges.queries import criteria_of, judge_named

TONE = CriterionText("tone", "How it sounds.", 1, 3, {1: "rude", 3: "warm"}, weight=2)


def test_the_same_rubric_is_the_version_that_is_there(project, rubric):
    again = create_rubric(project=project, name="Helpful", instructions="Prefer the helpful answer.", by=None)
    assert again == rubric
    assert AuditEntry.objects.filter(verb="create", target="rubric").count() == 1


def test_a_changed_rubric_is_a_new_version(project, rubric):
    changed = create_rubric(project=project, name="Helpful", instructions="Prefer the short answer.", by=None)
    assert (rubric.version, changed.version) == (1, 2)
    assert rubric.sha256 != changed.sha256


def test_criteria_are_stored_in_their_order_and_read_back(project):
    criteria = [TONE, CriterionText("accuracy")]
    stored = create_rubric(project=project, name="Two", instructions="", criteria=criteria, by=None)
    assert criteria_of(stored) == tuple(criteria)


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"name": " "}, "name"),
        ({"instructions": " "}, "instructions"),
        ({"criteria": [TONE, TONE]}, "criteria"),
        ({"criteria": [CriterionText("tone", scale_min=3, scale_max=3)]}, "criteria"),
        ({"criteria": [CriterionText("tone", scale_max=500)]}, "criteria"),
        ({"criteria": [CriterionText("tone", scale_min=40_000, scale_max=40_001)]}, "criteria"),
        ({"criteria": [CriterionText("tone", weight=-1)]}, "criteria"),
        ({"criteria": [CriterionText("tone", anchors={9: "?"})]}, "criteria"),
        ({"criteria": [CriterionText("")]}, "criteria"),
    ],
)
def test_a_rubric_that_makes_no_sense_is_refused(project, changes, field):
    with pytest.raises(Refused) as refused:
        create_rubric(project=project, **({"name": "R", "instructions": "x", "by": None} | changes))
    assert refused.value.field == field


def test_a_judge_has_a_rater_for_each_version(make_judge):
    first, second = make_judge(), make_judge(settings={"rules": [], "length_weight": 1.0})
    assert (first.version, first.rater.name) == (1, "careful")
    assert (second.version, second.rater.name) == (2, "careful v2")
    assert first.rater.kind == RaterKind.JUDGE
    assert judge_named(first.project, "careful") == second


def test_the_same_configuration_is_the_same_judge(make_judge):
    assert make_judge() == make_judge()
    assert Rater.objects.filter(kind=RaterKind.JUDGE).count() == 1


@pytest.mark.parametrize(
    "change",
    [
        {"both_orders": False},
        {"samples": 3},
        {"family": "acme"},
        {"model": "rules-2"},
        {"settings": {"rules": []}},
    ],
)
def test_any_change_of_configuration_is_a_new_version(make_judge, change):
    make_judge()
    assert make_judge(**change).version == 2


def test_a_new_version_of_the_rubric_is_a_new_version_of_the_judge(project, make_judge):
    make_judge()
    changed = create_rubric(project=project, name="Helpful", instructions="Prefer the short answer.", by=None)
    assert make_judge(rubric=changed).version == 2


def test_settings_that_can_not_be_used_are_refused_by_name(make_judge):
    with pytest.raises(Refused, match=r"The judge's rules\[0\]\.pattern is no regular expression") as refused:
        make_judge(settings={"rules": [{"pattern": "(", "weight": 1}]})
    assert refused.value.field == "settings"
    assert not Rater.objects.filter(kind=RaterKind.JUDGE).exists()


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"samples": 0}, "samples"),
        ({"samples": 10}, "samples"),
        ({"model": ""}, "model"),
        ({"name": " "}, "name"),
    ],
)
def test_a_configuration_out_of_bounds_is_refused(make_judge, change, field):
    with pytest.raises(Refused) as refused:
        make_judge(**change)
    assert refused.value.field == field


def test_the_name_of_a_rater_from_a_file_is_taken(project, make_judge, make_rater):
    make_rater(project, "careful", kind="judge")
    with pytest.raises(Refused, match="choose another name"):
        make_judge()


def test_another_projects_rubric_is_refused(make_judge):
    other = create_project(name="Other", by=None)
    foreign = create_rubric(project=other, name="Theirs", instructions="x", by=None)
    with pytest.raises(Refused, match="another project"):
        make_judge(rubric=foreign)


def test_a_rules_judge_that_is_refused_leaves_no_rubric(project):
    with pytest.raises(Refused):
        create_rules_judge(
            project=project, name="bad", instructions="x", settings={}, both_orders=True, by=None
        )
    assert not project.rubrics.exists()


def test_a_judge_is_never_edited(make_judge):
    judge = make_judge()
    judge.model = "other"
    with pytest.raises(TypeError, match="never edited"):
        judge.save()
