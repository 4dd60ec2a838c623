"""Policies through the API: made, found again, applied, listed with their documents."""

import pytest

from alignment.models import Labelling, Policy
from feedback.models import Role


@pytest.fixture
def address(judged):
    return f"/api/v1/projects/{judged.slug}/policies"


@pytest.fixture
def engineer(make_user, make_client, judged):
    return make_client(make_user("eva", project=judged, role=Role.ENGINEER))


def post(client, address, body):
    return client.post(address, body, content_type="application/json")


def test_a_policy_is_made_once_and_listed_with_every_field(engineer, address):
    body = {"name": "strict", "document": {"max_error": 0.05, "slices": ["even"]}}
    made = post(engineer, address, body).json()
    assert (made["name"], made["version"], made["document"]["max_error"]) == ("strict", 1, 0.05)
    assert made["document"]["epsilon"] == 0.2
    assert post(engineer, address, body).json() == made
    assert engineer.get(address).json()["results"] == [made]
    assert not Labelling.objects.exists()


def test_a_policy_is_applied_where_that_is_asked(engineer, address):
    post(engineer, address, {"document": {}, "apply": True})
    assert Labelling.objects.get().policy == Policy.objects.get()


@pytest.mark.parametrize(
    ("document", "said"),
    [({"max_error": 3}, "max_error"), ({"colour": 1}, "colour"), ({"slices": "even"}, "slices")],
)
def test_what_can_not_be_used_is_said_with_its_field(engineer, address, document, said):
    answer = post(engineer, address, {"document": document})
    assert answer.status_code == 400
    assert said in answer.content.decode()
    assert not Policy.objects.exists()


def test_a_reviewer_reads_and_makes_none(make_user, make_client, judged, address):
    reviewer = make_client(make_user("rita", project=judged, role=Role.REVIEWER))
    assert reviewer.get(address).status_code == 200
    assert post(reviewer, address, {"document": {}}).status_code in (403, 404)
    assert not Policy.objects.exists()
