"""A search as a run: started by form, command and API; its trials on its page, in its file, and cloned from there."""

import json
from datetime import timedelta
from io import StringIO
from pathlib import Path

import pytest
from django.core.management import call_command
from django.urls import reverse
from django.utils import timezone

from feedback.actions.jobs import perform_job
from feedback.actions.projects import create_project
from feedback.errors import Refused
from feedback.models import Job, JobState
from trainer.actions.checks import BAD, WARN, check_spec
from trainer.actions.events import store_events
from trainer.actions.following import Progress
from trainer.actions.model_versions import register_result
from trainer.actions.runs import carry_out_run, resume_run, start_run
from trainer.curves import Curves
from trainer.events import EventWriter
from trainer.folders import run_folder
from trainer.launchers.settings import LauncherSettings
from trainer.lineage import lineage_of
from trainer.methods import PARAMETERS
from trainer.models import Run
from trainer.spec import RunSpec
from trainer.stories import tell
from trainer.templatetags.plots import parallel
from trainer.trials import trained_with, trial_rows, trials_of

from .conftest import preference_row, write_rows

SEARCH = {
    "ranges": {
        "learning_rate": {"low": 1e-6, "high": 1e-4, "log": True},
        "scheduler": {"choices": ["linear", "cosine"]},
    },
    "trials": 4,
}
TOLD = (  # number, state, learning rate, scheduler, value
    (0, "complete", 1e-6, "linear", 0.5),
    (1, "complete", 1e-5, "cosine", 0.25),
    (2, "pruned", 1e-4, "cosine", 0.125),
    (3, "failed", 1e-4, "linear", None),
)


@pytest.fixture
def engineer(make_user, project):
    return make_user("eve", project=project, role="engineer")


@pytest.fixture
def run(project, snapshot, policy_model) -> Run:
    return start_run(
        project=project,
        method="dpo",
        base=policy_model,
        snapshot=snapshot,
        by=None,
        name="tuned",
        search=SEARCH,
    )


@pytest.fixture
def searched(run) -> Run:
    """It has tried, as its log tells."""
    run_folder(run).mkdir(parents=True)
    with EventWriter(run_folder(run) / "events.jsonl") as events:
        none: dict[str, dict[str, int]] = {name: {} for name in ("rows", "columns", "versions")}
        events.write("started", method="dpo", spec_sha256=run.spec_sha256, device="", resumed_step=0, **none)
        for number, state, rate, scheduler, value in TOLD:
            known = {"number": number, "parameters": {"learning_rate": rate, "scheduler": scheduler}}
            events.write("trial", **known, state="running", value=None, values={})
            events.write("trial", **known, state=state, value=value, values={"2": value})
            events.write("metric", step=number + 1, total_steps=4, epoch=None, values={"best_value": value})
    store_events(run, Progress())
    return run


@pytest.mark.training
@pytest.mark.django_db(transaction=True)
@pytest.mark.slow
def test_a_search_trains_and_its_best_trial_is_the_model_version(project, snapshot, policy_model):
    parameters = {"max_steps": 2, "eval_steps": 1, "batch_size": 4, "samples": 0, "scheduler": "constant"}
    ranges = {"learning_rate": {"low": 1e-10, "high": 5e-3, "log": True}}
    run = start_run(
        project=project,
        method="sft",
        base=policy_model,
        snapshot=snapshot,
        parameters=parameters,
        search={"ranges": ranges, "trials": 2},
        by=None,
    )

    perform_job(run.job_id, carry_out_run)

    run.refresh_from_db()
    assert run.job.state == JobState.SUCCEEDED, run.job.message
    best, other = trials_of(run)
    assert (best.state, other.state) == ("complete", "complete")
    assert best.value < other.value
    assert run.result["best"] == {
        "number": best.number,
        "parameters": best.parameters,
        "value": best.value,
    }
    assert run.model_version.metrics["evaluation"]["loss"] == best.value
    folder = run_folder(run)
    assert run.model_version.path.endswith("final")
    assert not [*folder.glob("trial-*/final"), *folder.glob("trial-*/checkpoint-*")]
    spec = json.loads((folder / "best.json").read_text())
    assert spec["parameters"]["learning_rate"] == best.parameters["learning_rate"]
    assert Curves.from_json(run.curves).last["best_value"] == (2, best.value)


def page_of(client, run: Run, **query: str) -> str:
    return client.get(reverse("trainer:run", args=[run.project.slug, run.pk]), query).content.decode()


def rows_on(page: str) -> list[int]:
    """The numbers of the trials, as the table has them."""
    table = page.split('id="run-trials"')[1].split("</table>")[0]
    return [int(part.split("<")[0]) for part in table.split('<th scope="row">')[1:]]


def form_fields(snapshot, policy_model) -> dict[str, object]:
    parameters = {f"parameters.{each.name}": each.default for each in PARAMETERS["dpo"]}
    return {"snapshot": snapshot.pk, "base": policy_model.name, "seed": 0} | parameters


def test_the_form_starts_a_search(client, engineer, project, snapshot, policy_model):
    client.force_login(engineer)
    url = reverse("trainer:run-new", args=[project.slug]) + "?method=dpo"
    lines = {"search.ranges": "learning_rate 1e-6..1e-4 log\nscheduler linear, cosine", "search.trials": 4}

    answer = client.post(url, form_fields(snapshot, policy_model) | lines | {"search.direction": "maximize"})

    found = Run.objects.get()
    assert answer.url == reverse("trainer:run", args=[project.slug, found.pk])
    filled = {"metric": "loss", "direction": "maximize", "prune": False}
    assert found.spec["search"] == SEARCH | filled
    page = client.get(url + f"&like={found.pk}").content.decode()
    assert "learning_rate 1e-06..0.0001 log\nscheduler linear, cosine" in page


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ("learning_rate", "search.ranges.learning_rate: has no range"),
        ("gamma 1..2", "search.ranges.gamma: is no parameter of the method"),
        ("batch_size 0..8", "search.ranges.batch_size: 0 will not do"),
    ],
)
def test_a_wrong_range_is_said_beside_the_ranges(
    client, engineer, project, snapshot, policy_model, lines, said
):
    client.force_login(engineer)
    url = reverse("trainer:run-new", args=[project.slug]) + "?method=dpo"

    form = client.post(url, form_fields(snapshot, policy_model) | {"search.ranges": lines}).context["form"]

    assert form.errors["search.ranges"][0].startswith(said)
    assert not Run.objects.exists()


def test_the_command_and_the_api_start_a_search(
    project, snapshot, policy_model, make_user, make_client, tmp_path
):
    asked = {"method": "dpo", "base": policy_model.name, "snapshot": snapshot.sha256, "search": SEARCH}
    path = tmp_path / "spec.json"
    path.write_text(json.dumps(asked))
    call_command("train", str(path), "--project", project.name, stdout=StringIO())
    client = make_client(make_user("eva", project=project, role="engineer"))
    url = f"/api/v1/projects/{project.slug}/runs"

    answer = client.post(url, asked | {"seed": 1}, content_type="application/json")
    wrong = asked | {"search": {"ranges": {"beta": {"low": 2, "high": 1}}}}
    refused = client.post(url, wrong, content_type="application/json")

    plain = client.post(url, asked | {"search": None}, content_type="application/json")

    _, by_api, by_command = Run.objects.all()
    assert "search" not in plain.json()["spec"]
    assert answer.json()["spec"]["search"] == by_command.spec["search"] == by_api.spec["search"]
    assert by_api.spec["search"]["trials"] == 4
    assert refused.status_code == 400
    assert "search.ranges.beta" in refused.content.decode()


def test_a_search_needs_held_out_rows_and_one_machine(project, snapshot, policy_model, tmp_path, settings):
    settings.LAUNCHERS = {"two": {"kind": "slurm", "nodes": 2}}
    write_rows(tmp_path / "train.parquet", [preference_row("My lamp is broken.")])
    common = {"project": project, "method": "dpo", "base": policy_model, "by": None, "search": SEARCH}

    with pytest.raises(Refused, match="compares its trials on held-out rows") as none_held_out:
        start_run(**common, dataset=tmp_path)
    with pytest.raises(Refused, match="runs on one machine, and two has several") as several:
        start_run(**common, snapshot=snapshot, launcher="two")

    assert (none_held_out.value.field, several.value.field) == ("snapshot", "launcher")


def test_a_check_counts_every_trial_and_a_budget_that_some_fit_is_no_fault(tmp_path, tiny_model):
    write_rows(tmp_path / "train.parquet", [preference_row("My lamp is broken.")] * 600)
    price = {"hour_price": 3.0}
    launcher = LauncherSettings(kind="ray", url="http://ray", memory_gib=80, teraflops=900, hour_price=3.0)

    def checked(**fields):
        return check_spec(
            RunSpec(method="dpo", model=str(tiny_model), dataset=str(tmp_path), **fields), launcher
        )

    one, four = checked(budget=price), checked(budget=price, search=SEARCH)
    half = checked(budget={"hours": one.seconds * 2.5 / 3600}, search=SEARCH)
    less = checked(budget={"hours": one.seconds * 0.5 / 3600}, search=SEARCH)

    assert (four.steps, four.seconds) == (4 * one.steps, pytest.approx(4 * one.seconds))
    assert (half.findings[-1].level, less.findings[-1].level) == (WARN, BAD)
    assert "about 2 of them" in half.findings[-1].sentence


def test_trials_come_best_first_with_what_they_tried(client, engineer, searched):
    client.force_login(engineer)

    page = page_of(client, searched)

    assert rows_on(page) == [1, 0, 2, 3]
    assert page.count("<strong>best</strong>") == 1
    assert "1e-05" in page
    assert "cosine" in page
    assert "It is searching" not in page  # it waits
    assert f"like={searched.pk}&amp;trial=1" in page
    assert "trial 4 of 4" in page


@pytest.mark.parametrize(
    ("order", "rows"),
    [
        ("number", [0, 1, 2, 3]),
        ("value", [2, 1, 0, 3]),
        ("learning_rate", [0, 1, 2, 3]),
        ("scheduler", [1, 2, 0, 3]),
        ("count", [1, 0, 2, 3]),  # no column
    ],
)
def test_the_table_is_ordered_by_its_columns(client, engineer, searched, order, rows):
    client.force_login(engineer)

    page = page_of(client, searched, order=order)

    assert rows_on(page) == rows
    assert page.count('aria-sort="other"') == (order != "count")


def test_a_trial_is_cloned_as_one_training(client, engineer, searched):
    client.force_login(engineer)
    url = reverse("trainer:run-new", args=[searched.project.slug])

    form = client.get(url, {"method": "dpo", "like": searched.pk, "trial": 1}).context["form"]

    assert form["parameters.learning_rate"].initial == 1e-5
    assert form["parameters.scheduler"].initial == "cosine"
    assert not form["search.ranges"].value()
    assert client.get(url, {"method": "dpo", "like": searched.pk, "trial": 9}).status_code == 404


def test_the_file_has_every_trial_and_only_for_members(client, make_user, engineer, searched):
    url = reverse("trainer:run-trials-csv", args=[searched.project.slug, searched.pk])
    client.force_login(make_user("zoe"))
    assert client.get(url).status_code == 404
    client.force_login(engineer)

    lines = b"".join(client.get(url).streaming_content).decode().splitlines()

    assert lines[0] == "trial,state,loss,learning_rate,scheduler,seconds"
    assert lines[1].startswith("1,complete,0.25,1e-05,cosine,")
    assert lines[4].startswith("3,failed,,0.0001,linear,")
    other = create_project(name="Another", by=None)
    assert client.get(reverse("trainer:run-trials-csv", args=[other.slug, searched.pk])).status_code == 404


def test_a_run_without_a_search_has_no_trials(client, engineer, project, snapshot, policy_model):
    plain = start_run(project=project, method="dpo", base=policy_model, snapshot=snapshot, by=None)
    client.force_login(engineer)

    assert "run-trials" not in page_of(client, plain)
    assert client.get(reverse("trainer:run-trials-csv", args=[project.slug, plain.pk])).status_code == 404
    url = reverse("trainer:run-new", args=[project.slug])
    assert client.get(url, {"like": plain.pk, "trial": 0}).status_code == 404


def test_the_chart_has_a_line_a_trial_over_logarithmic_and_named_places(searched):
    drawn = parallel(searched.spec["search"], trials_of(searched))

    rate, scheduler, loss = drawn["axes"]
    assert [tick["name"] for tick in rate["ticks"]] == ["1e-06", "1e-05", "0.0001"]
    assert [tick["name"] for tick in scheduler["ticks"]] == ["linear", "cosine"]
    assert loss["name"] == "loss"
    assert len(drawn["lines"]) == 3  # the one that failed has no value
    best = drawn["lines"][-1]
    heights = [float(point.split()[1]) for point in best["path"].removeprefix("M").split(" L")]
    assert heights == [rate["ticks"][1]["at"], scheduler["ticks"][1]["at"], pytest.approx(185.3)]
    assert best["best"]
    assert [line["pruned"] for line in drawn["lines"]] == [True, False, False]


def test_what_a_machine_elsewhere_says_of_a_trial_breaks_no_chart(searched):
    first, *others = trials_of(searched)
    odd = {"learning_rate": {"a": [1]}, "scheduler": "<b>"}

    drawn = parallel(searched.spec["search"], [first._replace(parameters=odd), *others])

    assert len(drawn["lines"]) == 3
    assert drawn["lines"][-1]["path"].count("L") == 0


def test_a_killed_search_has_no_trial_that_still_runs(searched):
    searched.events.filter(kind="trial", data__number=3, data__state="failed").delete()
    assert trials_of(searched)[-1].state == "running"
    searched.job.state = JobState.INTERRUPTED

    assert trials_of(searched)[-1].state == "cancelled"


def test_the_time_of_a_trial_is_that_of_all_its_attempts(searched):
    moments = list(searched.events.filter(kind="trial").order_by("seq").values_list("pk", flat=True))
    began = timezone.now()
    for place, seconds in enumerate(
        (0, 10, 100, 130)
    ):  # the first trial, and the second as a second attempt of it
        event = searched.events.filter(pk=moments[place])
        event.update(
            at=began + timedelta(seconds=seconds), data=searched.events.get(pk=moments[place % 2]).data
        )

    assert next(trial.seconds for trial in trials_of(searched) if trial.number == 0) == 40


def test_the_best_trial_is_the_model_version_and_its_parameters_are_told(searched, tiny_model):
    best = {"number": 1, "parameters": {"learning_rate": 1e-5, "scheduler": "cosine"}, "value": 0.25}
    (run_folder(searched) / "final").mkdir()
    for name in ("config.json", "model.safetensors"):
        Path(run_folder(searched) / "final" / name).write_bytes((tiny_model / name).read_bytes())
    searched.result = {"model": "final", "best": best}
    Job.objects.filter(pk=searched.job_id).update(state=JobState.SUCCEEDED)
    searched.job.refresh_from_db()

    version = register_result(run=searched, beat=lambda: None)

    told = lineage_of(version)[-1].as_json()["run"]["parameters"]
    assert (told["learning_rate"], told["scheduler"]) == (1e-5, "cosine")
    assert trained_with(searched)["batch_size"] == searched.spec["parameters"]["batch_size"]
    assert "4 trials" in tell(searched).happened
    assert "The best is trial 1 with 0.25" in tell(searched).happened


def test_a_result_whose_best_trial_is_none_is_refused(searched):
    searched.result = {"model": "final", "best": {"number": "1"}}

    with pytest.raises(Refused, match=r"best\.number"):
        register_result(run=searched, beat=lambda: None)


def test_a_stopped_search_says_where_and_is_resumed_with_more(searched):
    Job.objects.filter(pk=searched.job_id).update(state=JobState.CANCELLED, ended_at=timezone.now())
    searched.refresh_from_db()

    story = tell(searched)
    resume_run(run=searched, by=None, hours=2)

    assert story.happened == "It was cancelled at trial 4 of 4."
    assert story.advice == "Resumed, it goes on with the trial that it was in."
    assert searched.spec["search"]["trials"] == 4
    assert searched.job.state == JobState.QUEUED


def test_the_file_of_a_search_that_has_not_begun_has_its_header(run):
    assert list(trial_rows(run)) == [["trial", "state", "loss", "learning_rate", "scheduler", "seconds"]]
