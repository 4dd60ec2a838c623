"""The pages of runs, models and evaluations: who sees what, and what they say and do."""

import json
import shlex

import pytest
from django.urls import reverse
from django.utils.html import escape

from feedback.actions.projects import create_project
from feedback.models import JobState
from judges.actions.judges import create_judge
from judges.actions.rubrics import create_rubric
from trainer.actions.runs import start_run
from trainer.curves import Curves
from trainer.folders import run_folder
from trainer.methods import PARAMETERS
from trainer.models import Evaluation, ModelKind, ModelVersion, Run, RunEvent


@pytest.fixture
def run(project, snapshot, policy_model) -> Run:
    return start_run(
        project=project, method="dpo", base=policy_model, snapshot=snapshot, by=None, name="first"
    )


@pytest.fixture
def tuned(project, policy_model, run) -> ModelVersion:
    return ModelVersion.objects.create(
        project=project,
        name="first",
        kind=ModelKind.POLICY,
        run=run,
        base=policy_model,
        path=policy_model.path,
        sha256="1",
    )


@pytest.fixture
def judge(project):
    rubric = create_rubric(
        project=project, name="Helpful", instructions="Prefer the helpful answer.", by=None
    )
    return create_judge(
        project=project,
        name="careful",
        provider="rules",
        model="offline",
        rubric=rubric,
        settings={"rules": []},
        by=None,
    )


@pytest.fixture
def evaluation(tuned, policy_model, judge, snapshot, client, engineer) -> Evaluation:
    client.force_login(engineer)
    url = reverse("trainer:evaluation-new", args=[tuned.project.slug, tuned.pk])
    fields = {"base": policy_model.pk, "snapshot": snapshot.pk, "judges": [judge.pk], "seed": 1}
    response = client.post(url, fields | defaults("generate") | {"parameters.samples": 2})
    assert response.status_code == 302, response.context["form"].errors
    return Evaluation.objects.get()


@pytest.fixture
def engineer(make_user, project):
    return make_user("eve", project=project, role="engineer")


def defaults(method: str) -> dict[str, object]:
    """The parameters as the form shows them."""
    return {f"parameters.{each.name}": each.default for each in PARAMETERS[method]}


def measured(run: Run, step: int, **values: float) -> None:
    RunEvent.objects.create(
        run=run, seq=step + 1, kind="metric", step=step, data={"values": values}, at=run.created_at
    )


PAGES = {
    "runs": "reviewer",
    "run": "reviewer",
    "run-series": "reviewer",
    "run-csv": "reviewer",
    "run-compare": "reviewer",
    "models": "reviewer",
    "evaluation": "reviewer",
    "run-new": "engineer",
    "run-elsewhere": "engineer",
    "evaluation-new": "engineer",
}
BUTTONS = ("run-cancel", "run-pause", "run-resume", "evaluation-cancel", "evaluation-resume")


def address(name: str, run: Run, tuned: ModelVersion, evaluation: Evaluation) -> str:
    keys = {"run": run.pk, "evaluation": evaluation.pk}
    arguments = [run.project.slug]
    if name not in ("runs", "models", "run-new", "run-compare"):
        arguments.append(tuned.pk if name == "evaluation-new" else keys[name.split("-")[0]])
    return reverse(f"trainer:{name}", args=arguments)


def test_each_page_is_seen_by_those_who_may_and_by_nobody_else(
    client, make_user, project, run, tuned, evaluation
):
    outsider = make_user("zoe")
    people = {
        role: make_user(role, project=project, role=role) for role in ("annotator", "reviewer", "owner")
    }
    people["engineer"] = make_user("engineer", project=project, role="engineer")
    allowed = {"reviewer": {"reviewer", "engineer", "owner"}, "engineer": {"engineer", "owner"}}
    for name, least in PAGES.items():
        url = address(name, run, tuned, evaluation)
        for role, person in people.items():
            client.force_login(person)
            expected = 200 if role in allowed[least] else 404
            assert client.get(url).status_code == expected, (name, role)
        client.force_login(outsider)
        assert client.get(url).status_code == 404
        client.logout()
        assert client.get(url).status_code == 302


@pytest.mark.parametrize("name", BUTTONS)
def test_only_engineers_stop_and_resume(client, make_user, project, run, tuned, evaluation, name):
    url = address(name, run, tuned, evaluation)
    client.force_login(make_user("rob", project=project, role="reviewer"))
    assert client.post(url).status_code == 404
    client.force_login(make_user("ed", project=project, role="engineer"))
    assert client.get(url).status_code == 405
    assert client.post(url).status_code == 302


def test_a_run_of_another_project_is_not_found(client, make_user, run):
    other = create_project(name="Another", by=None)
    client.force_login(make_user("olga", project=other, role="owner"))

    assert client.get(reverse("trainer:run", args=[other.slug, run.pk])).status_code == 404


def test_the_list_shows_state_progress_and_loss_and_asks_again_while_something_runs(client, engineer, run):
    Run.objects.filter(pk=run.pk).update(step=40, total_steps=100)
    measured(run, 40, loss=0.123456)
    client.force_login(engineer)
    url = reverse("trainer:runs", args=[run.project.slug])

    page = client.get(url).content.decode()
    assert "is-queued" in page
    assert 'value="40" max="100"' in page
    assert "0.1235" in page
    assert 'hx-trigger="every 2s"' in page

    run.job.state = JobState.FAILED
    run.job.save()
    assert "every 2s" not in client.get(url).content.decode()


def test_an_empty_project_says_how_a_run_comes(client, engineer, project):
    client.force_login(engineer)

    assert "No runs yet" in client.get(reverse("trainer:runs", args=[project.slug])).content.decode()
    assert "No models yet" in client.get(reverse("trainer:models", args=[project.slug])).content.decode()
    page = client.get(reverse("trainer:run-new", args=[project.slug])).content.decode()
    assert "No snapshot to train on" in page


def test_the_run_page_tells_its_story_and_offers_what_can_be_done(client, engineer, run):
    url = reverse("trainer:run", args=[run.project.slug, run.pk])
    client.force_login(engineer)

    waiting = client.get(url).content.decode()
    assert "It waits for a worker." in waiting
    assert reverse("trainer:run-cancel", args=[run.project.slug, run.pk]) in waiting

    run.job.state, run.job.message = (
        JobState.INTERRUPTED,
        "The runner was killed (signal 9) at step 40 of 100.",
    )
    run.job.save()
    stopped = client.get(url).content.decode()
    assert "The runner was killed (signal 9) at step 40 of 100." in stopped
    assert reverse("trainer:run-resume", args=[run.project.slug, run.pk]) in stopped
    assert "every 2s" not in stopped


def test_the_run_page_shows_rows_warnings_checkpoints_and_the_log(client, engineer, run):
    events = [
        ("started", None, {"rows": {"train": {"given": 30, "used": 28, "too_long": 2, "identical": 0}}}),
        ("warning", None, {"message": "Only 28 rows for a batch_size of 32."}),
        ("checkpoint", 20, {"path": "checkpoint-20"}),
    ]
    for seq, (kind, step, data) in enumerate(events, start=1):
        RunEvent.objects.create(run=run, seq=seq, kind=kind, step=step, data=data, at=run.created_at)
    run_folder(run).mkdir(parents=True)
    (run_folder(run) / "runner.log").write_text("x" * 20_000 + "the <last> line")
    client.force_login(engineer)

    page = client.get(reverse("trainer:run", args=[run.project.slug, run.pk])).content.decode()

    assert "Only 28 rows for a batch_size of 32." in page
    assert "step 20" in page
    assert ">28<" in page
    assert "the &lt;last&gt; line" in page
    assert page.count("x" * 100) < 200
    assert ">false<" in page, "parameters are shown as the spec has them"
    assert ">False<" not in page


def test_the_series_are_numbers_and_only_what_is_new_is_sent_again(client, engineer, run):
    curves = Curves()
    for step in (1, 2, 3):
        curves.add(step, {"loss": 1 / step, "odd_value": 0.5})
    curves.add(3, {"held-out loss": 0.4})
    Run.objects.filter(pk=run.pk).update(curves=curves.to_json())
    client.force_login(engineer)
    url = reverse("trainer:run-series", args=[run.project.slug, run.pk])

    answer = json.loads(client.get(url).content)
    again = json.loads(client.get(url, {"after": 3, "width": 1, "cuts": 0}).content)
    other = json.loads(client.get(url, {"after": 3, "width": 2, "cuts": 0}).content)

    assert answer["live"] is True
    assert answer["charts"] == [
        {"title": "Loss", "lines": ["loss", "held-out loss"]},
        {"title": "odd value", "lines": ["odd_value"]},
    ]
    assert answer["lines"]["loss"] == [[1, 2, 3], [1, 1 / 2, 1 / 3]]
    assert again["lines"] == {
        "loss": [[3], [1 / 3]],
        "odd_value": [[3], [0.5]],
        "held-out loss": [[3], [0.4]],
    }
    assert (again["from"], other["from"]) == (3, 0)
    assert other["lines"] == answer["lines"]


def test_the_command_for_a_machine_elsewhere_is_quoted(client, engineer, run, settings):
    settings.LAUNCHERS = {"local": {"kind": "remote"}}
    run.spec["model"] = "/models/a b; rm -rf x"
    run.save()
    client.force_login(engineer)
    page = client.get(reverse("trainer:run-elsewhere", args=[run.project.slug, run.pk]))
    assert shlex.split(page.context["command"])[-1] == "/models/a b; rm -rf x"
    assert escape(page.context["command"]) in page.content.decode()


def test_no_name_of_a_value_is_a_formula_in_a_spreadsheet(client, engineer, run):
    """The names come from the runner, which may be a machine elsewhere."""
    measured(run, 1, **{"=HYPERLINK(1)": 0.5})
    client.force_login(engineer)
    table = client.get(reverse("trainer:run-csv", args=[run.project.slug, run.pk])).getvalue().decode()
    assert table.splitlines()[1].startswith("1,'=HYPERLINK(1),0.5,")


def test_a_number_in_an_address_that_is_none_breaks_no_page(client, engineer, run):
    client.force_login(engineer)
    series = reverse("trainer:run-series", args=[run.project.slug, run.pk])
    fields = (("runs", "before"), ("run-compare", "run"), ("run-new", "like"), ("run-new", "check"))
    for number in ("9" * 20, "9" * 5000, "\u00b2"):
        for name, field in fields:
            page = client.get(reverse(f"trainer:{name}", args=[run.project.slug]), {field: number})
            assert page.status_code == 200, (name, field)
        assert client.get(series, {"after": number, "width": 1, "cuts": 0}).json()["from"] == 0


def test_the_form_shows_every_parameter_and_starts_a_run(client, engineer, project, snapshot, policy_model):
    client.force_login(engineer)
    url = reverse("trainer:run-new", args=[project.slug]) + "?method=dpo"
    page = client.get(url).content.decode()
    for parameter in PARAMETERS["dpo"]:
        assert f'name="parameters.{parameter.name}"' in page
    fields = {"name": "mine", "snapshot": snapshot.pk, "base": policy_model.name, "seed": 5}
    chosen = {"parameters.loss_type": ["sigmoid", "sft"], "parameters.loss_weights": "1, 0.5"}

    response = client.post(url, fields | defaults("dpo") | chosen)

    run = Run.objects.get()
    assert response.url == reverse("trainer:run", args=[project.slug, run.pk])
    assert (run.name, run.base, run.created_by) == ("mine", policy_model, engineer)
    assert run.spec["seed"] == 5
    assert run.spec["parameters"]["loss_weights"] == [1.0, 0.5]


def test_a_second_click_starts_no_second_run(client, engineer, project, snapshot, policy_model):
    client.force_login(engineer)
    url = reverse("trainer:run-new", args=[project.slug]) + "?method=reward"
    fields = {"snapshot": snapshot.pk, "base": policy_model.name, "seed": 5} | defaults("reward")

    assert client.post(url, fields).status_code == 302
    page = client.post(url, fields).content.decode()

    assert "The run reward-1 does the very same and has not ended" in page
    assert Run.objects.count() == 1


def test_a_refusal_stands_beside_its_field(client, engineer, project, snapshot):
    client.force_login(engineer)
    url = reverse("trainer:run-new", args=[project.slug]) + "?method=dpo"
    fields = {"snapshot": snapshot.pk, "base": "/no/such/folder", "seed": 0} | defaults("dpo")

    form = client.post(url, fields | {"parameters.loss_weights": ""}).context["form"]
    assert "does not exist" in form.errors["base"][0]

    weights = client.post(url, fields | {"base": "x", "parameters.loss_weights": "one"}).context["form"]
    assert "Give numbers with commas" in weights.errors["parameters.loss_weights"][0]
    assert not Run.objects.exists()


def test_cancelling_twice_says_that_it_has_ended(client, engineer, run):
    client.force_login(engineer)
    url = reverse("trainer:run-cancel", args=[run.project.slug, run.pk])

    client.post(url)
    page = client.post(url, follow=True).content.decode()

    assert "It has already ended, so there is nothing to cancel." in page


def test_models_are_shown_with_lineage_metrics_and_evaluations(client, engineer, tuned, evaluation):
    rate = {"value": 0.72, "low": 0.61, "high": 0.83, "n": 96}
    Evaluation.objects.filter(pk=evaluation.pk).update(result=result(rate))
    client.force_login(engineer)

    page = client.get(reverse("trainer:models", args=[tuned.project.slug])).content.decode()

    assert "0.72" in page
    assert "0.61 to 0.83" in page
    assert tuned.run.snapshot.sha256[:12] in page
    assert reverse("trainer:evaluation-new", args=[tuned.project.slug, tuned.pk]) in page


def result(rate: dict[str, object]) -> dict[str, object]:
    counts = ("pairs", "wins", "ties", "losses", "identical", "without_verdict", "split")
    coverage = {"value": 1.0, "low": 0.9, "high": 1.0, "n": 96}
    return {"win_rate": rate, "coverage": coverage, "judge": "careful v1"} | dict.fromkeys(counts, 3)


@pytest.mark.parametrize(
    ("low", "high", "words"),
    [
        (0.61, 0.83, "the whole interval lies above one half"),
        (0.1, 0.3, "lies below one half"),
        (0.4, 0.6, "Neither is clearly preferred"),
    ],
)
def test_an_evaluation_says_what_its_interval_means(client, engineer, evaluation, low, high, words):
    rate = {"value": (low + high) / 2, "low": low, "high": high, "n": 96}
    Evaluation.objects.filter(pk=evaluation.pk).update(result=result(rate))
    client.force_login(engineer)
    slug = evaluation.model_version.project.slug

    page = client.get(reverse("trainer:evaluation", args=[slug, evaluation.pk])).content.decode()

    assert words in page
    assert "every 2s" not in page


def test_an_evaluation_under_way_is_followed(client, engineer, evaluation):
    client.force_login(engineer)
    slug = evaluation.model_version.project.slug

    page = client.get(reverse("trainer:evaluation", args=[slug, evaluation.pk])).content.decode()

    assert evaluation.parameters["samples"] == 2
    assert "It waits for a worker." in page
    assert "every 2s" in page


def test_an_evaluation_without_a_judge_is_not_started(client, engineer, tuned, policy_model, snapshot):
    client.force_login(engineer)
    url = reverse("trainer:evaluation-new", args=[tuned.project.slug, tuned.pk])
    fields = {"base": policy_model.pk, "snapshot": snapshot.pk, "seed": 1} | defaults("generate")

    form = client.post(url, fields).context["form"]

    assert "judges" in form.errors
    assert not Evaluation.objects.exists()
