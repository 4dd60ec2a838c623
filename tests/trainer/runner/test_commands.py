"""The real command: what it leaves behind, and how it stops and goes on."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.training
NewRun = Callable[..., Any]
CANCELLED = 143


def finish(process: subprocess.Popen[str]) -> tuple[int, str]:
    _, stderr = process.communicate(timeout=120)
    return process.returncode, stderr


def test_sft_leaves_a_model_its_events_and_its_result(
    new_run: NewRun, tiny_model: Path, conversations: Path
) -> None:
    run = new_run(
        "sft", tiny_model, conversations, max_steps=6, learning_rate=5e-3, logging_steps=1, save_steps=4
    )

    status, stderr = finish(run.command())

    assert (status, stderr) == (0, "")
    kinds = [event["kind"] for event in run.events()]
    assert kinds == [
        "started",
        *["metric"] * 4,
        "checkpoint",
        *["metric"] * 2,
        "checkpoint",
        "evaluation",
        "samples",
        "finished",
    ]
    assert run.losses()[6] < run.losses()[1]
    result = json.loads((run.folder / "result.json").read_text())
    assert run.events("finished")[0]["result"] == result
    assert result["steps"] == 6
    assert result["evaluation"]["loss"] > 0
    assert sorted(path.name for path in run.folder.iterdir()) == [
        "checkpoint-4",
        "checkpoint-6",
        "events.jsonl",
        "final",
        "result.json",
        "run.lock",
        "runner.log",
        "spec.json",
        "tensorboard",
    ]
    assert not [path.name for path in (run.folder / "final").iterdir() if path.suffix in (".bin", ".pt")]


def test_a_cancel_file_stops_a_lora_run_which_then_resumes_to_a_whole_model(
    new_run: NewRun, tiny_model: Path, conversations: Path
) -> None:
    run = new_run(
        "sft",
        tiny_model,
        conversations,
        max_steps=60,
        logging_steps=1,
        lora_r=4,
        learning_rate=1e-2,
        batch_size=4,
    )
    assert run.here_cancelled_after(2) == CANCELLED
    assert 2 <= run.events("cancelled")[0]["step"] < 60
    assert run.events("cancelled")[0]["reason"] == "a CANCEL file was found"
    assert not (run.folder / "CANCEL").exists()

    assert run.here() == 0

    from transformers import AutoModelForCausalLM

    model, info = AutoModelForCausalLM.from_pretrained(run.folder / "final", output_loading_info=True)
    assert not info["missing_keys"]
    assert not info["unexpected_keys"]
    base = AutoModelForCausalLM.from_pretrained(tiny_model)
    layer = "model.layers.0.self_attn.q_proj.weight"
    assert (model.state_dict()[layer] != base.state_dict()[layer]).any()
    assert (model.state_dict()["lm_head.weight"] == base.state_dict()["lm_head.weight"]).all()


@pytest.mark.parametrize("arguments", [[], ["a.json", "b.json"]])
def test_the_command_wants_one_spec(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    from trainer.runner.__main__ import main

    assert main(arguments) == 1
    assert capsys.readouterr().err == "Usage: python -m trainer.runner SPEC.json\n"
