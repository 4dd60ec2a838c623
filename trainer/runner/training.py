"""What the training methods share: the spec as arguments, the loop with its resume, the saved model."""

from __future__ import annotations

import math
import shutil
from collections.abc import Callable, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from accelerate.utils import DeepSpeedPlugin, DistributedType
from peft import PeftModel
from transformers import (
    EarlyStoppingCallback,
    PreTrainedModel,
    PreTrainedTokenizerBase,
    Trainer,
    TrainerCallback,
    TrainerControl,
    TrainerState,
    TrainingArguments,
)

from trainer.runner.callback import METRICS_OF_TRL, RunCallback
from trainer.runner.checkpoints import last_complete, remove_half_written
from trainer.runner.execution import Run, is_first_rank
from trainer.runner.failures import RunnerError
from trainer.runner.layers import FreezingCallback, LayerFreezer
from trainer.runner.loading import has_gpu, load_causal_model, load_scorer, uses_bf16
from trainer.runner.rewards import Mix
from trainer.runner.rows import TrainingRows
from trainer.runner.samples import SamplesCallback
from trainer.runner.stopping import Cancelled
from trainer.runner.win_rates import load_win_rate

_LIBRARIES = ("torch", "transformers", "trl", "peft", "accelerate", "datasets")


def report_start(run: Run, rows: dict[str, dict[str, int]], columns: dict[str, list[str]]) -> None:
    """The `started` event: what runs where, and how many of the rows given are used."""
    run.events.write(
        "started",
        method=run.spec.method,
        spec_sha256=run.spec.sha256(),
        versions={name: version(name) for name in _LIBRARIES},
        device=torch.cuda.get_device_name() if has_gpu() else "cpu",
        rows=rows,
        columns=columns,
        resumed_step=last_complete(run.folder)[0],
    )


def report_training_start(run: Run, rows: TrainingRows) -> None:
    """The `started` event, and a warning where the rows do not even fill one batch."""
    report_start(run, rows.counts, rows.columns)
    used, batch = rows.counts["train"]["used"], run.spec.parameters["batch_size"]
    if used < batch:
        run.events.write(
            "warning", message=f"Only {used} rows for a batch_size of {batch}: each step sees all of them."
        )


def training_arguments(run: Run, rows: TrainingRows) -> dict[str, Any]:
    """The spec in the words of TRL's configurations."""
    parameters, gpu = run.spec.parameters, has_gpu()
    evaluates = rows.test is not None and parameters["eval_steps"] > 0
    return {
        "output_dir": str(run.folder),
        "max_steps": parameters["max_steps"] or -1,
        "num_train_epochs": parameters["epochs"],
        "per_device_train_batch_size": parameters["batch_size"],
        "per_device_eval_batch_size": parameters["batch_size"],
        "gradient_accumulation_steps": parameters["gradient_accumulation"],
        "learning_rate": parameters["learning_rate"],
        "warmup_steps": parameters["warmup_steps"],
        "lr_scheduler_type": parameters["scheduler"],
        "max_grad_norm": parameters["max_grad_norm"],
        "max_length": parameters["max_length"],
        "logging_steps": parameters["logging_steps"],
        "logging_nan_inf_filter": False,  # a loss that is no number has to be seen
        "eval_strategy": "steps" if evaluates else "no",
        "eval_steps": parameters["eval_steps"] if evaluates else None,
        "save_strategy": "steps",
        "save_steps": parameters["save_steps"],
        "save_total_limit": 2,  # one whole checkpoint stays while the next is written
        "seed": run.spec.seed,
        "bf16": uses_bf16(run),
        "gradient_checkpointing": checkpoints_gradients(run),
        "use_cpu": not gpu,
        "dataloader_pin_memory": gpu,
        # DDP waits for the gradient of a frozen layer otherwise.
        "ddp_find_unused_parameters": True if parameters["frozen_layers"] else None,
        "report_to": "none",  # ours writes for all methods alike
        "disable_tqdm": True,
        **_stopping_arguments(run, rows),
    }


def checkpoints_gradients(run: Run) -> bool:
    """Whether activations are computed again in place of being kept."""
    wanted = run.spec.parameters["gradient_checkpointing"]
    return has_gpu() if wanted == "auto" else bool(wanted == "on")


def zero_stage(plugin: DeepSpeedPlugin | None) -> int:
    """DeepSpeed's stage, wherever it was set; 0 without DeepSpeed."""
    return int(plugin.deepspeed_config.get("zero_optimization", {}).get("stage") or 0) if plugin else 0


def tell_deepspeed(plugin: DeepSpeedPlugin, parameters: Mapping[str, Any]) -> None:
    """What it asks a dataloader otherwise, and PPO has none. RunnerError for its third stage."""
    if zero_stage(plugin) == 3:
        raise RunnerError(
            "PPO can not sample from weights that DeepSpeed's third stage has cut up; set zero_stage to 2 or use FSDP2."
        )
    plugin.deepspeed_config |= {
        "train_micro_batch_size_per_gpu": parameters["batch_size"],
        "gradient_clipping": parameters["max_grad_norm"],
    }


def check_adapter(run: Run, accelerator: Accelerator) -> None:
    """Raises RunnerError where the first rank, which merges an adapter, would hold a part of the weights only."""
    cut_up = accelerator.distributed_type == DistributedType.FSDP
    if run.spec.parameters["lora_r"] and (cut_up or zero_stage(accelerator.state.deepspeed_plugin) == 3):
        raise RunnerError(
            "An adapter can not be merged into weights that FSDP or DeepSpeed's third stage has cut up: "
            "use ZeRO 2 or plain ranks with LoRA, or set lora_r to 0."
        )


def check_early_stopping(run: Run, rows: TrainingRows) -> None:
    """Raises RunnerError where there is nothing to look at."""
    if run.spec.parameters["early_stopping"] and rows.test is None:
        raise RunnerError(
            "early_stopping looks at held-out rows, and there are none: add test rows, or set it to 0."
        )


def _stopping_arguments(run: Run, rows: TrainingRows) -> dict[str, Any]:
    check_early_stopping(run, rows)
    if not run.spec.parameters["early_stopping"]:
        return {}
    metric = run.spec.parameters["early_stopping_metric"]
    name = METRICS_OF_TRL[run.spec.method, metric] if metric == "accuracy" else metric
    return {
        "load_best_model_at_end": True,
        "metric_for_best_model": f"eval_{name}",
        "greater_is_better": metric != "loss",
    }


class PatienceCallback(EarlyStoppingCallback):  # type: ignore[misc]  # transformers is not typed here
    """Stops early, and goes on counting after a resume: Trainer keeps the count in a checkpoint and never reads it."""

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any
    ) -> None:
        super().on_train_begin(args, state, control)
        self.early_stopping_patience_counter = _missed(state)

    def check_metric_value(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, metric_value: float
    ) -> None:
        """A figure that is missing says nothing."""
        if not math.isnan(metric_value):
            super().check_metric_value(args, state, control, metric_value)


def _missed(state: TrainerState) -> int:
    """How many evaluations in a row gained nothing."""
    kept = state.stateful_callbacks.get(PatienceCallback.__name__)
    return int(kept["attributes"]["early_stopping_patience_counter"]) if kept else 0


def callbacks(
    run: Run,
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    rows: TrainingRows,
    mix: Mix | None = None,
    *,
    answers: bool = True,
) -> list[TrainerCallback]:
    """What is called between the steps, the run's own first. `answers`: it is a language model."""
    chosen: list[TrainerCallback] = [
        RunCallback(run, load_win_rate(run, tokenizer, rows.test)),
        FreezingCallback(LayerFreezer(model, run.spec)),
    ]
    if run.spec.parameters["early_stopping"]:
        chosen.append(PatienceCallback(run.spec.parameters["early_stopping"]))
    if answers and rows.test is not None and run.spec.parameters["samples"]:
        chosen.append(SamplesCallback(run, tokenizer, rows.test, mix))
    return chosen


def carry_out(
    run: Run,
    trainer: Trainer,
    tokenizer: PreTrainedTokenizerBase,
    rows: TrainingRows,
    measure: Callable[[], dict[str, Any]] | None = None,
) -> dict[str, Any]:
    """Train, evaluate, save: what goes into result.json. `measure` gives more figures of the trained model."""
    check_adapter(run, trainer.accelerator)
    callback = next(each for each in trainer.callback_handler.callbacks if isinstance(each, RunCallback))
    steps = train_to_end(run, trainer, callback)
    if run.spec.parameters["early_stopping"] and trainer.state.best_global_step:
        steps = int(trainer.state.best_global_step)  # its model was loaded at the end
    evaluation = evaluate(trainer, callback, steps)
    more = measure() if measure else {}
    model = save_final(run, trainer, tokenizer)
    return {"model": model, "steps": steps, "rows": rows.counts, "evaluation": evaluation, **more}


def train_to_end(run: Run, trainer: Trainer, callback: RunCallback) -> int:
    """Train from the last whole checkpoint, or from the start; returns the step reached. Raises Cancelled."""
    remove_half_written(run.folder)
    _, checkpoint = last_complete(run.folder)
    run.check_stop()
    if checkpoint and _is_last(run, checkpoint):
        # Trainer.train would train one step too many from here.
        trainer.state = _state_of(checkpoint)
        trainer._load_from_checkpoint(_best_of(run, checkpoint))
    else:
        trainer.train(resume_from_checkpoint=checkpoint)
    if callback.stop_reason:
        raise Cancelled(callback.stop_reason, *last_complete(run.folder))
    return int(trainer.state.global_step)


def _is_last(run: Run, checkpoint: str) -> bool:
    """Whether there is nothing more to train after it, since all steps are done or too many gained nothing."""
    state, patience = _state_of(checkpoint), run.spec.parameters["early_stopping"]
    return bool(state.global_step >= state.max_steps or (patience and _missed(state) >= patience))


def _best_of(run: Run, checkpoint: str) -> str:
    """The checkpoint of the best model where the run stops early; the last one otherwise."""
    best = run.folder / f"checkpoint-{_state_of(checkpoint).best_global_step}"
    return str(best) if run.spec.parameters["early_stopping"] and best.is_dir() else checkpoint


def _state_of(checkpoint: str) -> TrainerState:
    return TrainerState.load_from_json(str(Path(checkpoint) / "trainer_state.json"))


def evaluate(trainer: Trainer, callback: RunCallback, step: int) -> dict[str, float] | None:
    """The values on the test rows of the model after `step`; None without test rows."""
    if trainer.eval_dataset is not None and step not in callback.evaluations:
        trainer.state.global_step = step  # whose model it is, also where that is not the last
        trainer.evaluate()
    return callback.evaluations.get(step)


def save_final(run: Run, trainer: Trainer, tokenizer: PreTrainedTokenizerBase) -> str:
    """Write final/ in one step: whole weights as safetensors, a LoRA adapter merged in, and the tokenizer."""

    def write(folder: Path) -> None:
        if run.spec.parameters["lora_r"] == 0:
            trainer.save_model(str(folder))
        elif is_first_rank():
            model = trainer.accelerator.unwrap_model(trainer.model)
            if run.spec.parameters["quantize"] != "none":
                model = _onto_whole_base(run, model, tokenizer)
            model.merge_and_unload().save_pretrained(folder)
            tokenizer.save_pretrained(folder)

    return publish_final(run, write)


def _onto_whole_base(run: Run, trained: PeftModel, tokenizer: PreTrainedTokenizerBase) -> PeftModel:
    """The adapter on the base as it was before its weights were brought to 4 bits."""
    adapter = run.folder / "adapter.part"
    trained.save_pretrained(adapter)
    if run.spec.method == "reward":
        base = load_scorer(run, run.spec.model, tokenizer, heads=trained.config.num_labels, frozen=True)
        base.config.reward_heads = trained.config.reward_heads
    else:
        base = load_causal_model(run, tokenizer, frozen=True)
    whole = PeftModel.from_pretrained(base, adapter, use_safetensors=True)
    shutil.rmtree(adapter)
    return whole


def publish_final(run: Run, write: Callable[[Path], None]) -> str:
    """Have a model written beside final/ and put in its place whole; `write` is called on every rank."""
    part, final = run.folder / "final.part", run.folder / "final"
    write(part)
    if is_first_rank():
        (part / "training_args.bin").unlink(missing_ok=True)  # a pickle; the spec says the same
        (run.folder / "README.md").unlink(missing_ok=True)  # TRL's card, with local paths as links to the hub
        shutil.rmtree(final, ignore_errors=True)
        part.replace(final)
    return final.name
