"""Freezing: the embeddings and the lowest layers stay as they are, or are trained later, one by one from the top.

Gradual unfreezing is arXiv 1801.06146, section 3.3. Every weight is in the optimizer from the start; one that gets no
gradient is left alone by AdamW, so a checkpoint means the same at any step.
"""

from __future__ import annotations

from typing import Any

from torch import nn
from transformers import (
    PreTrainedModel,
    TrainerCallback,
    TrainerControl,
    TrainerState,
    TrainingArguments,
)

from trainer.runner.failures import RunnerError
from trainer.spec import RunSpec


class LayerFreezer:
    """`at(step)` before each step, counted from 0, freezes what is not trained then."""

    def __init__(self, model: PreTrainedModel, spec: RunSpec) -> None:
        self._frozen = spec.parameters["frozen_layers"]
        self._every = spec.parameters["unfreeze_every"]
        if not self._frozen:
            return
        self._layers = _layers(model)
        if self._frozen > len(self._layers):
            raise RunnerError(
                f"frozen_layers is {self._frozen}, and the model has {len(self._layers)} layers: lower it."
            )
        self._embeddings = model.get_input_embeddings()
        self._tied = self._embeddings.weight is getattr(model.get_output_embeddings(), "weight", None)

    def at(self, step: int) -> None:
        if not self._frozen:
            return
        thawed = step // self._every if self._every else 0
        still = max(0, self._frozen - thawed)
        for index, layer in enumerate(self._layers):
            layer.requires_grad_(index >= still)
        # They follow the lowest layer, unless the head shares them.
        self._embeddings.requires_grad_(thawed > self._frozen or self._tied)


class FreezingCallback(TrainerCallback):  # type: ignore[misc]  # transformers is not typed here
    """The same in a Hugging Face trainer."""

    def __init__(self, freezer: LayerFreezer) -> None:
        self._freezer = freezer

    def on_step_begin(
        self, _args: TrainingArguments, state: TrainerState, _control: TrainerControl, **_: Any
    ) -> None:
        self._freezer.at(state.global_step)


def _layers(model: PreTrainedModel) -> nn.ModuleList:
    """The model's stack of layers: the outermost list of modules in it, the longest where there are several."""
    lists = [(name, module) for name, module in model.named_modules() if isinstance(module, nn.ModuleList)]
    if not lists:
        raise RunnerError("frozen_layers needs a model made of layers, and this one has none: set it to 0.")
    return min(lists, key=lambda each: (each[0].count("."), -len(each[1])))[1]
