"""The commands ``train`` and ``evaluate``: what they start, what they say, and how they fail."""

import json
import shutil
from io import StringIO
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from feedback.models import JobState
from judges.actions.judges import create_judge
from judges.actions.rubrics import create_rubric
from trainer.actions.model_versions import register_base
from trainer.actions.runs import start_run
from trainer.management.waiting import wait_for
from trainer.models import ModelVersion, Run


@pytest.fixture
def spec(tmp_path, snapshot):
    """Write a spec file with these fields over a good one."""

    def write(**fields) -> Path:
        content = {"method": "dpo", "base": "tiny", "snapshot": snapshot.sha256[:10], "seed": 2}
        path = tmp_path / "spec.json"
        path.write_text(
            json.dumps({name: value for name, value in (content | fields).items() if value is not None})
        )
        return path

    return write


@pytest.fixture
def other_model(project, tiny_model, tmp_path) -> ModelVersion:
    folder = Path(shutil.copytree(tiny_model, tmp_path / "other"))
    return register_base(project=project, folder=folder, by=None, beat=lambda: None)


def said(*arguments: object) -> str:
    out = StringIO()
    call_command(*map(str, arguments), stdout=out)
    return out.getvalue()


def failure(*arguments: object) -> str:
    with pytest.raises(CommandError) as caught:
        said(*arguments)
    return str(caught.value)


def test_a_spec_file_starts_a_run(spec, policy_model, snapshot):
    out = said("train", spec(name="mine", parameters={"beta": 0.2}), "--project", "Help desk")

    run = Run.objects.get()
    assert out == "Run mine waits for a worker.\n"
    assert (run.base, run.snapshot, run.spec["seed"]) == (policy_model, snapshot, 2)
    assert run.spec["parameters"]["beta"] == 0.2


def test_paths_count_from_the_spec_file(spec, tiny_model, tmp_path, project):
    (tmp_path / "rows.jsonl").write_text("{}\n")
    (tmp_path / "model").symlink_to(tiny_model)

    said(
        "train",
        spec(method="sft", base="model", snapshot=None, dataset="rows.jsonl"),
        "--project",
        project.slug,
    )

    run = Run.objects.get()
    assert run.spec["dataset"] == str(tmp_path / "rows.jsonl")
    assert run.spec["model"] == str(tiny_model)


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"base": "/none"}, "The model folder /none does not exist"),
        ({"snapshot": "ffff"}, "has no snapshot whose hash begins with 'ffff'"),
        ({"parameters": {"beta": -1}}, "parameters.beta: -1 is too small"),
        ({"parameters": [1]}, "parameters: must be a JSON object"),
        ({"seed": "two"}, "seed: 'two' is not a whole number"),
        ({"method": None}, "needs the field 'method'"),
        ({"name": 7}, "needs the field 'name' to be a text"),
        ({"speed": 1}, "has the unknown field 'speed'"),
    ],
)
def test_a_bad_spec_ends_in_one_sentence(spec, policy_model, fields, words):
    assert words in failure("train", spec(**fields), "--project", "Help desk")
    assert not Run.objects.exists()


def test_a_file_that_is_not_there_or_no_json_is_named(project, tmp_path):
    assert "can not be read (No such file" in failure("train", tmp_path / "none", "--project", "Help desk")
    (tmp_path / "bad").write_text("{")
    assert "is not JSON" in failure("train", tmp_path / "bad", "--project", "Help desk")
    (tmp_path / "list").write_text("[]")
    assert "must hold a JSON object" in failure("train", tmp_path / "list", "--project", "Help desk")


def test_an_unknown_project_is_named(spec):
    assert "There is no project 'nowhere'" in failure("train", spec(), "--project", "nowhere")


def test_waiting_tells_each_change_once_and_ends_with_the_run(spec, policy_model):
    said("train", spec(), "--project", "Help desk")
    job = Run.objects.get().job
    told, lines = iter(["step 1", "step 1", "It finished."]), []

    def line() -> str:
        now = next(told)
        if now == "It finished.":
            job.state = JobState.SUCCEEDED
            job.save()
        return now

    wait_for(job, line, lines.append)

    assert lines == ["step 1", "It finished."]


def test_waiting_for_a_run_that_fails_fails_with_its_sentence(spec, policy_model):
    said("train", spec(), "--project", "Help desk")
    run = Run.objects.get()
    run.job.state, run.job.message = JobState.FAILED, "The disk is full."
    run.job.save()

    with pytest.raises(CommandError, match="The disk is full"):
        wait_for(run.job, lambda: run.job.message, lambda line: None)


@pytest.fixture
def judge(project):
    rubric = create_rubric(
        project=project, name="Helpful", instructions="Prefer the helpful answer.", by=None
    )
    return create_judge(
        project=project,
        name="brief",
        provider="rules",
        model="offline",
        rubric=rubric,
        settings={"rules": [], "length_weight": -1.0},
        by=None,
    )


def test_evaluating_names_what_is_missing(project, policy_model, judge):
    assert "has no model 'none'; it has: tiny" in failure(
        "evaluate", "--project", "Help desk", "--model", "none"
    )
    assert "has no base here" in failure("evaluate", "--project", "Help desk", "--model", "tiny")
    wrong = ("evaluate", "--project", "Help desk", "--model", "tiny", "--base", "tiny", "--judge", "nobody")
    assert "has no judge 'nobody'" in failure(*wrong)


def test_without_a_trusted_judge_one_must_be_named(policy_model, other_model):
    arguments = ("evaluate", "--project", "Help desk", "--model", "other", "--base", "tiny")

    assert "An evaluation needs a judge" in failure(*arguments)


def test_an_evaluation_is_started(project, snapshot, policy_model, other_model, judge):
    trained = start_run(
        project=project, method="dpo", base=policy_model, snapshot=snapshot, by=None, name="made"
    )
    ModelVersion.objects.filter(pk=other_model.pk).update(run=trained)
    arguments = (
        "evaluate",
        "--project",
        "Help desk",
        "--model",
        "other",
        "--base",
        "tiny",
        "--judge",
        "brief",
    )

    out = said(*arguments, "--samples", 1)

    assert out == "The evaluation of other against tiny waits for a worker.\n"
