"""Between a Hugging Face trainer and the run: its logs become events, a wish to stop becomes a checkpoint."""

from __future__ import annotations

import math
import os
import resource
import time
from pathlib import Path
from typing import Any

import torch
from transformers import PreTrainedModel, TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from trainer.runner.checkpoints import mark_complete
from trainer.runner.execution import Run, is_first_rank
from trainer.runner.failures import RunnerError
from trainer.runner.rollouts import is_sharded
from trainer.runner.win_rates import WinRate

# The trainers' names for what has one name on the charts.
_NAMES = {
    "rewards/accuracies": "accuracy",
    "rewards/margins": "margin",
    "rewards/chosen": "reward_chosen",
    "rewards/rejected": "reward_rejected",
    "completions/mean_length": "length",
    "clip_ratio/region_mean": "clip_share",
    "frac_reward_zero_std": "equal_share",
}
# How a trainer calls the accuracy on held-out rows.
METRICS_OF_TRL = {
    ("dpo", "accuracy"): "rewards/accuracies",
    ("orpo", "accuracy"): "rewards/accuracies",
    ("reward", "accuracy"): "accuracy",
}
_TIMINGS = (
    "epoch",
    "runtime",
    "model_preparation_time",
    "samples_per_second",
    "steps_per_second",
    "num_tokens",
)


class RunCallback(TrainerCallback):  # type: ignore[misc]  # transformers is not typed here
    """Called by the trainer on every rank; only rank 0 writes, and all ranks stop at the same step."""

    def __init__(self, run: Run, win_rate: WinRate | None = None) -> None:
        self._run, self._win_rate = run, win_rate
        self._trained = False
        self._reported: tuple[float, int] | None = None
        self.stop_reason: str | None = None
        self.evaluations: dict[int, dict[str, Any]] = {}

    def on_step_end(
        self, args: TrainingArguments, _state: TrainerState, control: TrainerControl, **_: Any
    ) -> TrainerControl:
        self.stop_reason = reason_to_stop(self._run, args.device)
        if self.stop_reason:
            control.should_save = True
            control.should_training_stop = True
        if control.should_save:
            # Logged before it is saved, so that weights gone wrong never become a checkpoint.
            control.should_log = True
        return control

    def on_log(
        self,
        _args: TrainingArguments,
        state: TrainerState,
        _control: TrainerControl,
        logs: dict[str, float] | None = None,
        model: PreTrainedModel | None = None,
        **_: Any,
    ) -> None:
        logs = logs or {}
        if "loss" in logs:
            self._report_metric(state, logs)
        elif any(name.startswith("eval_") for name in logs):
            self._report_evaluation(state, logs, self._wins(model))

    def _wins(self, model: PreTrainedModel | None) -> dict[str, float]:
        if self._win_rate is None or model is None:
            return {}
        return self._win_rate.of(model, sharded=is_sharded(model))

    def on_evaluate(
        self,
        args: TrainingArguments,
        state: TrainerState,
        _control: TrainerControl,
        metrics: dict[str, float],
        **_: Any,
    ) -> None:
        """Put our win rate beside the trainer's own figures, where the run may stop on it. Unknown is NaN."""
        if args.metric_for_best_model == "eval_win_rate":
            found = self.evaluations.get(state.global_step, {}).get("win_rate")
            found = from_first_rank(found, args.device)
            metrics["eval_win_rate"] = math.nan if found is None else found

    def on_save(
        self, args: TrainingArguments, state: TrainerState, _control: TrainerControl, **_: Any
    ) -> None:
        checkpoint = Path(args.output_dir) / f"checkpoint-{state.global_step}"
        if is_first_rank():
            mark_complete(checkpoint)
        self._run.events.write("checkpoint", step=state.global_step, path=str(checkpoint))

    def on_train_end(self, *_: Any, **__: Any) -> None:
        self._trained = True

    def on_prediction_step(self, *_: Any, **__: Any) -> None:
        # Only after training: before, stopping here would lose the steps since the last checkpoint.
        if self._trained:
            self._run.check_stop()

    def _report_metric(self, state: TrainerState, logs: dict[str, float]) -> None:
        values = {**self._machine(state), **_named(logs)}
        self._run.report_metric(state.global_step, state.max_steps, state.epoch, values)
        if not math.isfinite(logs["loss"]):
            raise diverged(self._run, logs["loss"], state.global_step)

    def _machine(self, state: TrainerState) -> dict[str, float]:
        """How fast rows go through since the last report, and the memory that was needed at most."""
        now, step = time.monotonic(), int(state.global_step)
        before, self._reported = self._reported, (now, step)
        parameters, world = self._run.spec.parameters, int(os.environ.get("WORLD_SIZE", "1"))
        a_step = parameters["batch_size"] * parameters["gradient_accumulation"] * world
        memory = {"memory_gb": memory_gb()}
        if before is None or step <= before[1]:
            return memory
        return {**memory, "rows_per_second": (step - before[1]) * a_step / max(now - before[0], 1e-9)}

    def _report_evaluation(self, state: TrainerState, logs: dict[str, float], more: dict[str, float]) -> None:
        values = _named({name.removeprefix("eval_"): value for name, value in logs.items()}) | more
        self.evaluations[state.global_step] = values
        self._run.report_evaluation(state.global_step, values)


def diverged(run: Run, loss: float | None, step: int) -> RunnerError:
    """The failure of a run whose loss is no number any more."""
    return RunnerError(
        f"The loss became {loss} at step {step}: start a new run with a "
        f"learning_rate below {run.spec.parameters['learning_rate']:g} or with warmup_steps."
    )


def memory_gb() -> float:
    """The most that this process has held: on its card, or without one in all."""
    if torch.cuda.is_available():
        return float(torch.cuda.max_memory_allocated()) / 1e9
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9


def _named(logs: dict[str, float]) -> dict[str, float | None]:
    return {_name(name): float(value) for name, value in logs.items() if name not in _TIMINGS}


def _name(name: str) -> str:
    """`rewards/SOURCE/mean` is a source's mean reward, as PPO names it."""
    if name in _NAMES:
        return _NAMES[name]
    source = name.removeprefix("rewards/").removesuffix("/mean")
    if name == f"rewards/{source}/mean":
        return f"reward_{source}"
    return name.replace("/", "_")


def reason_to_stop(run: Run, device: torch.device) -> str | None:
    """Why the run has to stop now, if any of its processes has to: they must all leave at the same step."""
    reason = run.stop.reason()
    if not _is_distributed():
        return reason
    stops = torch.tensor(int(reason is not None), device=device)
    torch.distributed.all_reduce(stops, op=torch.distributed.ReduceOp.MAX)
    return (reason or "another process of the run had to stop") if stops.item() else None


def from_first_rank(value: float | None, device: torch.device) -> float | None:
    """On every process of a distributed run what its first one knows."""
    if not _is_distributed():
        return value
    told = torch.tensor(math.nan if value is None else value, device=device)
    torch.distributed.broadcast(told, src=0)
    return None if told.isnan() else float(told)


def _is_distributed() -> bool:
    return bool(torch.distributed.is_available() and torch.distributed.is_initialized())
