"""A reviewer who works through the API."""

import pytest

from feedback.models import Judgment, Role
from feedback.records import JudgmentRecord

SPLIT = [
    JudgmentRecord(rater="ana", kind="human", ranking={"a": 1, "b": 2}),
    JudgmentRecord(rater="ben", kind="human", ranking={"a": 2, "b": 1}),
]


@pytest.fixture
def disputed(project, make_comparisons):
    return make_comparisons(project, 2, SPLIT)


@pytest.fixture
def ask(project, make_user, make_client):
    """The review's address for somebody with this role, read or, with fields, posted to."""

    def ask(address="", role=Role.REVIEWER, **fields):
        member = project.members.filter(role=role).first()
        user = member.user if member else make_user(f"one-{role}", project=project, role=role)
        client, url = make_client(user), f"/api/v1/projects/{project.slug}/review{address}"
        return client.post(url, fields, content_type="application/json") if fields else client.get(url)

    return ask


def test_what_waits_is_listed_and_narrowed(ask, disputed):
    page = ask("?conflict=any&tag=even").json()
    assert page == {
        "results": [
            {
                "number": disputed[0].pk,
                "comparison": "q0",
                "people": 2,
                "agreement": 0.0,
                "conflict": True,
                "flags": 0,
            }
        ],
        "next": None,
    }
    assert [row["comparison"] for row in ask(f"?after=0.{disputed[0].pk}").json()["results"]] == ["q1"]


@pytest.mark.parametrize("query", ["flag=odd", "colour=red", "after=nowhere"])
def test_a_filter_that_is_none_is_refused(ask, disputed, query):
    response = ask(f"?{query}")
    assert response.status_code == 400
    assert response.json()["error"]["field"] == query.split("=")[0]


def test_a_decision_is_made_on_what_was_seen(ask, disputed):
    number = disputed[0].pk
    case = ask(f"/{number}").json()
    assert [row["rater"] for row in case["judgments"]] == ["ana", "ben"]
    assert case["responses"][0] == {"id": "a", "text": "Answer 0 of x."}
    assert case["decision"] is None
    said = {"ranking": {"a": 2, "b": 1}, "reason": "b is right.", "seen": case["seen"]}
    made = ask(f"/{number}/decide", **said)
    assert made.json()["ranking"] == {"a": 2, "b": 1}
    assert Judgment.objects.get(adjudicates=True).rationale == "b is right."
    assert ask(f"/{number}").json()["decision"]["adjudicates"] is True
    again = ask(f"/{number}/decide", **said)
    assert (again.status_code, again.json()["error"]["field"]) == (400, "seen")


def test_every_response_needs_a_rank(ask, disputed):
    seen = ask(f"/{disputed[0].pk}").json()["seen"]
    response = ask(f"/{disputed[0].pk}/decide", ranking={"a": 1}, reason="x", seen=seen)
    assert (response.status_code, response.json()["error"]["field"]) == (400, "ranking")


@pytest.mark.parametrize("address", ["", "/{}", "/{}/decide"])
def test_an_annotator_finds_nothing_there(ask, disputed, address):
    fields = {"ranking": {"a": 1, "b": 2}, "reason": "x", "seen": "x"} if "decide" in address else {}
    response = ask(address.format(disputed[0].pk), role=Role.ANNOTATOR, **fields)
    assert response.status_code == 404
    assert not Judgment.objects.filter(adjudicates=True).exists()


def test_a_comparison_that_is_not_there_is_not_found(ask, disputed):
    assert ask("/999999").status_code == 404
