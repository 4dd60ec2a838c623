"""PPO as a run: what its first step must be, and what must not depend on how it is carried out."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from accelerate import Accelerator
from accelerate.utils import DistributedType
from safetensors.torch import load_file
from transformers import TrainerControl, TrainerState

from tests.trainer.runner.fake_vllm import FakeVllm
from trainer.runner import ppo
from trainer.runner.failures import RunnerError
from trainer.runner.rewards import Mix
from trainer.runner.training import PatienceCallback, check_adapter, tell_deepspeed
from trainer.spec import RunSpec

NewRun = Callable[..., Any]
ROOT = Path(__file__).parents[3]
HAS_E = {
    "type": "string_check",
    "name": "has e",
    "input": "{{sample.output_text}}",
    "reference": "e",
    "operation": "like",
}
SETTINGS: dict[str, Any] = {
    "rewards": [{"grader": HAS_E}],
    "rollouts": 8,
    "batch_size": 4,
    "max_new_tokens": 6,
    "max_length": 64,
    "max_steps": 2,
    "logging_steps": 1,
    "learning_rate": 3e-3,
    "value_learning_rate": 1e-3,
    "samples": 2,
}


def values(run: Any) -> list[dict[str, Any]]:
    return [event["values"] for event in run.events("metric")]


def steady(values: dict[str, Any]) -> dict[str, Any]:
    """Without what depends on the machine."""
    return {name: value for name, value in values.items() if "second" not in name and name != "memory_gb"}


@pytest.fixture
def ratios(monkeypatch: pytest.MonkeyPatch) -> list[torch.Tensor]:
    """The ratios in each forward pass that trains."""
    seen: list[torch.Tensor] = []
    original = ppo.policy_losses

    def watching(new: torch.Tensor, old: torch.Tensor, advantages: torch.Tensor, clip: float) -> torch.Tensor:
        seen.append((new - old).exp().detach())
        return original(new, old, advantages, clip)

    monkeypatch.setattr(ppo, "policy_losses", watching)
    return seen


@pytest.fixture
def gradients(monkeypatch: pytest.MonkeyPatch) -> list[torch.Tensor]:
    """All gradients before each optimizer step, as one vector each."""
    seen: list[torch.Tensor] = []
    original = Accelerator.clip_grad_norm_

    def watching(self: Any, parameters: Any, norm: float) -> Any:
        kept = list(parameters)
        seen.append(torch.cat([each.grad.flatten() for each in kept if each.grad is not None]))
        return original(self, kept, norm)

    monkeypatch.setattr(Accelerator, "clip_grad_norm_", watching)
    return seen


@pytest.mark.parametrize("more", [{}, {"lora_r": 2}, {"precision": "bf16"}, {"gradient_checkpointing": "on"}])
def test_the_ratio_is_exactly_1_before_the_first_update(
    new_run: NewRun, tiny_model: Path, preferences: Path, ratios: list[torch.Tensor], more: dict[str, Any]
) -> None:
    run = new_run("ppo", tiny_model, preferences, **SETTINGS | {"max_steps": 1, "ppo_epochs": 2} | more)

    assert run.here() == 0

    first, later = ratios[:2], ratios[2:]
    assert all(bool((each == 1).all()) for each in first)
    assert not all(bool((each == 1).all()) for each in later)


def test_accumulating_small_batches_equals_one_big_batch(
    new_run: NewRun, tiny_model: Path, preferences: Path, gradients: list[torch.Tensor]
) -> None:
    settings = {"ppo_epochs": 1, "max_steps": 1}
    runs = [
        new_run("ppo", tiny_model, preferences, **SETTINGS | settings | {"batch_size": size})
        for size in (8, 2)
    ]

    assert [run.here() for run in runs] == [0, 0]

    big, small = gradients
    assert big.norm() > 0.1
    torch.testing.assert_close(small, big, rtol=1e-3, atol=1e-6)
    one, other = (steady(values(run)[0]) for run in runs)
    assert one == pytest.approx(other, rel=1e-3, abs=1e-5)


def test_the_first_step_starts_from_the_base_and_reports_what_happened(
    new_run: NewRun, tiny_model: Path, preferences: Path
) -> None:
    run = new_run("ppo", tiny_model, preferences, **SETTINGS | {"eval_steps": 1})

    assert run.here() == 0

    first, second = values(run)
    assert first["kl"] == pytest.approx(0, abs=1e-5)
    assert second["kl"] != first["kl"]
    assert first["value_explained"] == 0  # a new value head says 0
    assert {"reward", "reward_has e", "entropy", "clip_share", "value_loss", "length", "grad_norm"} <= set(
        first
    )
    assert run.events("started")[0]["rows"]["train"] == {
        "given": 42,
        "used": 21,
        "too_long": 1,
        "repeated": 20,
    }
    samples = run.events("samples")
    assert [event["step"] for event in samples] == [1, 2]
    prompts = [[sample["prompt"] for sample in event["samples"]] for event in samples]
    assert prompts[0] == prompts[1]
    assert set(samples[0]["samples"][0]["rewards"]) == {"has e"}
    assert list((run.folder / "tensorboard").iterdir())


def test_with_lora_only_the_adapter_has_moved_and_is_merged_in(
    new_run: NewRun, tiny_model: Path, preferences: Path
) -> None:
    run = new_run("ppo", tiny_model, preferences, **SETTINGS | {"lora_r": 2})

    assert run.here() == 0

    base, final = (load_file(folder / "model.safetensors") for folder in (tiny_model, run.folder / "final"))
    assert set(base) == set(final)
    assert torch.equal(base["model.embed_tokens.weight"], final["model.embed_tokens.weight"])
    layer = "model.layers.0.self_attn.q_proj.weight"
    assert not torch.equal(base[layer], final[layer])
    assert values(run)[0]["kl"] == pytest.approx(0, abs=1e-5)


def test_frozen_layers_stay_until_their_turn(new_run: NewRun, tiny_model: Path, preferences: Path) -> None:
    finals = []
    for every in (0, 1):
        settings = SETTINGS | {"frozen_layers": 2, "unfreeze_every": every}
        run = new_run("ppo", tiny_model, preferences, **settings)
        assert run.here() == 0
        finals.append(load_file(run.folder / "final" / "model.safetensors"))

    base = load_file(tiny_model / "model.safetensors")
    low, high = (f"model.layers.{n}.mlp.up_proj.weight" for n in (0, 1))
    assert [torch.equal(base[low], final[low]) for final in finals] == [True, True]
    assert [torch.equal(base[high], final[high]) for final in finals] == [True, False]


def test_a_run_that_gains_nothing_ends_early_with_its_best_model(
    new_run: NewRun, tiny_model: Path, preferences: Path
) -> None:
    never = {**HAS_E, "reference": "no such text"}
    settings = {"rewards": [{"grader": never}], "max_steps": 9, "eval_steps": 1, "save_steps": 1}
    run = new_run("ppo", tiny_model, preferences, **SETTINGS | settings | {"early_stopping": 2})

    assert run.here_terminated_after(2) == 143
    assert run.here() == 0

    assert [event["step"] for event in run.events("metric")] == [1, 2, 3]
    assert [event["step"] for event in run.events("evaluation")][:3] == [1, 2, 3]
    assert json.loads((run.folder / "result.json").read_text())["steps"] == 1


def test_a_step_without_any_grade_changes_nothing_and_several_end_the_run(
    new_run: NewRun, tiny_model: Path, preferences: Path
) -> None:
    ungraded = {**HAS_E, "name": "nobody", "input": "{{item.no_such_column}}"}
    settings = SETTINGS | {"rewards": [{"grader": ungraded}], "whiten_rewards": True, "eval_steps": 1}
    few, many = (new_run("ppo", tiny_model, preferences, **settings | {"max_steps": n}) for n in (2, 9))

    assert few.here() == 0
    first, second = values(few)
    assert first["ungraded_share"] == 1
    assert not {"reward", "reward_nobody", "kl", "loss"} & set(first)
    assert all(value is not None for value in (first | second).values())
    assert "reward" not in few.events("evaluation")[0]["values"]
    assert few.events("warning")[0]["message"].startswith("No response of step 1 was graded")
    assert not few.events("alarm")
    base, final = (load_file(folder / "model.safetensors") for folder in (tiny_model, few.folder / "final"))
    assert all(torch.equal(base[name], final[name]) for name in base)

    assert many.here() == 1
    assert many.events("failed")[0]["message"].startswith("No response of 5 steps in a row was graded")


@pytest.fixture
def bare() -> ppo.PPO:
    """Only what its figures need."""
    training = ppo.PPO.__new__(ppo.PPO)
    training.accelerator = Accelerator(cpu=True)
    training.progress = ppo.Progress(0.1)
    training.mix = Mix({"known": len, "never": len}, [1.0, 1.0])
    return training


def test_what_was_not_graded_is_left_out_of_reward_and_kl(bare: ppo.PPO) -> None:
    graded = [True, False, False, False]
    batch = ppo.make_batch([[1]] * 4, [[7, 8]] * 4, graded, pad=0, device=torch.device("cpu"))
    batch.old_bt, batch.reference_bt = torch.full((4, 2), -1.0), torch.full((4, 2), -2.0)
    batch.values_bt, batch.returns_bt = torch.zeros(4, 2), torch.ones(4, 2)
    nan = float("nan")
    rewards = torch.tensor([[0.5, nan], [nan, nan], [nan, nan], [nan, nan]])
    ended = torch.ones(4, dtype=torch.bool)
    rollouts = ppo.Rollouts([], [[1]] * 4, [[7, 8]] * 4, [], rewards, rewards[:, 0], ended)

    found = bare._describe([batch], rollouts)

    assert (found["reward"], found["reward_known"], found["kl"]) == (0.5, 0.5, 2.0)
    assert "reward_never" not in found
    assert (found["graded"], found["ungraded_share"]) == (1, 0.75)


def test_moments_of_large_values_keep_a_small_spread(bare: ppo.PPO) -> None:
    assert bare._moments(torch.tensor([1e4 + 0.25, 1e4 - 0.25])) == pytest.approx((1e4, 0.25))
    assert bare._moments(torch.tensor([])) == (0.0, 0.0)


def test_a_vllm_server_samples_with_the_weights_it_is_given(
    new_run: NewRun, tiny_model: Path, preferences: Path, tmp_path: Path
) -> None:
    served = tmp_path / "served"
    with FakeVllm(served, tiny_model) as server:
        settings = {"vllm_url": server.url, "vllm_folder": str(served), "max_steps": 3}
        run = new_run("ppo", tiny_model, preferences, **SETTINGS | settings)

        assert run.here() == 0

    final = load_file(run.folder / "final" / "model.safetensors")
    sent = load_file(served / "model.safetensors")
    assert all(torch.equal(final[name], sent[name]) for name in final)
    # The base first, then after each step; what was cached with older weights is dropped each time.
    assert server.asked("/collective_rpc") == [{"method": "reload_weights"}] * 4
    assert len(server.asked("/reset_prefix_cache")) == 4
    # The server's own log-probabilities were those of the weights that ours were computed with.
    found = values(run)
    assert found[0]["kl"] == pytest.approx(0, abs=1e-5)
    assert abs(found[2]["kl"]) > 1e-3
    asked = server.asked("/v1/completions")[0]
    assert asked["return_token_ids"] is True
    # What is not given is the model's own, which would sample from another distribution than is trained.
    assert (asked["repetition_penalty"], asked["min_p"]) == (1.0, 0.0)


def test_a_vllm_server_that_is_not_there_is_named(
    new_run: NewRun, tiny_model: Path, preferences: Path, tmp_path: Path
) -> None:
    settings = {"vllm_url": "http://127.0.0.1:9", "vllm_folder": str(tmp_path / "served")}
    run = new_run("ppo", tiny_model, preferences, **SETTINGS | settings)

    assert run.here() == 1
    assert "does not answer" in run.events()[-1]["message"]
    assert "VLLM_SERVER_DEV_MODE=1" in run.events()[-1]["message"]


@pytest.mark.training
@pytest.mark.slow
def test_two_processes_train_one_model_and_sample_from_one_in_parts(
    new_run: NewRun, tiny_model: Path, preferences: Path
) -> None:
    never = {**HAS_E, "reference": "no such text"}
    # Only the first process knows the win rate, and both have to stop on it.
    stopping = {"early_stopping": 1, "early_stopping_metric": "win_rate", "eval_steps": 1, "save_steps": 1}
    settings = {"max_steps": 9, "frozen_layers": 1, "win_rate_by": [{"grader": never}]}
    run = new_run("ppo", tiny_model, preferences, **SETTINGS | stopping | settings)
    command = ["-m", "torch.distributed.run", "--nproc_per_node=2", "--standalone"]
    finished = subprocess.run(
        [sys.executable, *command, "-m", "tests.trainer.runner.two_ranks", str(run.spec_path)],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
    )

    assert finished.returncode == 0, finished.stderr[-3000:]
    assert [event["step"] for event in run.events("metric")] == [1, 2]
    assert run.events("metric")[0]["epoch"] == pytest.approx(16 / 21)
    assert (run.folder / "final" / "model.safetensors").is_file()
    assert len(run.events("finished")) == 1


def test_deepspeed_is_told_its_batches_and_its_third_stage_refused() -> None:
    """DeepSpeed itself is tried by two ranks, where it is installed."""
    stage_2, stage_3 = (
        # By a deepspeed_config_file: accelerate's own zero_stage is then its default.
        SimpleNamespace(zero_stage=2, deepspeed_config={"zero_optimization": {"stage": stage}})
        for stage in (2, 3)
    )
    tell_deepspeed(stage_2, {"batch_size": 4, "max_grad_norm": 1.0})
    told = {"train_micro_batch_size_per_gpu": 4, "gradient_clipping": 1.0}
    assert stage_2.deepspeed_config == {"zero_optimization": {"stage": 2}} | told
    with pytest.raises(RunnerError, match="set zero_stage to 2 or use FSDP2"):
        tell_deepspeed(stage_3, {"batch_size": 4, "max_grad_norm": 1.0})


@pytest.mark.parametrize(
    ("kind", "stage", "lora", "refused"),
    [
        ("FSDP", 0, 4, True),
        ("DEEPSPEED", 3, 4, True),
        ("DEEPSPEED", 3, 0, False),
        ("DEEPSPEED", 2, 4, False),
        ("NO", 0, 4, False),
    ],
)
def test_an_adapter_is_not_trained_on_weights_that_are_cut_up(kind, stage, lora, refused):
    """The first rank could not merge it."""
    plugin = SimpleNamespace(deepspeed_config={"zero_optimization": {"stage": stage}}) if stage else None
    state = SimpleNamespace(deepspeed_plugin=plugin)
    accelerator = SimpleNamespace(distributed_type=DistributedType(kind), state=state)
    spec = RunSpec(method="sft", model="m", dataset="d", parameters={"lora_r": lora})
    expected = pytest.raises(RunnerError, match="can not be merged") if refused else nullcontext()
    with expected:
        check_adapter(SimpleNamespace(spec=spec), accelerator)


@pytest.mark.parametrize("greater", [True, False])
def test_a_figure_that_is_missing_costs_no_patience(greater):
    patience, state = PatienceCallback(2), TrainerState()
    state.best_metric = 0.5
    arguments = SimpleNamespace(greater_is_better=greater)
    counts = []
    for value in (math.nan, 0.5, math.nan, math.nan):
        patience.check_metric_value(arguments, state, TrainerControl(), value)
        counts.append(patience.early_stopping_patience_counter)
    assert counts == [0, 1, 1, 1]
