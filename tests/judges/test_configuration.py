"""Rubrics and judges are versions: a change makes a new one, the same content is the same one."""

import json
from dataclasses import replace

import pytest

from feedback.actions.projects import create_project
from feedback.actions.reviews import adjudicate
from feedback.answers import Verdict
from feedback.errors import Refused
from feedback.models import AuditEntry, Rater, RaterKind
from feedback.queries.review import review_state
from judges.actions.judges import create_judge_from
from judges.actions.questions import Questions
from judges.actions.rubrics import create_rubric
from judges.core.rendering import Example, system_text
from judges.core.rubric import CriterionText
from judges.models import Judge
from judges.queries import (
    adjudicated_comparisons,
    configuration_of,
    criteria_of,
    example_of,
    judge_document,
    judge_named,
    judge_text,
)

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


def test_a_judge_is_never_edited(make_judge):
    judge = make_judge()
    judge.model = "other"
    with pytest.raises(TypeError, match="never edited"):
        judge.save()


ADJUDICATED = Example(
    "c-1",
    [{"role": "user", "content": "My chair is late."}],
    ("Sorry!", "So what."),
    (1, 2),
    "It apologises.",
)
SCORED = replace(ADJUDICATED, scores={"tone": (3, 1)})
FULL = {
    "mode": "scores",
    "tie_margin": 0.5,
    "samples": 3,
    "use_reference": True,
    "family": "acme",
    "system_template": "{{fence}} {{rubric}} {{examples}} {{reply}}",
    "message_template": "{{conversation}} {{reference}} {{responses}}",
    "examples": (SCORED,),
    "parse_retries": 2,
    "price": {"input": "1.5", "output": "6"},
}


@pytest.mark.parametrize(
    "change",
    [
        {"mode": "best_of_n"},
        {"use_reference": True},
        {"system_template": "Be strict. {{fence}} {{rubric}} {{reply}}"},
        {"message_template": "{{conversation}} {{responses}}"},
        {"examples": (ADJUDICATED,)},
        {"parse_retries": 1},
        {"price": {"input": "1", "output": "2"}},
    ],
)
def test_each_part_of_the_configuration_counts(make_judge, change):
    make_judge()
    assert make_judge(**change).version == 2


def test_another_example_or_another_text_of_it_is_another_version(make_judge):
    versions = [make_judge(examples=()), make_judge(examples=(ADJUDICATED,))]
    versions += [make_judge(examples=(replace(ADJUDICATED, rationale="Kinder."),))]
    versions += [make_judge(examples=(replace(ADJUDICATED, comparison="c-2"),))]
    assert [judge.version for judge in versions] == [1, 2, 3, 4]


def test_a_judge_that_is_stored_shapes_its_requests_as_it_was_configured(make_judge, toned):
    judge = make_judge(rubric=toned, **FULL)
    text = judge_text(Judge.objects.get(pk=judge.pk))
    assert text.examples == (SCORED,)
    assert (text.mode, text.tie_margin, text.samples, text.use_reference) == ("scores", 0.5, 3, True)
    assert configuration_of(judge).price == {"input": "1.5", "output": "6"}


def test_criteria_that_only_people_score_are_not_asked_of_judges(project, make_judge):
    criteria = [TONE, CriterionText("gut", scored_by="people"), CriterionText("facts", scored_by="judges")]
    rubric = create_rubric(project=project, name="Mixed", instructions="", criteria=criteria, by=None)
    assert [criterion.name for criterion in judge_text(make_judge(rubric=rubric)).criteria] == [
        "tone",
        "facts",
    ]


def test_pass_or_fail_knows_no_order(make_judge):
    assert not make_judge(mode="pass_fail").both_orders


@pytest.mark.parametrize(
    ("changes", "field", "said"),
    [
        ({"mode": "gut"}, "mode", "must be one of pairwise"),
        ({"mode": "scores"}, "mode", "no criterion"),
        ({"tie_margin": 0.5}, "tie_margin", "for the mode 'scores' alone"),
        ({"tie_margin": -1.0}, "tie_margin", "from 0"),
        ({"tie_margin": float("nan")}, "tie_margin", "from 0"),
        ({"parse_retries": 4}, "parse_retries", "from 0 to 3"),
        ({"family": "x" * 61}, "family", "at most 60"),
        ({"system_template": "{{fence}} {{rubric}}"}, "system_template", "needs the slot {{reply}}"),
        ({"message_template": "{{conversation}} {{x}}"}, "message_template", "the slot {{x}}"),
        ({"price": {"input": "1"}}, "price", "needs a price of input and of output"),
        ({"price": {"input": "1", "output": "-2"}}, "price", "is no price"),
        ({"price": {"input": "1", "output": "2", "tea": "3"}}, "price", "what applies"),
        ({"mode": "pass_fail", "examples": (ADJUDICATED,)}, "examples", "does not say who passes"),
        ({"examples": (ADJUDICATED,) * 21}, "examples", "at most 20"),
        ({"examples": (replace(ADJUDICATED, ranking=(1,)),)}, "examples", r"examples[0].ranking"),
        ({"examples": (replace(ADJUDICATED, ranking=(1, 3)),)}, "examples", "count from 1 without gaps"),
        (
            {"examples": (replace(ADJUDICATED, responses=("a", "b", "c"), ranking=(1, 2, 3)),)},
            "examples",
            "must be two",
        ),
        (
            {"mode": "best_of_n", "examples": (replace(ADJUDICATED, ranking=(1, 1)),)},
            "examples",
            "one best response",
        ),
        ({"examples": (replace(ADJUDICATED, prompt=[]),)}, "examples", "must be a list of messages"),
        ({"examples": (replace(ADJUDICATED, rationale="\x00"),)}, "examples", "NUL"),
        ({"examples": (replace(ADJUDICATED, rationale="x" * 200_001),)}, "examples", "longer than"),
    ],
)
def test_a_configuration_that_makes_no_judge_is_refused_by_its_field(make_judge, changes, field, said):
    with pytest.raises(Refused) as refused:
        make_judge(**changes)
    assert refused.value.field == field
    assert said in refused.value.sentence
    assert not Judge.objects.exists()


def test_an_example_needs_the_levels_that_the_judge_has_to_give(make_judge, toned):
    with pytest.raises(Refused, match=r"examples\[0\]\.scores need a level from 1 to 3 .* on 'tone'"):
        make_judge(rubric=toned, mode="scores", examples=(ADJUDICATED,))
    with pytest.raises(Refused, match="need a level from 1 to 3"):
        make_judge(rubric=toned, examples=(replace(SCORED, scores={"tone": (4, 1)}),))


def test_a_judge_goes_out_as_a_document_and_comes_back_the_same(project, make_judge, toned):
    judge = make_judge(rubric=toned, **FULL)
    document = json.loads(json.dumps(judge_document(judge)))
    assert create_judge_from(project=project, document=document, by=None) == judge
    elsewhere = create_judge_from(project=create_project(name="Other", by=None), document=document, by=None)
    assert judge_text(elsewhere) == judge_text(judge)
    assert elsewhere.rubric.sha256 == toned.sha256


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"name": 3}, "name"),
        ({"rubric": None}, "rubric"),
        ({"rubric": {"name": "R", "criteria": [{"name": "x", "weight": "y"}]}}, "rubric"),
        ({"provider": None}, "provider"),
        ({"provider": "acme"}, "settings"),
        ({"modell": "x"}, "modell"),
        ({"samples": "3"}, "samples"),
        ({"samples": True}, "samples"),
        ({"both_orders": 1}, "both_orders"),
        ({"settings": []}, "settings"),
        ({"examples": {}}, "examples"),
        ({"examples": ["x"]}, "examples"),
        ({"examples": [{"comparison": "x", "prompt": [], "responses": "ab", "ranking": []}]}, "examples"),
        ({"price": "free"}, "price"),
    ],
)
def test_a_document_that_makes_no_judge_is_refused_by_its_field(project, make_judge, changes, field):
    document = judge_document(make_judge()) | changes
    with pytest.raises(Refused) as refused:
        create_judge_from(project=project, document=document, by=None)
    assert refused.value.field == field


def test_a_verdict_needs_no_levels_in_its_examples(make_judge, toned):
    system = system_text(judge_text(make_judge(rubric=toned, examples=(ADJUDICATED,))))
    assert '{"rationale": "It apologises.", "verdict": "' in system
    assert '"scores": {"' not in system


@pytest.fixture
def decided(project, make_comparisons, make_user):
    """Two comparisons, of which the first has been decided by a reviewer."""
    decided, open_one = make_comparisons(project, 2)
    reviewer = make_user("rita", project=project, role="reviewer")
    adjudicate(
        comparison=decided,
        verdict=Verdict(ranking=(2, 1), rationale="The second is right."),
        seen=review_state(decided.pk),
        by=reviewer,
    )
    return decided, open_one


def test_what_a_reviewer_has_decided_becomes_an_example_whole(project, decided, make_judge):
    comparison, open_one = decided
    assert list(adjudicated_comparisons(project)) == [comparison]
    example = example_of(comparison)
    texts = [slot.response.text for slot in comparison.slots.all()]
    assert (example.comparison, example.ranking) == (comparison.external_id, (2, 1))
    assert (list(example.responses), example.rationale) == (texts, "The second is right.")
    make_judge(examples=(example,))
    with pytest.raises(Refused, match="No reviewer has decided"):
        example_of(open_one)


def test_a_judge_is_not_shown_the_decision_on_what_it_judges(decided, make_judge):
    comparison, open_one = decided
    questions = Questions.of(make_judge(examples=(example_of(comparison),)))
    assert all("The second is right." not in call.request.system for call in questions.calls(comparison))
    assert all("The second is right." in call.request.system for call in questions.calls(open_one))


def test_an_example_stays_when_its_decision_changes(decided, make_judge):
    comparison, _ = decided
    judge = make_judge(examples=(example_of(comparison),))
    comparison.judgments.filter(adjudicates=True).update(rationale="Changed.")
    assert judge_text(Judge.objects.get(pk=judge.pk)).examples[0].rationale == "The second is right."
