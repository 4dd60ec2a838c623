"""What GRPO and RLOO share: several responses to a prompt, each worth what it is above the others."""

from __future__ import annotations

from typing import Any

from trainer.runner.execution import Run
from trainer.runner.failures import RunnerError
from trainer.runner.loading import starts_from_adapter
from trainer.runner.rewards import Mix
from trainer.runner.rows import TrainingRows
from trainer.runner.training import training_arguments


def group_arguments(run: Run, rows: TrainingRows, mix: Mix) -> dict[str, Any]:
    """The spec in the words of TRL's configurations of both."""
    parameters = run.spec.parameters
    _check_reference(run)
    arguments = training_arguments(run, rows)
    del arguments["max_length"]  # prompts were cut to what leaves room for a response
    generations = parameters["generations"]
    return arguments | {
        "per_device_eval_batch_size": generations * max(1, parameters["batch_size"] // generations),
        "num_generations": generations,
        "max_completion_length": parameters["max_new_tokens"],
        "temperature": parameters["temperature"],
        "beta": parameters["beta"],
        "epsilon": parameters["epsilon"],
        "num_iterations": parameters["iterations"],
        "mask_truncated_completions": parameters["mask_truncated"],
        "reward_weights": mix.weights,
    }


def _check_reference(run: Run) -> None:
    """TRL reads the reference from the folder that the model's configuration names, not from where we loaded it."""
    needed = run.spec.parameters["beta"] > 0 and run.spec.parameters["lora_r"] == 0
    if needed and (run.spec.model_revision or starts_from_adapter(run)):
        raise RunnerError(
            f"With beta above 0, {run.spec.method} reads its reference from a folder of whole weights: merge the "
            "adapter or save the revision into a folder and name that as the model, or set beta to 0."
        )
