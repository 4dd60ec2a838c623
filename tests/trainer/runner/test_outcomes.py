"""How a run ends when something is wrong with what it was given, and when it is started again."""

from __future__ import annotations

import fcntl
import json
import resource
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from safetensors.torch import load_file, save_file

from trainer.runner.failures import explain
from trainer.spec import RunSpec

NewRun = Callable[..., Any]


def failure(run: Any) -> str:
    """Execute a run that must fail; the sentence that it ends with."""
    assert run.here() == 1
    assert not (run.folder / "result.json").exists()
    message: str = run.events()[-1]["message"]
    assert run.events()[-1]["kind"] == "failed"
    return message


def copy_of(model: Path, folder: Path) -> Path:
    return Path(shutil.copytree(model, folder / "copy"))


def test_a_missing_spec_is_named(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    from trainer.runner.__main__ import main

    assert main([str(tmp_path / "none.json")]) == 1
    assert "none.json does not exist; give the path of a JSON file." in capfd.readouterr().err


def test_a_spec_that_is_not_valid_says_which_field(
    new_run: NewRun, capfd: pytest.CaptureFixture[str]
) -> None:
    run = new_run("sft", "m", "d")
    run.spec_path.write_text('{"method": "sft", "model": "m", "dataset": "d", "seed": -1}')

    sentence = "The run spec is not valid: seed: -1 is too small; use 0 or more."
    assert failure(run) == sentence
    assert capfd.readouterr().err.endswith(sentence + "\n")


def test_a_second_runner_is_refused_and_leaves_no_trace(
    new_run: NewRun, capfd: pytest.CaptureFixture[str]
) -> None:
    run = new_run("sft", "m", "d")
    with (run.folder / "run.lock").open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)

        assert run.here() == 75

    assert f"Another runner is at work in {run.folder}" in capfd.readouterr().err
    assert run.events() == []


def test_a_missing_model_folder_is_named(new_run: NewRun, tmp_path: Path, preferences: Path) -> None:
    run = new_run("dpo", tmp_path / "none", preferences)

    assert failure(run) == (
        f"The model folder {tmp_path}/none does not exist: give the path of a folder with a model in it."
    )


def test_a_hub_name_that_is_not_in_the_cache_says_so(new_run: NewRun, preferences: Path) -> None:
    message = failure(new_run("dpo", "nobody/none-such", preferences))

    assert message.startswith("The model nobody/none-such is neither a folder nor in the hub's local cache")


def test_only_safetensors_are_loaded(
    new_run: NewRun, tiny_model: Path, tmp_path: Path, preferences: Path
) -> None:
    model = copy_of(tiny_model, tmp_path)
    torch.save(load_file(model / "model.safetensors"), model / "pytorch_model.bin")
    (model / "model.safetensors").unlink()

    assert "holds no safetensors weights" in failure(new_run("dpo", model, preferences))


def test_a_tokenizer_needs_a_chat_template(
    new_run: NewRun, tiny_model: Path, tmp_path: Path, preferences: Path
) -> None:
    model = copy_of(tiny_model, tmp_path)
    (model / "chat_template.jinja").unlink()

    assert "has no chat template" in failure(new_run("dpo", model, preferences))


def test_a_language_model_gives_no_scores(new_run: NewRun, tiny_model: Path, tmp_path: Path) -> None:
    rows = [{"prompt": [{"role": "user", "content": "Hello"}], "response": "Hi."}]
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "rows.parquet")

    message = failure(new_run("score", tiny_model, tmp_path / "rows.parquet"))

    assert "has no weights for score.weight: give a model of the kind that score needs" in message


@pytest.mark.parametrize(
    ("row", "part"),
    [
        (
            {"prompt": "text", "chosen": "a", "rejected": "b"},
            "must hold lists of messages with role and content",
        ),
        (
            {"prompt": [{"role": "user", "content": "a"}], "chosen": [], "rejected": []},
            "must hold lists of messages",
        ),
        (
            {
                name: [{"role": "user", "content": None}, {"role": "user", "content": "a"}]
                for name in ("prompt", "chosen", "rejected")
            },
            "has rows without a message",
        ),
    ],
)
def test_columns_of_another_shape_are_refused(
    new_run: NewRun, tiny_model: Path, tmp_path: Path, row: dict[str, Any], part: str
) -> None:
    pq.write_table(pa.Table.from_pylist([row]), tmp_path / "train.parquet")

    assert part in failure(new_run("dpo", tiny_model, tmp_path))


def test_wrong_columns_end_in_one_sentence_and_the_log_has_the_rest(
    new_run: NewRun, tiny_model: Path, conversations: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    run = new_run("reward", tiny_model, conversations)

    message = failure(run)

    sentence = (
        "The dataset has the columns prompt, completion, but prompt, chosen, rejected are needed: "
        "export it in the format of this method."
    )
    assert message == sentence
    assert capfd.readouterr().err == sentence + "\n"
    assert "Traceback" in (run.folder / "runner.log").read_text()


def test_a_file_that_is_no_parquet_is_refused(new_run: NewRun, tiny_model: Path, tmp_path: Path) -> None:
    (tmp_path / "train.parquet").write_text("id,text\n")

    assert "is no Parquet file that can be read" in failure(new_run("dpo", tiny_model, tmp_path))


def test_a_dataset_that_is_not_there_is_named(new_run: NewRun, tiny_model: Path, tmp_path: Path) -> None:
    message = failure(new_run("dpo", tiny_model, tmp_path / "none"))

    assert message.startswith(f"The dataset {tmp_path}/none/train.parquet does not exist")


def test_a_dataset_that_has_changed_is_refused(new_run: NewRun, tiny_model: Path, preferences: Path) -> None:
    run = new_run("dpo", tiny_model, preferences)
    spec = RunSpec("dpo", str(tiny_model), str(preferences), dataset_sha256="0" * 64)
    run.spec_path.write_text(spec.to_json())

    assert "has changed since the run was set up" in failure(run)


def test_rows_that_are_all_too_long_leave_nothing_to_train_on(
    new_run: NewRun, tiny_model: Path, preferences: Path
) -> None:
    message = failure(new_run("dpo", tiny_model, preferences, max_length=8))

    assert message == (
        "No training row is left (42 given, 41 too long, 1 with two equal responses): "
        "raise max_length or add rows."
    )


def test_a_loss_that_is_no_number_stops_the_run_before_a_checkpoint(
    new_run: NewRun, tiny_model: Path, tmp_path: Path, conversations: Path
) -> None:
    model = copy_of(tiny_model, tmp_path)
    weights = load_file(model / "model.safetensors")
    weights["lm_head.weight"][:] = float("nan")
    save_file(weights, model / "model.safetensors", metadata={"format": "pt"})
    run = new_run("sft", model, conversations, max_steps=4, logging_steps=100, save_steps=2)

    assert failure(run).startswith(
        "The loss became nan at step 2: start a new run with a learning_rate below"
    )
    assert run.events("metric")[0]["values"]["loss"] is None
    assert not list(run.folder.glob("checkpoint-*"))


def test_a_full_disk_ends_the_run_and_space_lets_it_go_on(
    new_run: NewRun, tiny_model: Path, conversations: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    run = new_run("sft", tiny_model, conversations, max_steps=4, save_steps=2, logging_steps=1)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (500_000, hard))
    try:
        sentence = failure(run)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert sentence.startswith("The disk is full: free some space and start the run again")
    assert capfd.readouterr().err.endswith(sentence + "\n")

    assert run.here() == 0
    assert sorted(run.losses()) == [1, 2, 3, 4]


def test_out_of_memory_is_explained() -> None:
    for error in (torch.OutOfMemoryError("CUDA out of memory."), MemoryError()):
        assert explain(error).startswith("Out of memory: lower batch_size")


def test_an_unexpected_error_points_to_the_log() -> None:
    assert explain(KeyError("x")) == "The run stopped with an unexpected KeyError: 'x' (see runner.log)."


def test_a_cancel_that_came_before_the_first_step_is_obeyed_once(
    new_run: NewRun, tiny_model: Path, conversations: Path
) -> None:
    run = new_run("sft", tiny_model, conversations, max_steps=2)
    (run.folder / "CANCEL").touch()

    assert run.here() == 143
    assert (run.events()[-1]["step"], run.events()[-1]["checkpoint"]) == (0, None)
    assert run.here() == 0


def test_a_finished_run_started_again_does_nothing(
    new_run: NewRun, tiny_model: Path, conversations: Path
) -> None:
    run = new_run("sft", tiny_model, conversations, max_steps=2)
    assert run.here() == 0
    before = run.events()

    assert run.here() == 0

    assert run.events() == before


def test_a_run_killed_before_it_could_say_finished_says_so_when_started_again(
    new_run: NewRun, tiny_model: Path, conversations: Path
) -> None:
    run = new_run("sft", tiny_model, conversations, max_steps=2)
    assert run.here() == 0
    log = run.folder / "events.jsonl"
    log.write_bytes(b"".join(log.read_bytes().splitlines(keepends=True)[:-1]))

    assert run.here() == 0

    assert run.events()[-1]["result"] == json.loads((run.folder / "result.json").read_text())


@pytest.mark.parametrize("lora_r", [0, 2])
def test_a_run_killed_after_its_last_step_trains_no_step_more(
    new_run: NewRun, tiny_model: Path, conversations: Path, lora_r: int
) -> None:
    run = new_run(
        "sft", tiny_model, conversations, max_steps=2, logging_steps=1, lora_r=lora_r, learning_rate=1e-2
    )
    assert run.here() == 0
    first = load_file(run.folder / "final" / "model.safetensors")
    evaluation = json.loads((run.folder / "result.json").read_text())["evaluation"]
    shutil.rmtree(run.folder / "final")
    (run.folder / "result.json").unlink()

    assert run.here() == 0

    second = load_file(run.folder / "final" / "model.safetensors")
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert [event["step"] for event in run.events("metric")] == [1, 2]
    assert json.loads((run.folder / "result.json").read_text())["evaluation"] == evaluation


def test_a_folder_with_the_result_of_another_spec_is_left_alone(
    new_run: NewRun, tiny_model: Path, conversations: Path
) -> None:
    run = new_run("sft", tiny_model, conversations, max_steps=2)
    assert run.here() == 0
    run.spec_path.write_text(RunSpec("sft", str(tiny_model), str(conversations), seed=9).to_json())

    assert run.here() == 1
    assert "holds the result of another spec" in run.events()[-1]["message"]


def test_a_folder_without_a_model_is_named(new_run: NewRun, tmp_path: Path, preferences: Path) -> None:
    (tmp_path / "empty").mkdir()

    assert "holds no model: there is no config.json in it" in failure(
        new_run("dpo", tmp_path / "empty", preferences)
    )


def test_a_conversation_that_the_chat_template_refuses_is_reported(
    new_run: NewRun, tiny_model: Path, tmp_path: Path, preferences: Path
) -> None:
    model = copy_of(tiny_model, tmp_path)
    (model / "chat_template.jinja").write_text("{{ raise_exception('roles must alternate') }}")

    assert failure(new_run("dpo", model, preferences)) == (
        "The model's chat template refuses a row: roles must alternate"
    )


def test_a_response_to_score_must_be_there(new_run: NewRun, tiny_model: Path, tmp_path: Path) -> None:
    prompt = [{"role": "user", "content": "Hello"}]
    rows = [{"prompt": prompt, "response": "Hi."}, {"prompt": prompt, "response": None}]
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "rows.parquet")

    message = failure(new_run("score", tiny_model, tmp_path / "rows.parquet"))

    assert message == "The column 'response' of the dataset must hold a text in every row."


def test_test_rows_must_have_the_columns_of_the_training_rows(
    new_run: NewRun, tiny_model: Path, preferences: Path, conversations: Path, tmp_path: Path
) -> None:
    shutil.copy(preferences / "train.parquet", tmp_path / "train.parquet")
    shutil.copy(conversations / "test.parquet", tmp_path / "test.parquet")

    assert "The test rows have no column 'chosen'" in failure(new_run("dpo", tiny_model, tmp_path))
