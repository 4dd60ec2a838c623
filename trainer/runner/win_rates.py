"""The win rate of held-out answers over the base model's, by sources of reward that nothing is trained on.

A reward that rises while this falls is being gamed: the alarm for it reads this figure. Both models answer with the
likeliest tokens, which takes no random number from the run; the base once, at the start of each attempt. A tie counts
half, and a prompt of which not both answers are graded counts nothing. The first process alone asks.
"""

from __future__ import annotations

from typing import Any

import torch
from datasets import Dataset
from torch import Tensor
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from trainer.runner.execution import Run, is_first_rank
from trainer.runner.failures import RunnerError
from trainer.runner.inference import place
from trainer.runner.loading import load_causal_model, uses_bf16
from trainer.runner.rewards import load_mix
from trainer.runner.rollouts import answer, end_tokens
from trainer.runner.rows import tokenize

_BATCH = 32  # prompts answered at once


def load_win_rate(run: Run, tokenizer: PreTrainedTokenizerBase, rows: Dataset | None) -> WinRate | None:
    """None where the spec names nobody to judge by, or another process asks. RunnerError without held-out rows."""
    if not run.spec.parameters.get("win_rate_by") or not is_first_rank():
        return None
    if rows is None:
        raise RunnerError(
            "win_rate_by compares answers to held-out prompts, and there are none: add test rows, or leave it empty."
        )
    return WinRate(run, tokenizer, rows)


class WinRate:
    """`of(model)` for each evaluation."""

    def __init__(self, run: Run, tokenizer: PreTrainedTokenizerBase, rows: Dataset) -> None:
        self._run, self._tokenizer, self._rows = run, tokenizer, rows
        self._mix = load_mix(run, "win_rate_by")
        self._base_b = self._scores(place(load_causal_model(run, tokenizer, frozen=True)))

    def of(self, model: PreTrainedModel, *, sharded: bool) -> dict[str, float]:
        """The figure, the prompts it was measured on, and those where one answer was worth more; nothing where no
        prompt has both grades.

        `sharded`: a process holds a part of the model only.
        """
        if sharded:
            raise RunnerError(
                "win_rate_by needs the whole model in one process: leave it empty where FSDP or DeepSpeed cut it up."
            )
        above_b = self._scores(model) - self._base_b
        wins_b = above_b[~above_b.isnan()].sign() / 2 + 0.5
        if not len(wins_b):
            return {}
        decided = int((wins_b != 0.5).sum())
        return {"win_rate": float(wins_b.mean()), "win_rate_n": len(wins_b), "win_rate_decided": decided}

    def _scores(self, model: PreTrainedModel) -> Tensor:
        return torch.cat(
            [
                self._scores_of(
                    model, self._rows.select(range(at, min(at + _BATCH, len(self._rows)))).to_list()
                )
                for at in range(0, len(self._rows), _BATCH)
            ]
        )

    def _scores_of(self, model: PreTrainedModel, rows: list[dict[str, Any]]) -> Tensor:
        prompts = [row["prompt"] for row in rows]
        with torch.autocast(model.device.type, torch.bfloat16, enabled=uses_bf16(self._run)):
            responses = answer(
                model,
                tokenize(self._tokenizer, prompts, add_generation_prompt=True)["input_ids"],
                temperature=0.0,
                longest=self._run.spec.parameters["max_new_tokens"],
                pad=self._tokenizer.pad_token_id,
                ends=end_tokens(model, self._tokenizer),
            )
        texts = self._tokenizer.batch_decode(responses, skip_special_tokens=True)
        return self._mix.total(self._mix.rewards(rows, texts))
