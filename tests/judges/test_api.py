"""The API of judges: made, estimated, started, followed and stopped by a program."""

from decimal import Decimal

import pytest

from feedback.models import JobState, Role
from judges.models import JudgeRun
from judges.tasks import perform_judge_run


@pytest.fixture
def api(project, make_user, make_client):
    client = make_client(make_user("eve", project=project, role=Role.ENGINEER))

    def call(method, path, body=None):
        response = client.generic(
            method,
            f"/api/v1/projects/{project.slug}/{path}",
            "" if body is None else __import__("json").dumps(body),
            content_type="application/json",
        )
        return response.status_code, response.json()

    return call


@pytest.fixture
def rules(rubric):
    return {
        "name": "careful",
        "provider": "rules",
        "model": "rules",
        "rubric": rubric.name,
        "settings": {"rules": [{"pattern": "of x", "weight": 1.0}]},
    }


def test_a_judge_is_made_once_and_listed(api, rules):
    status, judge = api("POST", "judges", rules)
    assert (status, judge["name"], judge["version"]) == (201, "careful", 1)
    assert api("POST", "judges", rules)[1]["id"] == judge["id"]
    assert api("POST", "judges", rules | {"samples": 3})[1]["version"] == 2
    assert [row["version"] for row in api("GET", "judges")[1]["results"]] == [1, 2]


@pytest.mark.parametrize(
    ("change", "status", "told"),
    [
        ({"rubric": "None such"}, 404, "no rubric 'None such'"),
        ({"settings": {"rules": "x"}}, 400, "The judge's rules must be a list"),
        (
            {"provider": "openai", "settings": {"base_url": "http://10.0.0.1:8000/v1"}},
            400,
            "may not send judges to '10.0.0.1:8000'",
        ),
        ({"samples": 10}, 400, "less than or equal to 9"),
        ({"nonsense": 1}, 400, "none of"),
    ],
)
def test_what_can_not_be_a_judge_is_refused(api, rules, change, status, told):
    found, body = api("POST", "judges", rules | change)
    assert found == status
    assert told in body["error"]["message"]


def test_a_run_is_estimated_started_and_followed(api, rules, project, make_comparisons):
    make_comparisons(project, 4)
    judge = api("POST", "judges", rules)[1]["id"]
    status, estimate = api("POST", f"judges/{judge}/estimate", {"tag": "odd"})
    assert (status, estimate["comparisons"], estimate["cost"]["value"]) == (200, 2, 0)
    status, run = api("POST", f"judges/{judge}/runs", {"budget": "2.5"})
    assert (status, run["state"], run["budget"], run["estimate"]["calls"]) == (201, "queued", "2.500000", 8)
    perform_judge_run(JudgeRun.objects.get().job_id)
    status, run = api("GET", f"judge-runs/{run['id']}")
    assert (run["state"], run["done"], run["total"], run["answered"]) == ("succeeded", 4, 4, 8)
    assert api("GET", f"judges/{judge}/runs")[1][0] == run


def test_a_run_is_paused_resumed_and_cancelled(api, rules, project, make_comparisons):
    make_comparisons(project, 1)
    judge = api("POST", "judges", rules)[1]["id"]
    run = api("POST", f"judges/{judge}/runs", {})[1]["id"]
    assert api("POST", f"judge-runs/{run}/pause")[1]["state"] == "paused"
    assert api("POST", f"judge-runs/{run}/resume")[1]["state"] == "queued"
    assert api("POST", f"judge-runs/{run}/cancel")[1]["state"] == "cancelled"
    status, told = api("POST", f"judge-runs/{run}/retry")
    assert (status, told["error"]["message"][:24]) == (400, "No call of this run has ")
    assert api("POST", f"judge-runs/{run}/budget", {"budget": "3"})[1]["budget"] == "3.000000"
    assert JudgeRun.objects.get().budget == Decimal(3)


def test_what_is_not_there_is_told(api, rules):
    judge = api("POST", "judges", rules)[1]["id"]
    assert api("POST", f"judges/{judge}/runs", {"tag": "x"})[1]["error"]["field"] == "tag"
    assert api("GET", "judge-runs/99")[0] == 404
    assert api("GET", "judges/99/runs")[0] == 404
    assert JudgeRun.objects.filter(job__state=JobState.QUEUED).count() == 0
