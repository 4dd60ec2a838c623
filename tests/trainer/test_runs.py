"""Runs: what is refused before anything starts, what a finished one leaves, and how its log becomes rows."""

import json
import os
import shutil
from pathlib import Path

import pytest
from safetensors.numpy import load_file, save_file

from feedback.actions.jobs import cancel_job, perform_job, resume_job
from feedback.actions.projects import create_project
from feedback.errors import Refused
from feedback.models import AuditEntry, Job, JobState
from trainer.actions.events import store_events
from trainer.actions.following import Progress
from trainer.actions.model_versions import register_base
from trainer.actions.runs import carry_out_run, read_leftover_events, start_run
from trainer.curves import Curves
from trainer.events import EventWriter
from trainer.folders import model_folder, run_folder
from trainer.models import ModelKind, ModelVersion, Run
from trainer.queries import base_named, checkpoints, rows_used, runs_of
from trainer.stories import tell

FAST = {"max_steps": 4, "save_steps": 2, "logging_steps": 1, "max_length": 128, "learning_rate": 2e-3}
GRADED = {"grader": {"type": "string_check", "name": "g", "input": "a", "reference": "a", "operation": "eq"}}


def refusal(**fields) -> tuple[str | None, str]:
    """The field and the sentence with which a run is refused; nothing is left behind."""
    with pytest.raises(Refused) as caught:
        start_run(**fields, by=None)
    assert not Run.objects.exists()
    assert not Job.objects.filter(queue="gpu").exists()
    return caught.value.field, caught.value.sentence


def test_a_missing_model_folder_is_named(project, snapshot, tmp_path):
    field, sentence = refusal(project=project, method="dpo", base=tmp_path / "none", snapshot=snapshot)

    assert field == "base"
    assert sentence.startswith(f"The model folder {tmp_path}/none does not exist; give the path")


def test_a_folder_without_a_configuration_or_without_safetensors_is_no_model(project, snapshot, tmp_path):
    fields = {"project": project, "method": "dpo", "base": tmp_path, "snapshot": snapshot}
    assert "there is no config.json in it" in refusal(**fields)[1]

    (tmp_path / "config.json").write_text("{}")
    (tmp_path / "pytorch_model.bin").write_bytes(b"pickle")
    assert "holds no safetensors weights" in refusal(**fields)[1]


def test_a_parameter_out_of_bounds_is_named(project, snapshot, tiny_model):
    field, sentence = refusal(
        project=project, method="dpo", base=tiny_model, snapshot=snapshot, parameters={"beta": 1000}
    )

    assert field == "parameters.beta"
    assert sentence == "parameters.beta: 1000 is too large; use 100 or less."


def test_a_method_that_there_is_not_is_refused(project, snapshot, tiny_model):
    field, sentence = refusal(project=project, method="cpo", base=tiny_model, snapshot=snapshot)

    assert field == "method"
    assert sentence.startswith("'cpo' is no way to train")


def test_a_run_needs_rows(project, tiny_model, tmp_path):
    fields = {"project": project, "method": "dpo", "base": tiny_model}
    assert refusal(**fields) == ("snapshot", "A run needs rows to train on; choose a snapshot.")
    assert refusal(**fields, dataset=tmp_path / "none")[0] == "dataset"


def test_a_snapshot_whose_files_are_gone_is_refused(project, snapshot, tiny_model, settings):
    shutil.rmtree(settings.SNAPSHOTS_ROOT)

    field, sentence = refusal(project=project, method="dpo", base=tiny_model, snapshot=snapshot)

    assert field == "snapshot"
    assert "its folder is gone. Freeze its labels again." in sentence


def test_what_belongs_to_another_project_is_refused(snapshot, policy_model):
    other = create_project(name="Another", by=None)

    assert refusal(project=other, method="dpo", base=policy_model, snapshot=snapshot)[0] == "snapshot"
    dataset = model_folder(policy_model) / "config.json"
    assert refusal(project=other, method="dpo", base=policy_model, dataset=dataset)[0] == "base"


def test_what_a_run_made_is_used_by_name_and_never_by_its_folder(
    project, snapshot, tiny_model, settings, tmp_path
):
    theirs, own = (Path(settings.RUNS_ROOT) / name / "model" for name in "78")
    for folder in (theirs, own):
        shutil.copytree(tiny_model, folder)
    ModelVersion.objects.create(
        project=project, name="own", kind=ModelKind.REWARD, path="8/model", sha256="0" * 64
    )
    link = tmp_path / "link"
    link.symlink_to(theirs)
    for folder in (theirs, link, tmp_path / ".." / tmp_path.name / "link", own):
        field, words = refusal(project=project, method="dpo", base=folder, snapshot=snapshot)
        assert field == "base"
        assert "belongs to a run" in words


def test_rewards_name_reward_models_of_the_project(project, snapshot, policy_model, reward_model):
    fields = {"project": project, "method": "ppo", "base": policy_model, "snapshot": snapshot, "by": None}
    parameters = {"rewards": [GRADED, {"model": reward_model.name}], "value_model": reward_model.name}

    made = start_run(**fields, parameters=parameters).spec["parameters"]

    folder = str(model_folder(reward_model))
    assert [source.get("model") for source in made["rewards"]] == [None, folder]
    assert made["value_model"] == folder
    again = start_run(**fields, parameters=made, seed=1)  # a clone has the folders
    assert again.spec["parameters"] == made


@pytest.mark.parametrize("name", ["rewards", "win_rate_by", "value_model"])
def test_models_in_parameters_are_refused_like_a_base(
    project, snapshot, policy_model, tiny_model, settings, name
):
    theirs = Path(shutil.copytree(tiny_model, Path(settings.RUNS_ROOT) / "7" / "model"))
    other = create_project(name="Another", by=None)
    ModelVersion.objects.create(
        project=other, name="rm", kind=ModelKind.REWARD, path="7/model", sha256="0" * 64
    )
    fields = {"project": project, "method": "ppo", "base": policy_model, "snapshot": snapshot}
    told = {}
    for named in (str(theirs), "rm", policy_model.name):
        source = named if name == "value_model" else [{"model": named}]
        parameters = {"rewards": [{"model": str(tiny_model)}], "eval_steps": 1, name: source}
        if name == "value_model" and named == policy_model.name:
            continue  # a value model may start from any model
        field, told[named] = refusal(**fields, parameters=parameters)
        assert field == ("parameters.value_model" if name == "value_model" else f"parameters.{name}[0].model")
    assert "belongs to a run" in told[str(theirs)]
    assert "does not exist" in told["rm"]
    assert name == "value_model" or "is no reward model" in told[policy_model.name]


def test_vllm_serves_no_folder_of_runs_or_snapshots(project, snapshot, policy_model, settings, tmp_path):
    """The run would write its weights there."""
    runs, snapshots = Path(settings.RUNS_ROOT), Path(settings.SNAPSHOTS_ROOT)
    (tmp_path / "link").symlink_to(runs / "7")
    home = Path("~") / os.path.relpath(runs, Path.home())
    parameters = {"rewards": [GRADED], "vllm_url": "http://127.0.0.1:1"}
    fields = {"project": project, "method": "ppo", "base": policy_model, "snapshot": snapshot}

    for folder in (
        runs,
        runs / "7" / "final",
        runs.parent,
        snapshots / "x",
        tmp_path / "link",
        home,
        "../7/final",
    ):
        field, words = refusal(**fields, parameters=parameters | {"vllm_folder": str(folder)})
        assert (field, "holds runs or snapshots" in words) == ("parameters.vllm_folder", True), folder

    elsewhere = parameters | {"vllm_folder": str(tmp_path / "served")}
    assert start_run(**fields, by=None, parameters=elsewhere).spec["parameters"] is not None


def test_a_machine_of_ones_own_is_asked_for_no_model_but_the_base(
    project, snapshot, policy_model, reward_model, settings
):
    settings.LAUNCHERS = {"rented": {"kind": "remote"}}
    fields = {
        "project": project,
        "method": "ppo",
        "base": policy_model,
        "snapshot": snapshot,
        "launcher": "rented",
    }
    named = {"rewards": [GRADED], "eval_steps": 1}
    for more, at in [
        ({"rewards": [GRADED, {"model": reward_model.name}]}, "rewards[1].model"),
        ({"win_rate_by": [{"model": reward_model.name}]}, "win_rate_by[0].model"),
        ({"value_model": reward_model.name}, "value_model"),
    ]:
        field, words = refusal(**fields, parameters=named | more)
        assert (field, words[:19]) == (f"parameters.{at}", "rented has no model")
    for wrong, at in [([1], "parameters"), (named | {"rewards": 1}, "parameters.rewards")]:
        assert refusal(**fields, parameters=wrong)[0] == at
    assert start_run(**fields, by=None, parameters=named).launcher == "rented"


def test_a_reward_model_is_no_start_for_dpo(project, snapshot, tiny_model):
    reward = ModelVersion.objects.create(
        project=project, name="rm", kind=ModelKind.REWARD, path=str(tiny_model), sha256="0" * 64
    )

    field, sentence = refusal(project=project, method="dpo", base=reward, snapshot=snapshot)

    assert (field, sentence[:20]) == ("base", "rm is a reward model")


def test_a_name_is_given_once(project, snapshot, policy_model):
    fields = {"project": project, "method": "dpo", "base": policy_model, "snapshot": snapshot, "by": None}
    start_run(**fields, name="first")

    for name in ("first", policy_model.name):
        with pytest.raises(Refused, match="There is already a run or a model called"):
            start_run(**fields, name=name)
    assert start_run(**fields, seed=1).name == "dpo-2"


def test_the_same_run_starts_again_only_after_the_first_has_ended(project, snapshot, policy_model):
    fields = {"project": project, "method": "dpo", "base": policy_model, "snapshot": snapshot, "by": None}
    first = start_run(**fields)

    with pytest.raises(Refused, match=r"The run dpo-1 does the very same and has not ended"):
        start_run(**fields)
    assert Run.objects.count() == Job.objects.filter(queue="gpu").count() == 1

    start_run(**fields, seed=1)
    cancel_job(job=first.job, by=None)
    assert start_run(**fields).name == "dpo-3"


def test_a_run_waits_on_the_gpu_queue_with_its_whole_spec(project, snapshot, policy_model, make_user):
    engineer = make_user("eve", project=project, role="engineer")

    run = start_run(
        project=project,
        method="dpo",
        base=policy_model,
        snapshot=snapshot,
        by=engineer,
        seed=3,
        parameters=FAST,
    )

    assert (run.job.state, run.job.queue, run.job.max_attempts) == ("queued", "gpu", 1)
    assert run.spec["dataset"].endswith(snapshot.sha256)
    assert run.spec["parameters"]["beta"] == 0.1
    assert AuditEntry.objects.get(verb="start run").actor == engineer
    assert tell(run).happened == "It waits for a worker."


def test_a_run_that_waits_is_cancelled_at_once(project, snapshot, policy_model):
    run = start_run(project=project, method="dpo", base=policy_model, snapshot=snapshot, by=None)

    cancel_job(job=run.job, by=None)

    run.job.refresh_from_db()
    assert run.job.state == JobState.CANCELLED
    assert tell(run).happened == "It was cancelled before its first step."


@pytest.mark.training
def test_a_reward_run_leaves_rows_a_model_and_its_lineage(project, snapshot, tiny_model):
    run = start_run(
        project=project,
        method="reward",
        base=tiny_model,
        snapshot=snapshot,
        by=None,
        parameters=FAST,
        name="rm",
    )

    perform_job(run.job_id, carry_out_run)

    run = runs_of(project).get()
    assert (run.job.state, run.job.message, run.job.done) == ("succeeded", "", 4)
    assert (run.step, run.total_steps) == (4, 4)
    assert run.last_metric["values"]["loss"] > 0
    log = (run_folder(run) / "events.jsonl").read_text().splitlines()
    assert [event.kind for event in run.events.all()] == [json.loads(line)["kind"] for line in log]
    assert rows_used(run)["train"] == {
        "given": snapshot.train_rows,
        "used": snapshot.train_rows,
        "too_long": 0,
        "identical": 0,
    }
    assert [each.step for each in checkpoints(run)] == [4, 2]
    lines = Curves.from_json(run.curves).lines
    assert {"loss", "accuracy", "margin", "grad_norm", "held-out loss"} <= set(lines)
    assert [step for step, _ in lines["loss"]] == [1, 2, 3, 4]
    assert run.seconds > 0
    version = run.model_version
    assert (version.name, version.kind, version.path) == ("rm", "reward", f"{run.pk}/final")
    assert set(version.metrics["accuracy"]) == {"value", "low", "high", "n"}
    assert (version.base.name, version.base.kind, version.base.path) == ("tiny", "policy", str(tiny_model))
    assert run.base == version.base
    assert (model_folder(version) / "model.safetensors").is_file()
    assert tell(run).happened.startswith("It finished: 4 steps in ")

    perform_job(run.job_id, carry_out_run)
    assert ModelVersion.objects.count() == 2


@pytest.mark.training
@pytest.mark.slow
def test_a_runner_that_fails_says_why_and_goes_on_once_the_cause_is_mended(project, tiny_model, tmp_path):
    rows = tmp_path / "rows.jsonl"
    rows.write_text(json.dumps({"text": "no conversation"}) + "\n")
    run = start_run(
        project=project, method="sft", base=tiny_model, dataset=rows, by=None, parameters={"max_steps": 1}
    )

    perform_job(run.job_id, carry_out_run)

    run.refresh_from_db()
    assert run.job.state == JobState.FAILED
    assert run.job.message.startswith(
        "The dataset has the columns text, but prompt, completion or messages or"
    )
    assert run.job.message in tell(run).happened
    assert "no checkpoint" in tell(run).advice


def test_weights_that_have_changed_stop_the_run(project, snapshot, tiny_model, tmp_path):
    folder = Path(shutil.copytree(tiny_model, tmp_path / "changing"))
    base = register_base(project=project, folder=folder, by=None, beat=lambda: None)
    weights = load_file(folder / "model.safetensors")
    save_file({name: value * 2 for name, value in weights.items()}, folder / "model.safetensors")
    run = start_run(project=project, method="dpo", base=base, snapshot=snapshot, by=None)

    perform_job(run.job_id, carry_out_run)

    run.job.refresh_from_db()
    assert run.job.state == JobState.FAILED
    assert "are no longer those of changing" in run.job.message


def test_the_same_folder_is_one_model_version_until_its_weights_change(project, tiny_model, tmp_path):
    folder = Path(shutil.copytree(tiny_model, tmp_path / "tiny"))
    known = {
        register_base(project=project, folder=path, by=None, beat=lambda: None).name
        for path in (tiny_model, tiny_model, folder)
    }

    assert len(known) == 2
    assert "tiny" in known


def test_a_base_is_named_by_a_model_version_or_a_path(project, policy_model):
    assert base_named(project, " tiny ") == policy_model
    assert base_named(project, "/models/other") == Path("/models/other")


@pytest.fixture
def logged_run(project, snapshot, policy_model):
    run = start_run(project=project, method="dpo", base=policy_model, snapshot=snapshot, by=None)
    run_folder(run).mkdir(parents=True)
    return run


def write(run: Run, *steps: int, resumed: int = 0) -> None:
    """What a runner would log for these steps."""
    with EventWriter(run_folder(run) / "events.jsonl") as events:
        events.write(
            "started",
            method="dpo",
            spec_sha256=run.spec_sha256,
            versions={},
            device="cpu",
            rows={},
            columns={},
            resumed_step=resumed,
        )
        for step in steps:
            events.write(
                "metric", step=step, total_steps=100, epoch=0.1, values={"loss": 1 / (step + resumed)}
            )


def test_the_log_is_stored_once_however_often_it_is_read(logged_run):
    write(logged_run, 1, 2)
    store_events(logged_run, Progress())
    logged_run.events_offset = 0
    store_events(logged_run, Progress())

    assert list(logged_run.events.values_list("seq", flat=True)) == [1, 2, 3]


def test_half_a_line_is_left_for_the_next_time(logged_run):
    write(logged_run, 1)
    path = run_folder(logged_run) / "events.jsonl"
    whole = path.read_bytes()
    path.write_bytes(whole[:-10])

    store_events(logged_run, Progress())
    assert logged_run.events.count() == 1
    path.write_bytes(whole)
    store_events(logged_run, Progress())

    assert logged_run.events.count() == 2
    assert logged_run.step == 1


def test_a_resumed_run_repeats_steps_and_the_later_value_is_drawn(logged_run):
    write(logged_run, 1, 2, 3)
    write(logged_run, 2, 3, resumed=1)
    store_events(logged_run, Progress())

    logged_run.refresh_from_db()
    curves = Curves.from_json(logged_run.curves)
    assert curves.lines == {"loss": [(1, 1), (2, 1 / 3), (3, 1 / 4)]}
    assert curves.cuts == 1


def test_the_curves_and_the_offset_in_the_log_are_stored_together(logged_run):
    write(logged_run, 1, 2)
    store_events(logged_run, Progress())
    write(logged_run, 4, resumed=3)
    again = Run.objects.get(pk=logged_run.pk)
    store_events(again, Progress(step=again.step))

    again.refresh_from_db()
    assert [step for step, _ in Curves.from_json(again.curves).lines["loss"]] == [1, 2, 4]
    assert again.events_offset == (run_folder(again) / "events.jsonl").stat().st_size


def test_what_a_runner_wrote_after_its_worker_died_is_read_later(logged_run):
    write(logged_run, 1)
    store_events(logged_run, Progress())
    with EventWriter(run_folder(logged_run) / "events.jsonl") as events:
        events.write("checkpoint", step=1, path="checkpoint-1")
        events.write(
            "cancelled", step=1, checkpoint="checkpoint-1", reason="the process that started the run has died"
        )
    logged_run.job.state = JobState.INTERRUPTED
    logged_run.job.message = "Its worker died without a word. Resume to go on."
    logged_run.job.ended_at = logged_run.created_at
    logged_run.job.save()

    read_leftover_events()

    logged_run.refresh_from_db()
    story = tell(logged_run)
    assert "The runner noticed at step 1 of 100: the process that started the run has died" in story.happened
    assert story.advice == "Resumed, it goes on from its last checkpoint, step 1."


def test_a_log_that_can_not_be_read_keeps_no_other_from_being_read(
    logged_run, project, snapshot, policy_model
):
    write(logged_run, 1)
    fields = {"project": project, "method": "dpo", "base": policy_model, "snapshot": snapshot, "by": None}
    bad = start_run(**fields, seed=1)
    run_folder(bad).mkdir(parents=True)
    (run_folder(bad) / "events.jsonl").write_text('{"seq": 1, "kind": "warning", "message": "when?"}\n')
    Job.objects.update(state=JobState.INTERRUPTED, ended_at=logged_run.created_at)

    read_leftover_events()
    assert logged_run.events.count() == 2


def test_only_what_has_ended_badly_is_resumed(logged_run):
    with pytest.raises(Refused, match="can be resumed"):
        resume_job(job=logged_run.job, by=None)


def test_what_a_launchers_engine_does_not_do_is_refused_by_name(project, snapshot, tiny_model, settings):
    settings.LAUNCHERS = {"verl": {"kind": "ray", "url": "http://head", "engine": "verl"}}
    fields = {"project": project, "base": tiny_model, "snapshot": snapshot, "launcher": "verl"}

    assert refusal(**fields, method="dpo") == (
        "launcher",
        "verl trains grpo, rloo, ppo here, and no search; choose another launcher.",
    )
    asked = {"rewards": [{"model": str(tiny_model)}], "scheduler": "cosine", "kl_target": 6.0}
    field, sentence = refusal(**fields, method="ppo", parameters=asked)
    assert (field, sentence) == ("parameters", "kl_target is nothing that verl does; leave it at 0.0.")
