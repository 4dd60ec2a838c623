"""Stopped by SIGTERM and started again, every method goes on as if nothing had happened."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from tests.trainer.runner.test_ppo import HAS_E

NewRun = Callable[..., Any]
STEPS = 5
SETTINGS: dict[str, Any] = {
    "max_steps": STEPS,
    "logging_steps": 1,
    "max_length": 64,
    "batch_size": 2,
    "learning_rate": 1e-3,
    "samples": 0,
}
SAMPLING: dict[str, Any] = {"rewards": [{"grader": HAS_E}], "max_new_tokens": 4, "max_steps": 5}
METHODS: dict[str, tuple[str, str, dict[str, Any]]] = {
    "sft": ("sft", "conversations", {}),
    "sft, unfreezing": ("sft", "conversations", {"frozen_layers": 2, "unfreeze_every": 3}),
    "reward, ensemble": ("reward", "preferences", {"ensemble": 2, "use_weights": True}),
    "dpo": ("dpo", "preferences", {}),
    "dpo, lora": ("dpo", "preferences", {"lora_r": 2}),
    "dpo, precomputed": ("dpo", "preferences", {"precompute_reference": True}),
    "kto": ("kto", "preferences", {}),
    "orpo": ("orpo", "preferences", {}),
    "grpo": ("grpo", "preferences", {**SAMPLING, "generations": 2}),
    "rloo": ("rloo", "preferences", {**SAMPLING, "generations": 2}),
    "ppo": ("ppo", "preferences", {**SAMPLING, "rollouts": 4, "kl_target": 1.0, "value_learning_rate": 1e-3}),
    "ppo, lora": ("ppo", "preferences", {**SAMPLING, "rollouts": 4, "lora_r": 2}),
}
# These go the way of another above: they tell of themselves in `make test`, not in every submission.
SLOW = ("sft, unfreezing", "dpo, lora", "dpo, precomputed", "rloo")


def figures(run: Any) -> dict[int, dict[str, float]]:
    """The figures of each step, the later where one was done twice, without time and memory, the machine's own."""
    own = ("second", "time", "memory")
    return {
        event["step"]: {n: v for n, v in event["values"].items() if not any(word in n for word in own)}
        for event in run.events("metric")
    }


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.slow if name in SLOW else ()) for name in METHODS]
)
def test_after_sigterm_a_run_goes_on_to_the_very_same_end(
    new_run: NewRun, tiny_model: Path, request: pytest.FixtureRequest, name: str
) -> None:
    method, rows, more = METHODS[name]
    dataset = request.getfixturevalue(rows)
    whole, stopped = (new_run(method, tiny_model, dataset, **SETTINGS | more) for _ in range(2))
    assert whole.here() == 0

    assert stopped.here_terminated_after(2) == 143
    cancelled = stopped.events("cancelled")[0]
    assert 2 <= cancelled["step"] <= 3
    assert cancelled["reason"] == "SIGTERM was received"
    assert stopped.here() == 0

    assert stopped.events("started")[1]["resumed_step"] == cancelled["step"]
    assert figures(stopped) == figures(whole)
    finals = [load_file(run.folder / "final" / "model.safetensors") for run in (whole, stopped)]
    assert all(torch.equal(finals[0][layer], finals[1][layer]) for layer in finals[0])
