"""Samples: what the model answers to the same held-out prompts at each evaluation, to be read side by side."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from datasets import Dataset
from transformers import (
    PreTrainedModel,
    PreTrainedTokenizerBase,
    TrainerCallback,
    TrainerControl,
    TrainerState,
    TrainingArguments,
)

from trainer.runner.execution import Run, is_first_rank
from trainer.runner.rewards import Mix
from trainer.runner.rollouts import answer, end_tokens, is_sharded
from trainer.runner.rows import Messages, tokenize

_LONGEST = 128  # tokens, where the method has no limit of its own


class SamplesCallback(TrainerCallback):  # type: ignore[misc]  # transformers is not typed here
    """Answers the first held-out prompts with the likeliest tokens, which takes no random number from the run.

    `mix` adds the rewards. Nothing is answered where each rank holds a part of the weights only.
    """

    def __init__(self, run: Run, tokenizer: PreTrainedTokenizerBase, rows: Dataset, mix: Mix | None) -> None:
        self._run, self._tokenizer, self._mix = run, tokenizer, mix
        self._rows = _distinct(rows, run.spec.parameters["samples"])
        self._longest = run.spec.parameters.get("max_new_tokens", _LONGEST)

    def on_evaluate(
        self,
        args: TrainingArguments,
        state: TrainerState,
        _control: TrainerControl,
        model: PreTrainedModel | None = None,
        **_: Any,
    ) -> None:
        if model is None or not self._rows or is_sharded(model) or not is_first_rank():
            return
        prompts = [_prompt(row) for row in self._rows]
        ids = tokenize(self._tokenizer, prompts, add_generation_prompt=True)["input_ids"]
        with torch.autocast(args.device.type, torch.bfloat16, enabled=args.bf16):
            responses = answer(
                model,
                ids,
                temperature=0.0,
                longest=self._longest,
                pad=self._tokenizer.pad_token_id,
                ends=end_tokens(model, self._tokenizer),
            )
        texts = self._tokenizer.batch_decode(responses, skip_special_tokens=True)
        rewards: list[dict[str, float | None]] = [{} for _ in texts]
        if self._mix is not None:
            rewards = self._mix.by_name(self._mix.rewards(self._rows, texts))
        write_samples(self._run, state.global_step, self._rows, texts, rewards)


def write_samples(
    run: Run,
    step: int,
    rows: Sequence[dict[str, Any]],
    texts: Sequence[str],
    rewards: Sequence[dict[str, float | None]],
) -> None:
    """The `samples` event: each row's prompt, the answer to it, and what the answer is worth by each source."""
    samples = [
        {"prompt": _prompt(row), "text": text, "rewards": reward}
        for row, text, reward in zip(rows, texts, rewards, strict=True)
    ]
    run.events.write("samples", step=step, samples=samples)


def _distinct(rows: Dataset, count: int) -> list[dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {}
    for row in rows:
        if len(found) == count:
            break
        found.setdefault(str(_prompt(row)), row)
    return list(found.values())


def _prompt(row: dict[str, Any]) -> Messages:
    """The conversation up to the answer: of whole conversations, up to the last answer."""
    if "prompt" in row:
        return list(row["prompt"])
    messages = row["messages"]
    return list(messages[:-1] if messages[-1]["role"] == "assistant" else messages)
