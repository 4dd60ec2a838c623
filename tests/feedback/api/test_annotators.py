"""An annotator who works through the API, and what they are never told."""

import json
import uuid

import pytest

from feedback.actions.assignments import expire_assignments
from feedback.models import Assignment, Judgment, Role
from feedback.records import JudgmentRecord


@pytest.fixture
def ana(make_user, project):
    return make_user("ana", project=project, role=Role.ANNOTATOR)


@pytest.fixture
def client(ana, make_client):
    return make_client(ana)


@pytest.fixture
def take(client, project):
    return lambda: client.post(f"/api/v1/projects/{project.slug}/assignments/next").json()["assignment"]


@pytest.fixture
def submit(client, project):
    def submit(**fields):
        fields.setdefault("submission_id", str(uuid.uuid4()))
        return client.post(
            f"/api/v1/projects/{project.slug}/judgments/submit", fields, content_type="application/json"
        )

    return submit


def test_a_comparison_is_taken_judged_and_read_back(project, make_comparisons, take, submit, client):
    make_comparisons(project, 1)
    taken = take()
    assert [response["label"] for response in taken["responses"]] == ["A", "B"]
    response = submit(
        comparison=taken["comparison"], ranking={"A": 2, "B": 1}, strength=3, seconds=4.5, rationale="Kind."
    )
    assert response.status_code == 200
    judgment = Judgment.objects.get()
    best = judgment.comparison.slots.get(position=judgment.ranking.index(1))
    assert best.response.text == taken["responses"][1]["text"]
    (own,) = client.get(f"/api/v1/projects/{project.slug}/judgments/mine").json()["results"]
    assert own == response.json()
    assert own["ranking"] == {"A": 2, "B": 1}
    assert take() is None


def test_an_annotator_is_told_no_source_and_no_judgment_of_others(
    project, make_comparisons, take, submit, client
):
    judge = JudgmentRecord(
        rater="claude", kind="judge", ranking={"a": 1, "b": 2}, rationale="Secret reasons."
    )
    make_comparisons(project, 1, [judge])
    taken = take()
    stored = submit(comparison=taken["comparison"], ranking={"A": 1, "B": 1}).json()
    mine = client.get(f"/api/v1/projects/{project.slug}/judgments/mine").json()
    told = json.dumps([taken, stored, mine])
    for secret in ("model-x", "model-y", "claude", "Secret", '"q0"', '"even"'):
        assert secret not in told


def test_the_same_assignment_is_given_until_it_is_answered(project, make_comparisons, take):
    make_comparisons(project, 2)
    assert take()["comparison"] == take()["comparison"]
    assert Assignment.objects.count() == 1


def test_a_submission_sent_twice_is_stored_once(project, make_comparisons, take, submit):
    make_comparisons(project, 1)
    comparison = take()["comparison"]
    answer = {"comparison": comparison, "submission_id": str(uuid.uuid4()), "ranking": {"A": 1, "B": 2}}
    assert submit(**answer).json() == submit(**answer).json()
    assert Judgment.objects.count() == 1


def test_a_second_answer_replaces_the_first(project, make_comparisons, take, submit):
    make_comparisons(project, 1)
    comparison = take()["comparison"]
    submit(comparison=comparison, ranking={"A": 1, "B": 2})
    submit(comparison=comparison, ranking={"A": 1, "B": 1})
    assert list(Judgment.objects.filter(current=True).values_list("ranking", flat=True)) == [(1, 1)]
    assert Judgment.objects.count() == 2


def test_a_skip_has_no_ranking(project, make_comparisons, take, submit):
    make_comparisons(project, 1)
    assert submit(comparison=take()["comparison"], outcome="skipped").json()["ranking"] == {}
    assert take() is None


def test_a_submission_id_belongs_to_one_comparison(project, make_comparisons, take, submit):
    make_comparisons(project, 2)
    submission_id = str(uuid.uuid4())
    submit(comparison=take()["comparison"], submission_id=submission_id, ranking={"A": 1, "B": 2})
    response = submit(comparison=take()["comparison"], submission_id=submission_id, ranking={"A": 1, "B": 2})
    assert response.status_code == 400
    assert response.json()["error"]["field"] == "submission_id"
    assert Judgment.objects.count() == 1


def test_a_comparison_that_is_not_assigned_can_not_be_judged(project, make_comparisons, take, submit):
    first, second = make_comparisons(project, 2)
    taken = take()["comparison"]
    other = ({first.pk, second.pk} - {taken}).pop()
    response = submit(comparison=other, ranking={"A": 1, "B": 2})
    assert response.status_code == 400
    assert response.json()["error"]["field"] == "comparison"
    assert Judgment.objects.count() == 0


def test_an_answer_after_the_lease_was_given_away_is_refused(project, make_comparisons, take, submit):
    make_comparisons(project, 1)
    comparison = take()["comparison"]
    Assignment.objects.update(expires_at="2020-01-01T00:00:00Z")
    expire_assignments()
    assert submit(comparison=comparison, ranking={"A": 1, "B": 2}).status_code == 400


@pytest.fixture
def rubric(project):
    from feedback.models import Criterion, Rubric

    rubric = Rubric.objects.create(project=project, name="Politeness", sha256="0" * 64)
    return Criterion.objects.create(rubric=rubric, name="polite", scale_min=1, scale_max=5)


def test_scores_are_stored_by_position(project, make_comparisons, take, submit, rubric):
    make_comparisons(project, 1)
    taken = take()
    assert [criterion["name"] for criterion in taken["criteria"]] == ["polite"]
    submit(
        comparison=taken["comparison"],
        ranking={"A": 1, "B": 2},
        scores={"A": {"polite": 5}, "B": {"polite": 1}},
    )
    judgment = Judgment.objects.get()
    levels = dict(judgment.scores.values_list("position", "value"))
    assert levels == {judgment.ranking.index(1): 5, judgment.ranking.index(2): 1}


@pytest.mark.parametrize(
    ("fields", "at_fault"),
    [
        ({}, "ranking"),
        ({"ranking": {"A": 1}}, "ranking"),
        ({"ranking": {"A": 1, "C": 2}}, "ranking"),
        ({"ranking": {"A": 1, "B": 3}}, "ranking"),
        ({"ranking": {"A": 1, "B": 10**30}}, "ranking.B"),
        ({"ranking": {"A": 1, "B": "\x00"}}, "ranking.B"),
        ({"ranking": {"A": 1, "B": 2, "\ud800": 1}}, "ranking"),
        ({"ranking": [1, 2]}, "ranking"),
        ({"ranking": {"A": 1, "B": 2}, "outcome": "skipped"}, "ranking"),
        ({"ranking": {"A": 1, "B": 2}, "outcome": "refused"}, "outcome"),
        ({"ranking": {"A": 1, "B": 2}, "seconds": "nan"}, "seconds"),
        ({"ranking": {"A": 1, "B": 2}, "seconds": -1}, "seconds"),
        ({"ranking": {"A": 1, "B": 2}, "strength": 10**9}, "strength"),
        ({"ranking": {"A": 1, "B": 2}, "rationale": "a\x00b"}, "rationale"),
        ({"ranking": {"A": 1, "B": 2}, "rationale": "\ud800"}, "rationale"),
        ({"ranking": {"A": 1, "B": 2}, "scores": {"A": {"polite": 9}}}, "scores"),
        ({"ranking": {"A": 1, "B": 2}, "scores": {"A": {"rude": 1}}}, "scores"),
        ({"ranking": {"A": 1, "B": 2}, "scores": {"Z": {"polite": 1}}}, "scores"),
        ({"ranking": {"A": 1, "B": 2}, "scores": {"A": "x"}}, "scores.A"),
        ({"ranking": {"A": 1, "B": 2}, "submission_id": "x"}, "submission_id"),
        ({"ranking": {"A": 1, "B": 2}, "comparison": 10**30}, "comparison"),
        ({"ranking": {"A": 1, "B": 2}, "comparison": 2**62}, "comparison"),
        ({"ranking": {"A": 1, "B": 2}, "rater": "bob"}, "rater"),
    ],
)
def test_a_bad_answer_is_refused_and_names_its_field(
    project, make_comparisons, take, submit, rubric, fields, at_fault
):
    make_comparisons(project, 1)
    response = submit(**{"comparison": take()["comparison"], **fields})
    assert response.status_code == 400
    error = response.json()["error"]
    assert error["field"] == at_fault
    assert error["message"]
    assert Judgment.objects.count() == 0
