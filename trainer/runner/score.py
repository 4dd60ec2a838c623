"""Scores from a reward model: prompts with responses in, scores.jsonl out.

Rows: {prompt: [messages], response: text}. Lines: {row, score, uncertainty, criteria}, `row` counting the rows of the
dataset from 0; all but `row` are null for a row longer than max_length. `uncertainty` is the spread of an ensemble's
members, `criteria` a score for each that the model has a head for. Left out: more than one device.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from transformers import PreTrainedModel, PreTrainedTokenizerBase

from trainer.runner.execution import Run
from trainer.runner.inference import (
    count_fitting,
    place,
    which_fit,
    write_in_batches,
)
from trainer.runner.loading import load_reward_model, load_tokenizer
from trainer.runner.reward_heads import Score, head_scores
from trainer.runner.rows import Messages, load_table
from trainer.runner.training import report_start


def execute(run: Run) -> dict[str, Any]:
    """Score every row; returns what goes into result.json."""
    tokenizer = load_tokenizer(run)
    table = load_table(run, ("prompt",), ("response",))
    fits = which_fit(run, tokenizer, table, _whole)
    counts = {"dataset": count_fitting(fits)}
    report_start(run, counts, {"used": ["prompt", "response"], "ignored": []})
    scorer = _Scorer(place(load_reward_model(run, tokenizer)), tokenizer, fits)
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
        scores = iter(head_scores(self.model, self.tokenizer, fitting) if fitting else [])
        return [_line(start + index, next(scores) if fit else None) for index, fit in enumerate(fits)]


def _line(row: int, score: Score | None) -> dict[str, Any]:
    if score is None:
        return {"row": row, "score": None, "uncertainty": None, "criteria": None}
    return {
        "row": row,
        "score": score.overall,
        "uncertainty": score.uncertainty,
        "criteria": score.criteria,
    }
