"""An annotator who works through the API, and what they are never told."""

import json
import uuid

import pytest

from feedback.actions.answer_forms import set_answer_form
from feedback.actions.assignments import expire_assignments
from feedback.actions.guidelines import mark_read
from feedback.actions.projects import rater_of
from feedback.answers import AnswerForm
from feedback.models import Assignment, Criterion, Judgment, QueueItem, Role, Rubric
from feedback.records import JudgmentRecord

EVERYTHING = AnswerForm(
    choice="strength", points=7, all_bad=True, scores=True, spans=True, rationale="required", flags=True
)


@pytest.fixture
def ana(make_user, project):
    user = make_user("ana", project=project, role=Role.ANNOTATOR)
    mark_read(rater=rater_of(project=project, user=user), version=1)
    return user


@pytest.fixture
def ask(ana, make_client, project):
    client = make_client(ana)

    def ask(what, **fields):
        return client.post(f"/api/v1/projects/{project.slug}/{what}", fields, content_type="application/json")

    return ask


@pytest.fixture
def take(ask):
    def take(count=1):
        return ask("assignments/take", count=count).json()["assignments"]

    return take


@pytest.fixture
def submit(ask):
    def submit(**fields):
        return ask("judgments/submit", **{"submission_id": str(uuid.uuid4()), **fields})

    return submit


@pytest.fixture
def mine(ana, make_client, project):
    return lambda: make_client(ana).get(f"/api/v1/projects/{project.slug}/judgments/mine").json()["results"]


@pytest.fixture
def rubric(project):
    rubric = Rubric.objects.create(project=project, name="Politeness", sha256="0" * 64)
    Criterion.objects.create(rubric=rubric, name="safe", scored_by="judges", position=1)
    return Criterion.objects.create(rubric=rubric, name="polite", scale_min=1, scale_max=5)


def use(project, form):
    set_answer_form(project=project, form=form, show_judges=False, by=None)


def test_what_is_taken_is_judged_and_read_back(project, make_comparisons, take, submit, mine):
    make_comparisons(project, 1)
    (taken,) = take()
    assert [response["label"] for response in taken["responses"]] == ["A", "B"]
    assert taken["asked"]["choice"] == "pair"
    assert taken["criteria"] == []
    response = submit(
        assignment=taken["assignment"], ranking={"A": 2, "B": 1}, seconds=4.5, rationale="Kind."
    )
    assert response.status_code == 200
    judgment = Judgment.objects.get()
    best = judgment.comparison.slots.get(position=judgment.ranking.index(1))
    assert best.response.text == taken["responses"][1]["text"]
    (own,) = mine()
    assert own == response.json()
    assert own["ranking"] == {"A": 2, "B": 1}
    assert take() == []


def test_an_answer_with_every_field_is_read_back(project, make_comparisons, take, submit, mine, rubric):
    make_comparisons(project, 1)
    use(project, EVERYTHING)
    (taken,) = take()
    assert taken["asked"] == {
        "choice": "strength", "ties": True, "strengths": 3, "rationale": "required", "all_bad": True,
        "spans": True, "flags": True,
    }  # fmt: skip
    assert [criterion["name"] for criterion in taken["criteria"]] == ["polite"]
    Assignment.objects.update(shown=(1, 0))
    said = {
        "ranking": {"A": 1, "B": 2},
        "strength": 3,
        "all_bad": True,
        "rationale": "Kind.",
        "scores": {"A": {"polite": 5}, "B": {"polite": 1}},
        "spans": [{"label": "A", "start": 0, "end": 6, "comment": "Says it."}],
        "flags": ["broken", "unsafe"],
    }
    stored = submit(assignment=taken["assignment"], **said).json()
    assert {name: stored[name] for name in said} == said
    assert mine() == [stored]
    judgment = Judgment.objects.get()
    assert (judgment.ranking, judgment.strength, judgment.all_bad) == ((2, 1), 3, True)
    assert dict(judgment.scores.values_list("position", "value")) == {1: 5, 0: 1}
    assert judgment.spans.get().position == 1


def test_an_annotator_is_told_no_source_and_no_judgment_of_others(
    project, make_comparisons, take, submit, mine
):
    judge = JudgmentRecord(
        rater="claude", kind="judge", ranking={"a": 1, "b": 2}, rationale="Secret reasons."
    )
    make_comparisons(project, 2, [judge])
    taken = take()
    stored = submit(assignment=taken[0]["assignment"], ranking={"A": 1, "B": 1}).json()
    told = json.dumps([taken, stored, mine()])
    for secret in ("model-x", "model-y", "claude", "Secret", '"q0"', '"even"', '"comparison"', "purpose"):
        assert secret not in told


def test_so_many_are_held_as_are_asked_for_and_no_more_than_a_batch(project, make_comparisons, take):
    make_comparisons(project, 4)
    (first,) = take()
    assert take(count=2)[0]["assignment"] == first["assignment"]
    assert take(count=50) == take(count=2)
    assert len(take()) == 1
    assert Assignment.objects.count() == project.batch_size == 2


def test_leases_are_renewed_and_given_back(project, make_comparisons, take, ask):
    make_comparisons(project, 1)
    number = take()[0]["assignment"]
    Assignment.objects.update(expires_at="2026-01-01T00:00:00Z")
    assert ask("assignments/renew", assignments=[number, 999]).json() == {"held": 1}
    assert Assignment.objects.get().expires_at.date().isoformat() > "2026-01-01"
    assert ask("assignments/release", assignments=[number]).json() == {"held": 1}
    assert Assignment.objects.get().expires_at is None
    assert QueueItem.objects.get().slots_free == project.overlap


def test_an_answer_is_taken_back_and_given_again(project, make_comparisons, take, submit, ask):
    make_comparisons(project, 2)
    (taken,) = take()
    submit(assignment=taken["assignment"], ranking={"A": 1, "B": 2})
    assert ask("judgments/undo").json()["assignment"]["assignment"] == taken["assignment"]
    assert take()[0]["assignment"] == taken["assignment"]
    submit(assignment=taken["assignment"], ranking={"A": 1, "B": 1})
    assert list(Judgment.objects.filter(current=True).values_list("ranking", flat=True)) == [(1, 1)]


def test_with_nothing_to_take_back_undo_is_refused(project, ask):
    response = ask("judgments/undo")
    assert response.status_code == 400
    assert "nothing to undo" in response.json()["error"]["message"]


def test_a_paused_project_gives_nothing(project, make_comparisons, ask):
    make_comparisons(project, 1)
    project.paused = True
    project.save()
    response = ask("assignments/take")
    assert response.status_code == 400
    assert response.json()["error"]["field"] == "paused"


def test_a_submission_sent_twice_is_stored_once(project, make_comparisons, take, submit):
    make_comparisons(project, 1)
    answer = {
        "assignment": take()[0]["assignment"],
        "submission_id": str(uuid.uuid4()),
        "ranking": {"A": 1, "B": 2},
    }
    assert submit(**answer).json() == submit(**answer).json()
    assert Judgment.objects.count() == 1


def test_a_second_answer_replaces_the_first(project, make_comparisons, take, submit):
    make_comparisons(project, 1)
    number = take()[0]["assignment"]
    submit(assignment=number, ranking={"A": 1, "B": 2})
    submit(assignment=number, ranking={"A": 1, "B": 1})
    assert list(Judgment.objects.filter(current=True).values_list("ranking", flat=True)) == [(1, 1)]
    assert Judgment.objects.count() == 2


def test_a_skip_has_a_reason_and_no_ranking(project, make_comparisons, take, submit):
    make_comparisons(project, 1)
    number = take()[0]["assignment"]
    skip = {
        "assignment": number,
        "outcome": "skipped",
        "skip_reason": "lacks_knowledge",
        "rationale": "Chess.",
    }
    stored = submit(**skip).json()
    assert stored["ranking"] == {}
    assert stored["rationale"] == "lacks_knowledge: Chess."
    assert take() == []


def test_where_people_only_score_the_ranking_follows(project, make_comparisons, take, submit, rubric):
    make_comparisons(project, 1)
    use(project, AnswerForm(choice="none", scores=True))
    (taken,) = take()
    assert taken["asked"]["choice"] == "none"
    stored = submit(assignment=taken["assignment"], scores={"A": {"polite": 2}, "B": {"polite": 4}}).json()
    assert stored["ranking"] == {"A": 2, "B": 1}


def test_a_submission_id_belongs_to_one_comparison(project, make_comparisons, take, submit):
    make_comparisons(project, 2)
    submission_id = str(uuid.uuid4())
    submit(assignment=take()[0]["assignment"], submission_id=submission_id, ranking={"A": 1, "B": 2})
    again = {
        "assignment": take()[0]["assignment"],
        "submission_id": submission_id,
        "ranking": {"A": 1, "B": 2},
    }
    response = submit(**again)
    assert response.status_code == 400
    assert response.json()["error"]["field"] == "submission_id"
    assert Judgment.objects.count() == 1


def test_what_others_hold_can_not_be_answered(project, make_comparisons, make_user, submit):
    make_comparisons(project, 1)
    bob = rater_of(project=project, user=make_user("bob"))
    theirs = Assignment.objects.create(rater=bob, comparison=project.comparisons.get(), shown=(0, 1))
    response = submit(assignment=theirs.pk, ranking={"A": 1, "B": 2})
    assert response.status_code == 400
    assert response.json()["error"]["field"] == "assignment"
    assert Judgment.objects.count() == 0


def test_an_answer_that_nobody_wants_any_more_is_refused(project, make_comparisons, take, submit):
    make_comparisons(project, 1)
    number = take()[0]["assignment"]
    Assignment.objects.update(expires_at="2020-01-01T00:00:00Z")
    expire_assignments()
    QueueItem.objects.update(slots_free=0)
    assert submit(assignment=number, ranking={"A": 1, "B": 2}).status_code == 400


RANKED = {"ranking": {"A": 1, "B": 2}, "strength": 1, "rationale": "Kind."}
SCORED = {**RANKED, "scores": {"A": {"polite": 1}, "B": {"polite": 1}}}


@pytest.mark.parametrize(
    ("fields", "at_fault"),
    [
        ({**SCORED, "ranking": {}}, "ranking"),
        ({**SCORED, "ranking": {"A": 1}}, "ranking"),
        ({**SCORED, "ranking": {"A": 1, "C": 2}}, "ranking"),
        ({**SCORED, "ranking": {"A": 1, "B": 3}}, "ranking"),
        ({**SCORED, "ranking": {"A": 1, "B": 10**30}}, "ranking.B"),
        ({**SCORED, "ranking": {"A": 1, "B": "\x00"}}, "ranking.B"),
        ({**SCORED, "ranking": {"A": 1, "B": 2, "\ud800": 1}}, "ranking"),
        ({**SCORED, "ranking": [1, 2]}, "ranking"),
        ({"ranking": {"A": 1, "B": 2}, "outcome": "skipped", "skip_reason": "unsure"}, "ranking"),
        ({"outcome": "skipped"}, "skip_reason"),
        ({"outcome": "skipped", "skip_reason": "tired"}, "skip_reason"),
        ({"outcome": "skipped", "skip_reason": "unsure", "all_bad": True}, "all_bad"),
        ({"outcome": "skipped", "skip_reason": "unsure", "strength": 1}, "strength"),
        ({**SCORED, "skip_reason": "unsure"}, "skip_reason"),
        ({**SCORED, "outcome": "refused"}, "outcome"),
        ({**SCORED, "seconds": "nan"}, "seconds"),
        ({**SCORED, "seconds": -1}, "seconds"),
        ({**SCORED, "strength": 10**9}, "strength"),
        ({**SCORED, "strength": 4}, "strength"),
        ({**SCORED, "strength": None}, "strength"),
        ({**SCORED, "ranking": {"A": 1, "B": 1}}, "strength"),
        ({**SCORED, "rationale": "a\x00b"}, "rationale"),
        ({**SCORED, "rationale": "\ud800"}, "rationale"),
        ({**SCORED, "rationale": " "}, "rationale"),
        (RANKED, "scores"),
        ({**RANKED, "scores": {"A": {"polite": 9}, "B": {"polite": 1}}}, "scores"),
        ({**RANKED, "scores": {"A": {"polite": 1}}}, "scores"),
        ({**RANKED, "scores": {"A": {"rude": 1}}}, "scores"),
        ({**RANKED, "scores": {"A": {"safe": 1}}}, "scores"),
        ({**RANKED, "scores": {"Z": {"polite": 1}}}, "scores"),
        ({**RANKED, "scores": {"A": "x"}}, "scores.A"),
        ({**SCORED, "spans": [{"label": "A", "start": 0, "end": 900, "comment": "x"}]}, "spans"),
        ({**SCORED, "spans": [{"label": "C", "start": 0, "end": 1, "comment": "x"}]}, "spans"),
        ({**SCORED, "spans": [{"label": "A", "start": 0, "end": 1}]}, "spans[0].comment"),
        ({**SCORED, "flags": ["rude"]}, "flags[0]"),
        ({**SCORED, "flags": ["broken", "broken"]}, "flags"),
        ({**SCORED, "submission_id": "x"}, "submission_id"),
        ({**SCORED, "assignment": 10**30}, "assignment"),
        ({**SCORED, "assignment": 2**62}, "assignment"),
        ({**SCORED, "comparison": 1}, "comparison"),
        ({**SCORED, "rater": "bob"}, "rater"),
    ],
)
def test_a_bad_answer_is_refused_and_names_its_field(
    project, make_comparisons, take, submit, rubric, fields, at_fault
):
    make_comparisons(project, 1)
    use(project, EVERYTHING)
    response = submit(**{"assignment": take()[0]["assignment"], **fields})
    assert response.status_code == 400
    error = response.json()["error"]
    assert error["field"] == at_fault
    assert error["message"]
    assert Judgment.objects.count() == 0


@pytest.mark.parametrize(
    ("fields", "at_fault"),
    [
        ({"strength": 1}, "strength"),
        ({"scores": {"A": {"polite": 1}, "B": {"polite": 1}}}, "scores"),
        ({"spans": [{"label": "A", "start": 0, "end": 1, "comment": "x"}]}, "spans"),
        ({"flags": ["broken"]}, "flags"),
        ({"all_bad": True}, "all_bad"),
        ({"rationale": "Kind."}, "rationale"),
        ({"ranking": {"A": 1, "B": 1}}, "ranking"),
    ],
)
def test_what_the_project_does_not_ask_for_is_refused(
    project, make_comparisons, take, submit, rubric, fields, at_fault
):
    make_comparisons(project, 1)
    use(project, AnswerForm(tie=False, rationale="off"))
    response = submit(**{"assignment": take()[0]["assignment"], "ranking": {"A": 1, "B": 2}, **fields})
    assert response.status_code == 400
    assert response.json()["error"]["field"] == at_fault
    assert Judgment.objects.count() == 0
