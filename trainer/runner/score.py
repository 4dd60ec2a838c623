"""Scores from a reward model: prompts with responses in, scores.jsonl out.

Rows: {prompt: [messages], response: text}. Lines: {row, score}, `row` counting the rows of the dataset from
0; `score` is null for a row longer than max_length. Left out: more than one device.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from transformers import PreTrainedModel, PreTrainedTokenizerBase

from trainer.runner.execution import Run
from trainer.runner.inference import (
    count_fitting,
    place,
    score_conversations,
    which_fit,
    write_in_batches,
)
from trainer.runner.loading import load_reward_model, load_tokenizer
from trainer.runner.rows import Messages, load_table
from trainer.runner.training import report_start


def execute(run: Run) -> dict[str, Any]:
    """Score every row; returns what goes into result.json."""
    tokenizer = load_tokenizer(run)
    table = load_table(run, ("prompt",), ("response",))
    fits = which_fit(run, tokenizer, table, _whole)
    counts = {"dataset": count_fitting(fits)}
    report_start(run, counts, {"used": ["prompt", "response"], "ignored": []})
    scorer = _Scorer(place(load_reward_model(run, tokenizer, new_head=False)), tokenizer, fits)
    output = write_in_batches(run, table, "scores.jsonl", 1, scorer.answer)
    return {"output": output, "rows": counts}


def _whole(row: dict[str, Any]) -> Messages:
    return [*row["prompt"], {"role": "assistant", "content": row["response"]}]


@dataclass(frozen=True)
class _Scorer:
    model: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase
    fits: list[bool]

    def answer(self, start: int, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """The lines of one batch of rows."""
        fits = self.fits[start : start + len(rows)]
        fitting = [_whole(row) for row, fit in zip(rows, fits, strict=True) if fit]
        scores = iter(score_conversations(self.model, self.tokenizer, fitting) if fitting else [])
        return [
            {"row": start + index, "score": next(scores) if fit else None} for index, fit in enumerate(fits)
        ]
