"""The API as a whole: who may call what, what it says of itself, and how it fails."""

import pytest
from django.core.management import call_command
from django.test import Client
from drf_spectacular.generators import SchemaGenerator

from feedback.models import Role

LADDER = (Role.ANNOTATOR, Role.REVIEWER, Role.ENGINEER, Role.OWNER)
SNAPSHOT = f"snapshots/{'0' * 64}"
# Each operation: method, address after the project's, and the lowest role that may call it.
OPERATIONS = {
    "get_project": ("GET", "", Role.ANNOTATOR),
    "take_assignments": ("POST", "/assignments/take", Role.ANNOTATOR),
    "renew_assignments": ("POST", "/assignments/renew", Role.ANNOTATOR),
    "release_assignments": ("POST", "/assignments/release", Role.ANNOTATOR),
    "undo_judgment": ("POST", "/judgments/undo", Role.ANNOTATOR),
    "submit_judgment": ("POST", "/judgments/submit", Role.ANNOTATOR),
    "list_own_judgments": ("GET", "/judgments/mine", Role.ANNOTATOR),
    "list_review_items": ("GET", "/review", Role.REVIEWER),
    "get_review_item": ("GET", "/review/1", Role.REVIEWER),
    "decide_review_item": ("POST", "/review/1/decide", Role.REVIEWER),
    "list_prompts": ("GET", "/prompts", Role.REVIEWER),
    "list_responses": ("GET", "/responses", Role.REVIEWER),
    "list_comparisons": ("GET", "/comparisons", Role.REVIEWER),
    "list_judgments": ("GET", "/judgments", Role.REVIEWER),
    "get_agreement": ("GET", "/agreement", Role.REVIEWER),
    "list_labels": ("GET", "/labels", Role.REVIEWER),
    "list_policies": ("GET", "/policies", Role.REVIEWER),
    "make_policy": ("POST", "/policies", Role.ENGINEER),
    "list_snapshots": ("GET", "/snapshots", Role.REVIEWER),
    "get_snapshot": ("GET", f"/{SNAPSHOT}", Role.REVIEWER),
    "compare_snapshots": ("GET", f"/{SNAPSHOT}/difference/{'0' * 64}", Role.REVIEWER),
    "get_freezing": ("GET", "/freezings/1", Role.REVIEWER),
    "get_health_check": ("GET", "/health-checks/1", Role.REVIEWER),
    "cancel_freezing": ("POST", "/freezings/1/cancel", Role.ENGINEER),
    "check_health": ("POST", "/health-checks", Role.ENGINEER),
    "list_runs": ("GET", "/runs", Role.REVIEWER),
    "get_run": ("GET", "/runs/1", Role.REVIEWER),
    "list_run_events": ("GET", "/runs/1/events", Role.REVIEWER),
    "list_models": ("GET", "/models", Role.REVIEWER),
    "get_model": ("GET", "/models/1", Role.REVIEWER),
    "set_model_stage": ("POST", "/models/1/stage", Role.ENGINEER),
    "list_rounds": ("GET", "/rounds", Role.REVIEWER),
    "get_round": ("GET", "/rounds/1", Role.REVIEWER),
    "start_round": ("POST", "/rounds", Role.ENGINEER),
    "list_judges": ("GET", "/judges", Role.REVIEWER),
    "list_judge_runs": ("GET", "/judges/1/runs", Role.REVIEWER),
    "get_judge_run": ("GET", "/judge-runs/1", Role.REVIEWER),
    "create_judge": ("POST", "/judges", Role.ENGINEER),
    "estimate_judge_run": ("POST", "/judges/1/estimate", Role.ENGINEER),
    "start_judge_run": ("POST", "/judges/1/runs", Role.ENGINEER),
    "set_judge_run_budget": ("POST", "/judge-runs/1/budget", Role.ENGINEER),
    "pause_judge_run": ("POST", "/judge-runs/1/pause", Role.ENGINEER),
    "resume_judge_run": ("POST", "/judge-runs/1/resume", Role.ENGINEER),
    "cancel_judge_run": ("POST", "/judge-runs/1/cancel", Role.ENGINEER),
    "retry_judge_run_failures": ("POST", "/judge-runs/1/retry", Role.ENGINEER),
    "store_prompts": ("POST", "/prompts", Role.ENGINEER),
    "store_responses": ("POST", "/responses", Role.ENGINEER),
    "store_comparisons": ("POST", "/comparisons", Role.ENGINEER),
    "store_judgments": ("POST", "/judgments", Role.ENGINEER),
    "freeze_snapshot": ("POST", "/snapshots", Role.ENGINEER),
    "export_snapshot": ("GET", f"/{SNAPSHOT}/export", Role.ENGINEER),
    "start_run": ("POST", "/runs", Role.ENGINEER),
    "cancel_run": ("POST", "/runs/1/cancel", Role.ENGINEER),
    "resume_run": ("POST", "/runs/1/resume", Role.ENGINEER),
    "pause_run": ("POST", "/runs/1/pause", Role.ENGINEER),
    "check_run": ("POST", "/runs/checks", Role.ENGINEER),
    "get_run_check": ("GET", "/runs/checks/1", Role.ENGINEER),
    "send_run_events": ("POST", "/runs/1/remote/events", Role.ENGINEER),
    "send_run_file": ("PUT", "/runs/1/remote/files/model.safetensors", Role.ENGINEER),
}
EVERY_OPERATION = pytest.mark.parametrize("operation", OPERATIONS)


def call(client, project, operation):
    method, address, _ = OPERATIONS[operation]
    path = f"/api/v1/projects/{project.slug}{address}"
    return client.generic(method, path, "{}" if method == "POST" else "", content_type="application/json")


def may_not_use_the_project(response):
    return response.status_code == 404 and "There is no project" in response.json()["error"]["message"]


def test_the_table_above_names_every_operation_of_the_schema():
    schema = SchemaGenerator().get_schema(request=None, public=True)
    ids = {entry["operationId"] for methods in schema["paths"].values() for entry in methods.values()}
    # Those that are of no project have tests of their own.
    assert ids == {*OPERATIONS, "list_projects", "run_grader", "validate_grader"}


@EVERY_OPERATION
def test_a_role_may_call_what_its_pages_show(project, make_user, make_client, operation):
    lowest = LADDER.index(OPERATIONS[operation][2])
    for rank, role in enumerate(LADDER):
        client = make_client(make_user(role, project=project, role=role))
        response = call(client, project, operation)
        assert may_not_use_the_project(response) == (rank < lowest), role
        assert response.status_code < 500


@EVERY_OPERATION
def test_an_outsider_learns_nothing(project, make_user, make_client, operation):
    response = call(make_client(make_user("outsider")), project, operation)
    assert may_not_use_the_project(response)


@EVERY_OPERATION
def test_nobody_gets_in_without_logging_in(project, operation):
    response = call(Client(), project, operation)
    assert response.status_code == 401
    assert response.json()["error"]["message"]


@EVERY_OPERATION
def test_a_read_token_only_reads(project, make_user, make_client, operation):
    client = make_client(make_user("owner", project=project, role=Role.OWNER), scope="read")
    response = call(client, project, operation)
    assert (response.status_code == 403) == (OPERATIONS[operation][0] != "GET")


@EVERY_OPERATION
def test_an_administrator_of_the_server_may_do_everything(project, make_user, make_client, operation):
    response = call(make_client(make_user("root", is_superuser=True)), project, operation)
    assert not may_not_use_the_project(response)
    assert response.status_code not in (401, 403)


def test_projects_are_listed_with_ones_role_and_without_those_of_others(project, make_user, make_client):
    ana = make_client(make_user("ana", project=project, role=Role.ANNOTATOR))
    (row,) = ana.get("/api/v1/projects").json()["results"]
    assert (row["slug"], row["role"]) == (project.slug, "annotator")
    assert ana.get(f"/api/v1/projects/{project.slug}").json() == row
    root = make_client(make_user("root", is_superuser=True))
    assert [row["role"] for row in root.get("/api/v1/projects").json()["results"]] == [None]
    outsider = make_client(make_user("outsider"))
    assert outsider.get("/api/v1/projects").json() == {"results": [], "next": None}


@pytest.mark.parametrize(
    "path", ["", "nothing", "projects/", "projects/x/y", f"projects/x/runs/{'9' * 5000}"]
)
def test_an_address_that_is_none_answers_as_the_api_does(make_user, make_client, path):
    response = make_client(make_user("ana")).get(f"/api/v1/{path}")
    assert response.status_code == 404
    assert response.json()["error"]["message"]


def test_a_method_that_an_address_does_not_know_is_refused(make_user, make_client):
    response = make_client(make_user("ana")).delete("/api/v1/projects")
    assert response.status_code == 405
    assert "DELETE" in response.json()["error"]["message"]


def test_the_schema_is_valid_and_complete(tmp_path):
    call_command("spectacular", "--validate", "--fail-on-warn", "--file", str(tmp_path / "schema.yml"))
    assert "bearer" in (tmp_path / "schema.yml").read_text()


def test_the_schema_is_served_to_those_who_are_logged_in(make_user, make_client):
    assert Client().get("/api/v1/schema/").status_code == 401
    response = make_client(make_user("ana"), scope="read").get("/api/v1/schema/")
    assert response.status_code == 200
    assert b"/api/v1/projects/{slug}/comparisons" in response.content


def test_the_page_about_the_api_lists_every_operation_without_scripts_of_others(make_user):
    client = Client()
    assert client.get("/api/v1/docs/").status_code == 302
    client.force_login(make_user("ana"))
    page = client.get("/api/v1/docs/").content.decode()
    assert all(f'id="{name}"' in page for name in OPERATIONS)
    assert "submission_id" in page
    assert "http://testserver/api/v1/" in page
    assert "cdn" not in page
