"""Runs through the API: started, followed, cancelled, resumed."""

import pytest
from django.utils import timezone

from feedback.actions.projects import create_project
from feedback.models import Job, JobState, Role
from trainer.actions.evaluations import start_evaluation
from trainer.actions.runs import start_run
from trainer.models import Evaluation, ModelKind, ModelVersion, Run, RunEvent

from .conftest import turn
from .evaluating import word_judge


@pytest.fixture
def client(make_user, make_client, project):
    return make_client(make_user("eva", project=project, role=Role.ENGINEER))


@pytest.fixture
def get(client, project):
    return lambda address, **query: client.get(f"/api/v1/projects/{project.slug}/{address}", query)


@pytest.fixture
def post(client, project):
    def post(address, body=None):
        path = f"/api/v1/projects/{project.slug}/{address}"
        return client.post(path, {} if body is None else body, content_type="application/json")

    return post


@pytest.fixture
def run(project, snapshot, policy_model):
    return start_run(project=project, method="dpo", base=policy_model, snapshot=snapshot, by=None)


def end(run, state):
    Job.objects.filter(pk=run.job_id).update(state=state, ended_at=timezone.now())


def test_a_run_is_started_with_the_fields_of_its_spec(post, get, snapshot, policy_model):
    asked = {
        "method": "reward",
        "base": policy_model.name,
        "snapshot": snapshot.sha256,
        "parameters": {"max_steps": 3, "learning_rate": 0.001},
        "seed": 7,
        "name": "first reward model",
    }
    response = post("runs", asked)
    assert response.status_code == 201
    started = response.json()
    assert (started["job"]["state"], started["base"], started["snapshot"]) == (
        "queued",
        policy_model.name,
        snapshot.sha256,
    )
    assert started["spec"]["parameters"]["max_steps"] == 3
    assert started["spec"]["seed"] == 7
    assert get(f"runs/{started['id']}").json() == started
    assert get("runs").json()["results"] == [started]
    assert Run.objects.get().created_by.username == "eva"


def test_a_base_can_be_a_folder_on_the_server(post, snapshot, tiny_model):
    asked = {"method": "dpo", "base": str(tiny_model), "snapshot": snapshot.sha256[:12]}
    assert post("runs", asked).status_code == 201


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"method": "magic"}, "method"),
        ({"method": ["dpo"]}, "method"),
        ({"base": "/nowhere"}, "base"),
        ({"base": "~nobody-of-this-name/model"}, "base"),
        ({"base": "x" * 1000}, "base"),
        ({"base": "x" * 1001}, "base"),
        ({"base": "a\x00b"}, "base"),
        ({"base": "\ud800"}, "base"),
        ({"snapshot": "0" * 64}, "snapshot"),
        ({"snapshot": "%"}, "snapshot"),
        ({"snapshot": ""}, "snapshot"),
        ({"seed": -1}, "seed"),
        ({"seed": 10**30}, "seed"),
        ({"parameters": {"max_steps": "many"}}, "parameters.max_steps"),
        ({"parameters": {"max_steps": 10**30}}, "parameters.max_steps"),
        ({"parameters": {"learning_rate": "nan"}}, "parameters.learning_rate"),
        ({"parameters": {"loss_type": [[[["sigmoid"]]]]}}, "parameters.loss_type"),
        ({"parameters": {"\ud800\x00": 1}}, "parameters.\\ud800\x00"),
        ({"parameters": []}, "parameters"),
        ({"name": "x" * 201}, "name"),
        ({"name": "a\x00"}, "name"),
        ({"gpu": 8}, "gpu"),
    ],
)
def test_a_bad_run_is_refused_and_names_its_field(post, snapshot, policy_model, fields, field):
    asked = {"method": "dpo", "base": policy_model.name, "snapshot": snapshot.sha256, **fields}
    response = post("runs", asked)
    assert response.status_code == 400
    error = response.json()["error"]
    assert error["message"]
    assert error["field"] == field
    assert Run.objects.count() == 0


def test_a_run_is_followed_by_its_events(get, run):
    now = timezone.now()
    RunEvent.objects.bulk_create(
        RunEvent(run=run, seq=seq, kind="metric", step=seq, data={"values": {"loss": 1 / (seq + 1)}}, at=now)
        for seq in range(5)
    )
    first = get(f"runs/{run.pk}/events", limit=3).json()
    assert [event["seq"] for event in first["results"]] == [0, 1, 2]
    rest = get(f"runs/{run.pk}/events", after=first["next"]).json()
    assert [event["seq"] for event in rest["results"]] == [3, 4]
    assert rest["next"] is None
    assert get(f"runs/{run.pk}/events", after=4).json()["results"] == []
    assert get(f"runs/{run.pk}/events", kind="checkpoint").json()["results"] == []
    assert get(f"runs/{run.pk}").json()["last_metric"] == {"values": {"loss": 0.2}}


def test_a_waiting_run_is_cancelled_and_resumed(post, run):
    cancelled = post(f"runs/{run.pk}/cancel")
    assert cancelled.json()["job"]["state"] == "cancelled"
    again = post(f"runs/{run.pk}/cancel")
    assert again.status_code == 400
    assert "already ended" in again.json()["error"]["message"]
    assert post(f"runs/{run.pk}/resume").json()["job"]["state"] == "queued"


def test_a_run_that_succeeded_is_not_resumed(post, run):
    end(run, JobState.SUCCEEDED)
    assert post(f"runs/{run.pk}/resume").status_code == 400


@pytest.mark.parametrize("address", ["", "/events", "/cancel", "/resume"])
def test_another_projects_run_is_not_found(run, make_user, make_client, address):
    other = create_project(name="Other", by=None)
    client = make_client(make_user("olga", project=other, role=Role.OWNER))
    method = client.post if address in ("/cancel", "/resume") else client.get
    response = method(f"/api/v1/projects/{other.slug}/runs/{run.pk}{address}")
    assert response.status_code == 404
    assert str(run.pk) in response.json()["error"]["message"]


def test_a_run_number_too_large_for_the_database_is_not_found(get):
    assert get(f"runs/{10**30}").status_code == 404


def test_a_page_of_runs_costs_the_same_queries_whatever_its_length(
    get, project, snapshot, policy_model, django_assert_max_num_queries
):
    for seed in range(12):
        start_run(project=project, method="dpo", base=policy_model, snapshot=snapshot, by=None, seed=seed)
    with django_assert_max_num_queries(8):
        assert len(get("runs").json()["results"]) == 12


@pytest.fixture
def reward(project) -> ModelVersion:
    return ModelVersion.objects.create(
        project=project, name="rm", kind=ModelKind.REWARD, path="rm", sha256="0"
    )


@pytest.fixture
def evaluation(project, policy_model, tuned_model, word) -> Evaluation:
    """It has a result by which its regression set got worse."""
    evaluation = start_evaluation(
        model_version=tuned_model, base=policy_model, judges=[word], by=None, prompts=[turn("user", "Hi")]
    )
    evaluation.result = {"regression": {"tag": "must hold", "verdict": "worse"}}
    evaluation.save()
    return evaluation


@pytest.fixture
def word(project):
    return word_judge(project, "kind", "good")


def test_the_registry_is_read_by_kind_and_stage(get, post, policy_model, reward):
    assert [each["name"] for each in get("models").json()["results"]] == ["rm", "tiny"]
    assert [each["name"] for each in get("models", kind="reward").json()["results"]] == ["rm"]
    assert post(f"models/{policy_model.pk}/stage", {"stage": "candidate"}).json()["stage"] == "candidate"
    assert [each["name"] for each in get("models", stage="candidate").json()["results"]] == ["tiny"]
    assert [each["name"] for each in get("models", stage="none").json()["results"]] == ["rm"]

    whole = get(f"models/{policy_model.pk}").json()
    assert [step["version"] for step in whole["lineage"]] == ["tiny"]
    assert (whole["cost"]["seconds"], whole["stages"][0]["stage"]) == (0.0, "candidate")
    assert policy_model.path not in str(whole)


def test_approving_is_an_owners_and_says_what_is_missing(
    post, make_user, make_client, project, tuned_model, evaluation
):
    url = f"/api/v1/projects/{project.slug}/models/{tuned_model.pk}/stage"
    approval = {"stage": "approved", "evaluation": evaluation.pk}
    assert post(f"models/{tuned_model.pk}/stage", approval).status_code == 404  # an engineer

    owner = make_client(make_user("ola", project=project, role=Role.OWNER))
    refused = owner.post(url, approval, content_type="application/json")
    assert (refused.status_code, refused.json()["error"]["field"]) == (400, "reason")
    none = owner.post(url, approval | {"evaluation": 999}, content_type="application/json")
    assert (none.status_code, none.json()["error"]["field"]) == (400, "evaluation")
    done = owner.post(url, approval | {"reason": "Accepted."}, content_type="application/json").json()
    assert (done["stage"], done["stages"][0]["overrides"]) == ("approved", True)
    assert post(f"models/{tuned_model.pk}/stage", {"stage": "none"}).status_code == 404  # taking it back too


def test_a_round_is_started_and_told(get, post, project, snapshot, policy_model, word):
    started = post("rounds", {"judges": ["kind"], "model_version": "tiny", "samples": 2, "most_routed": 3})
    assert started.status_code == 201, started.json()
    told = started.json()
    assert (told["number"], told["answers"], told["most_routed"]) == (1, "tiny", 3)
    assert (told["job"]["state"], told["brought"]["comparisons"]) == ("queued", 0)
    assert get(f"rounds/{told['id']}").json() == told
    assert [each["id"] for each in get("rounds").json()["results"]] == [told["id"]]
    assert "under way" in post("rounds", {"judges": ["kind"]}).json()["error"]["message"]


def test_a_round_names_the_field_at_fault(post, project, snapshot, policy_model, word):
    for asked, field in (
        ({"judges": ["nobody"]}, "judge"),
        ({"model_version": "none"}, "model"),
        ({"policy": "none"}, "policy"),
        ({"tag": "none"}, "tag"),
        ({"samples": 0}, "samples"),
        ({"provider": "elsewhere"}, "provider"),
        ({"provider": "openai", "model": "m", "base_url": "http://elsewhere.example"}, "settings"),
        ({"colour": "red"}, "colour"),
    ):
        answer = post("rounds", {"judges": ["kind"]} | asked)
        assert (answer.status_code, answer.json()["error"]["field"]) == (400, field), asked


@pytest.mark.parametrize("address", ["models", "models/1", "rounds", "rounds/1"])
def test_another_projects_registry_and_rounds_are_not_there(make_user, make_client, project, address):
    other = create_project(name="Elsewhere", by=None)
    client = make_client(make_user("eli", project=other, role=Role.OWNER))
    assert client.get(f"/api/v1/projects/{project.slug}/{address}").status_code == 404
