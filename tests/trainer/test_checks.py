"""Before a run starts: data, memory, time, money; by page, command and API, and by a few timed steps."""

import json
from dataclasses import replace
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.urls import reverse

from alignment.actions.snapshots import snapshot_folder
from feedback.actions.jobs import perform_job
from feedback.errors import Refused
from trainer import estimates
from trainer.actions.checks import BAD, OK, WARN, check_spec, refuse_over_budget
from trainer.actions.preflights import carry_out_preflight, start_checked, start_preflight
from trainer.actions.runs import start_run
from trainer.budget import cap_seconds, seconds_used
from trainer.folders import preflight_folder
from trainer.launchers.settings import LauncherSettings
from trainer.models import Preflight, Run
from trainer.spec import RunSpec

from .conftest import preference_row, write_rows

H100 = LauncherSettings(kind="ray", url="http://ray", memory_gib=80, teraflops=900, hour_price=3.0)
QWEN = estimates.Shape(weights=7_600_000_000, hidden=3584, layers=28, vocabulary=152_064)


@pytest.fixture
def engineer(make_user, project):
    return make_user("eve", project=project, role="engineer")


def spec_of(tmp_path, tiny_model, method="dpo", rows=24, text="My lamp is broken.", **fields) -> RunSpec:
    write_rows(tmp_path / "train.parquet", [preference_row(text) for _ in range(rows)])
    return RunSpec(method=method, model=str(tiny_model), dataset=str(tmp_path), **fields)


def levels(spec: RunSpec, launcher: LauncherSettings = H100) -> list[str]:
    return [finding.level for finding in check_spec(spec, launcher).findings]


def test_a_good_run_is_called_good(tmp_path, tiny_model):
    check = check_spec(
        spec_of(tmp_path, tiny_model, rows=600, parameters={"epochs": 2}, budget={"hour_price": 3}), H100
    )

    assert check.level == OK
    assert check.steps == 150
    assert check.rows.count == 600
    assert check.memory.total < 2
    assert check.cost == pytest.approx(check.seconds * 3 / 3600)


def test_few_rows_and_rows_too_long_are_said(tmp_path, tiny_model):
    few = check_spec(spec_of(tmp_path, tiny_model), H100)
    long = check_spec(spec_of(tmp_path, tiny_model, rows=600, text="word " * 2000), H100)

    assert "24 rows are few for dpo" in few.findings[1].sentence
    assert [f.level for f in few.findings][:2] == [OK, WARN]
    assert "About 100% of the rows are longer than max_length" in long.findings[1].sentence


def test_rows_that_do_not_suit_the_method_are_wrong(tmp_path, tiny_model):
    write_rows(tmp_path / "train.parquet", [{"text": "Hello."}])
    spec = RunSpec(method="dpo", model=str(tiny_model), dataset=str(tmp_path))

    finding = check_spec(spec, H100).findings[0]
    assert finding.level == BAD
    assert finding.sentence == "dpo needs the columns prompt, chosen, rejected; these rows have text."


def test_a_model_without_a_chat_template_is_wrong(tmp_path, tiny_model):
    (tmp_path / "model").mkdir()
    for name in ("config.json", "model.safetensors"):
        (tmp_path / "model" / name).write_bytes((tiny_model / name).read_bytes())

    sentences = [f.sentence for f in check_spec(spec_of(tmp_path, tmp_path / "model"), H100).findings]
    assert any("has no chat template" in sentence for sentence in sentences)


@pytest.mark.parametrize(
    ("method", "parameters", "gib"),
    [
        ("sft", {}, 124),  # 16 bytes a weight are 113 GiB
        ("dpo", {}, 164),  # and 4 more for the reference
        ("dpo", {"lora_r": 16}, 26),  # half precision, and no reference of its own
    ],
)
def test_memory_is_near_what_the_formula_in_the_docs_says(method, parameters, gib):
    full = RunSpec(
        method=method, model="m", dataset="d", parameters={"batch_size": 2} | parameters
    ).parameters

    assert estimates.memory(method, QWEN, full, gpu=True).total == pytest.approx(gib, rel=0.15)


def test_what_does_not_fit_is_wrong(tmp_path, tiny_model):
    small = LauncherSettings(kind="ray", url="http://ray", memory_gib=0.5, teraflops=1)

    assert "It needs about" in check_spec(spec_of(tmp_path, tiny_model), small).findings[-1].sentence
    assert BAD in levels(spec_of(tmp_path, tiny_model), small)


def test_the_shape_is_read_from_the_headers(tiny_model):
    shape = estimates.shape_of(tiny_model)
    config = json.loads((tiny_model / "config.json").read_text())

    assert (shape.hidden, shape.layers, shape.vocabulary) == (48, 2, config["vocab_size"])
    assert shape.weights > 2 * 48 * config["vocab_size"]
    assert estimates.shape_of(tiny_model / "nothing") is None


def test_a_budget_is_the_smaller_of_its_caps():
    assert cap_seconds({"hours": 2, "cost": 3, "hour_price": 6}) == 1800
    assert cap_seconds({"hours": 2, "cost": 3, "hour_price": 0}) == 7200
    assert cap_seconds({"hours": None, "cost": None}) is None


def test_the_time_between_two_attempts_costs_nothing():
    said = [("started", 0), ("metric", 10), ("started", 50), ("metric", 55)]
    events = [{"kind": kind, "at": f"2026-01-01T00:00:{second:02d}+00:00"} for kind, second in said]

    assert seconds_used(events) == 15


def test_a_run_over_its_budget_needs_a_second_word(project, snapshot, policy_model):
    fields = {"project": project, "method": "dpo", "base": policy_model, "snapshot": snapshot, "by": None}
    fields |= {"parameters": {"max_steps": 1_000_000}, "budget": {"hours": 0.01}}

    with pytest.raises(Refused, match=r"its budget ends after 36 s\. To start it all the same, confirm it"):
        start_run(**fields)
    assert start_run(**fields, confirm=True).spec["budget"] == {
        "hours": 0.01,
        "cost": None,
        "hour_price": 0.0,
    }


def test_a_price_that_buys_little_is_a_cap_too(tmp_path, tiny_model):
    spec = spec_of(
        tmp_path, tiny_model, parameters={"max_steps": 10**7}, budget={"cost": 0.01, "hour_price": 3.0}
    )

    with pytest.raises(Refused) as refused:
        refuse_over_budget(spec, replace(H100, teraflops=0.01))
    assert refused.value.field == "confirm"


@pytest.mark.training
@pytest.mark.slow
def test_the_check_page_times_a_few_steps_and_starts_the_run(
    client, engineer, project, snapshot, policy_model
):
    client.force_login(engineer)
    form = {
        "snapshot": snapshot.pk,
        "base": "tiny",
        "seed": 1,
        "hours": 1,
        "launcher": "local",
        "do": "check",
    }
    new = reverse("trainer:run-new", args=[project.slug])
    page = client.get(new).context["form"]
    form |= {name: field.initial for name, field in page.fields.items() if name.startswith("parameters.")}
    form |= {"parameters.max_steps": 500, "parameters.batch_size": 4}

    answer = client.post(new, form)
    preflight = Preflight.objects.get()
    assert answer.url == reverse("trainer:run-check", args=[project.slug, preflight.pk])
    before = client.get(answer.url)
    assert "every 2s" in before.content.decode()

    perform_job(preflight.job_id, carry_out_preflight)
    preflight.refresh_from_db()
    assert preflight.probe["failed"] == ""
    assert preflight.probe["seconds_per_step"] > 0
    assert not preflight_folder(preflight).exists()
    after = client.get(answer.url)
    assert after.context["check"].seconds == pytest.approx(500 * preflight.probe["seconds_per_step"])
    assert "A step takes" in after.content.decode()
    again = client.get(f"{new}?check={preflight.pk}").context["form"]
    assert (again["parameters.max_steps"].initial, again["hours"].initial) == (500, 1)

    client.post(reverse("trainer:check-start", args=[project.slug, preflight.pk]))
    assert Run.objects.get().spec["parameters"]["max_steps"] == 500


@pytest.fixture
def preflight(project, snapshot, policy_model) -> Preflight:
    asked = {"method": "dpo", "base": policy_model.name, "snapshot": snapshot.sha256}
    return start_preflight(project=project, asked=asked, by=None)


def test_what_was_found_to_be_wrong_starts_at_the_second_click_only(client, engineer, project, preflight):
    preflight.probe = {"seconds_per_step": None, "failed": "CUDA is out of memory."}
    preflight.save()
    client.force_login(engineer)
    page = reverse("trainer:run-check", args=[project.slug, preflight.pk])
    start = reverse("trainer:check-start", args=[project.slug, preflight.pk])
    assert client.get(page).context["must_confirm"]

    refused = client.post(start, follow=True)
    assert "To start it all the same, confirm it." in refused.content.decode()
    assert not Run.objects.exists()
    client.post(start, {"confirm": "on"})
    assert Run.objects.count() == 1


def test_looking_at_a_check_reads_no_rows_through(client, engineer, project, snapshot, preflight):
    """The page asks every two seconds; starting reads them."""
    (snapshot_folder(snapshot) / "manifest.json").write_text("{}")
    client.force_login(engineer)
    page = client.get(reverse("trainer:run-check", args=[project.slug, preflight.pk]))
    assert page.context["check"].rows.count == snapshot.train_rows
    with pytest.raises(Refused, match="was changed"):
        start_checked(preflight=preflight, by=None, confirm=True)


def test_the_command_checks_and_starts_nothing(project, snapshot, policy_model, tmp_path):
    spec = tmp_path / "spec.json"
    asked = {"method": "dpo", "base": "tiny", "snapshot": snapshot.sha256, "budget": {"hours": 1}}
    spec.write_text(json.dumps(asked))
    out = StringIO()
    call_command("train", str(spec), "--project", project.slug, "--check", stdout=out)

    assert "rows are few for dpo" in out.getvalue()
    assert json.loads(out.getvalue().splitlines()[-1])["steps"] > 0
    spec.write_text(json.dumps(asked | {"parameters": {"max_steps": 10**7}}))
    with pytest.raises(CommandError, match="Something is wrong"):
        call_command("train", str(spec), "--project", project.slug, "--check", stdout=out)
    assert not Run.objects.exists()


def test_the_api_checks_by_the_same_fields(client, engineer, project, snapshot, policy_model):
    client.force_login(engineer)
    asked = {"method": "dpo", "base": "tiny", "snapshot": snapshot.sha256[:12], "stop_on": ["nan"]}
    url = f"/api/v1/projects/{project.slug}/runs/checks"

    answer = client.post(url, asked, content_type="application/json")

    assert answer.status_code == 201, answer.content
    assert client.get(f"{url}/{answer.json()['id']}").json()["found"]["steps"] > 0
    assert client.post(url, asked | {"launcher": "no"}, content_type="application/json").status_code == 400
    run = client.post(url.removesuffix("/checks"), asked, content_type="application/json").json()
    assert (run["launcher"], run["spec"]["stop_on"]) == ("local", ["nan"])
