"""Prompts and responses through the API."""

import pytest

from feedback.api.endpoint import MAX_BODY
from feedback.models import AuditEntry, Prompt, Response, Role


@pytest.fixture
def client(make_user, make_client, project):
    return make_client(make_user("eva", project=project, role=Role.ENGINEER))


@pytest.fixture
def send(client, project):
    def send(name, rows):
        return client.post(
            f"/api/v1/projects/{project.slug}/{name}", {name: rows}, content_type="application/json"
        )

    return send


@pytest.fixture
def read(client, project):
    def read(name, **query):
        return client.get(f"/api/v1/projects/{project.slug}/{name}", query).json()

    return read


def prompt(text, **more):
    return {"messages": [{"role": "user", "content": text}], **more}


def test_prompts_are_stored_once(send, read):
    first = send("prompts", [prompt("One?"), prompt("Two?", reference="2"), prompt("One?")]).json()
    assert (first["new"], first["unchanged"], first["rejected"]) == (2, 1, [])
    assert first["ids"][0] == first["ids"][2]
    again = send("prompts", [prompt("One?"), prompt("Two?")]).json()
    assert (again["new"], again["unchanged"]) == (1, 1)
    assert [row["messages"][0]["content"] for row in read("prompts")["results"]] == ["One?", "Two?", "Two?"]
    assert AuditEntry.objects.filter(verb="store prompts").count() == 2


def test_a_prompt_of_the_api_is_the_prompt_of_an_import(send, project, make_comparisons):
    (comparison,) = make_comparisons(project, 1)
    body = send("prompts", [{"messages": comparison.prompt.messages}]).json()
    assert (body["new"], body["ids"]) == (0, [comparison.prompt_id])


def test_bad_prompts_are_rejected_by_index_and_stop_no_other(send):
    rows = [
        prompt("Good?"),
        {"messages": "no list"},
        {"messages": [{"role": "pope", "content": "x"}]},
        {"messages": [{"role": "user", "content": "a\x00b"}]},
        {"messages": [{"role": "user", "content": "\ud800"}]},
        {"messages": [{"role": "user", "content": 5}]},
        {"messages": [{"role": "assistant", "content": "Hello."}]},
        prompt("x", reference=7),
        prompt("x", sauce="y"),
        "text",
        None,
        {},
    ]
    body = send("prompts", rows).json()
    assert body["new"] == 1
    assert [row["index"] for row in body["rejected"]] == list(range(1, 12))
    assert body["ids"][1:] == [None] * 11
    fields = [row["field"] for row in body["rejected"]]
    assert fields[:5] == ["messages", "messages[0]", *["messages[0].content"] * 3]
    assert fields[6:8] == ["reference", "sauce"]
    assert all(row["reason"] for row in body["rejected"])


def test_a_request_of_which_nothing_can_be_stored_is_an_error_that_names_the_row(send):
    response = send("prompts", [{"messages": []}])
    error = response.json()["error"]
    assert response.status_code == 400
    assert error["field"] == "messages"
    assert error["rows"] == [{"index": 0, "field": "messages", "reason": error["rows"][0]["reason"]}]
    assert error["message"].startswith("No row could be stored. Row 0, messages: ")


def test_responses_name_their_prompt_by_id_or_hash(send, read):
    prompt_id = send("prompts", [prompt("One?")]).json()["ids"][0]
    sha256 = Prompt.objects.get().sha256
    body = send(
        "responses",
        [
            {"prompt": prompt_id, "source": "model-x", "text": "Yes."},
            {"prompt": sha256, "source": "model-y", "text": "Yes."},
            {"prompt": sha256, "source": "model-x", "text": "Yes."},
        ],
    ).json()
    assert (body["new"], body["unchanged"]) == (2, 1)
    assert body["ids"][0] == body["ids"][2] != body["ids"][1]
    assert [row["source"] for row in read("responses", prompt=prompt_id)["results"]] == ["model-x", "model-y"]
    assert [row["id"] for row in read("responses", source="model-y")["results"]] == [body["ids"][1]]


@pytest.mark.parametrize(
    ("row", "field"),
    [
        ({"source": "x", "text": "y"}, "prompt"),
        ({"prompt": True, "source": "x", "text": "y"}, "prompt"),
        ({"prompt": 10**30, "source": "x", "text": "y"}, "prompt"),
        ({"prompt": -1, "source": "x", "text": "y"}, "prompt"),
        ({"prompt": "a" * 5000, "source": "x", "text": "y"}, "prompt"),
        ({"prompt": "\ud800\x00", "source": "x", "text": "y"}, "prompt"),
        ({"prompt": [1], "source": "x", "text": "y"}, "prompt"),
        ({"prompt": 1, "source": "x" * 201, "text": "y"}, "source"),
        ({"prompt": 1, "source": "x", "text": None}, "text"),
        ({"prompt": 1, "source": {"a": 1}, "text": "y"}, "source"),
        ({"prompt": 1, "source": "x", "text": "y", "\ud800": 1}, "\\ud800"),
    ],
)
def test_a_response_that_can_not_be_stored_names_its_field(send, row, field):
    response = send("responses", [row])
    assert response.status_code == 400
    assert response.json()["error"]["rows"][0]["field"] == field
    assert Response.objects.count() == 0


def test_a_response_to_another_projects_prompt_is_rejected(send, make_comparisons):
    from feedback.actions.projects import create_project

    (comparison,) = make_comparisons(create_project(name="Other", by=None), 1)
    response = send("responses", [{"prompt": comparison.prompt_id, "source": "x", "text": "y"}])
    assert response.status_code == 400
    assert "no prompt" in response.json()["error"]["message"]


def test_pages_follow_one_another(send, read):
    send("prompts", [prompt(f"{number}?") for number in range(5)])
    first = read("prompts", limit=2)
    second = read("prompts", limit=2, after=first["next"])
    third = read("prompts", limit=2, after=second["next"])
    seen = [row["messages"][0]["content"] for page in (first, second, third) for row in page["results"]]
    assert seen == [f"{number}?" for number in range(5)]
    assert third["next"] is None


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ({"after": "x"}, "after"),
        ({"after": -1}, "after"),
        ({"after": 10**30}, "after"),
        ({"limit": 0}, "limit"),
        ({"limit": 10**9}, "limit"),
        ({"sha256": "\x00"}, "sha256"),
        ({"shaa256": "x"}, "shaa256"),
    ],
)
def test_a_bad_query_is_refused_in_one_sentence(client, project, query, field):
    response = client.get(f"/api/v1/projects/{project.slug}/prompts", query)
    assert response.status_code == 400
    assert response.json()["error"]["field"] == field


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"\xff\xfe",
        b"null",
        b"[]",
        b"{}",
        b'{"prompts": []}',
        b'{"prompts": {}}',
        b'{"prompts": [NaN]}',
        b'{"prompts": [], "more": 1}',
        b'{"prompts": [' + b"1" * 5000 + b"]}",
        b'{"prompts": [{}' + b",{}" * 1000 + b"]}",
        b'{"prompts": [' + b"[" * 200 + b"]" * 200 + b"]}",
        b"[" * 100_000 + b"]" * 100_000,
        b'{"prompts": ["' + b"x" * MAX_BODY + b'"]}',
    ],
    ids=lambda body: f"{body[:14]!r} of {len(body)}",
)
def test_a_hostile_body_is_refused_in_one_sentence(client, project, body):
    response = client.post(f"/api/v1/projects/{project.slug}/prompts", body, content_type="application/json")
    assert response.status_code == 400
    assert response.json()["error"]["message"].endswith(".")
    assert Prompt.objects.count() == 0


def test_a_body_that_is_no_json_is_refused(client, project):
    response = client.post(f"/api/v1/projects/{project.slug}/prompts", {"prompts": "x"})
    assert response.status_code == 415
    assert "media type" in response.json()["error"]["message"]
