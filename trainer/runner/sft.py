"""Supervised fine-tuning: demonstrations in, a language model out (`trl.SFTTrainer`).

Rows: {prompt, completion}, where only the completion is learnt, {messages}, where everything is, or preference pairs,
of which each prompt's best responses are learnt: those that were chosen and never rejected, once each. With packing
several rows share a sequence; their positions start anew, which keeps them from seeing each other in every attention
that transformers has. Left out: masks per turn within `messages`.
"""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

from datasets import Dataset
from transformers import set_seed
from trl import SFTConfig, SFTTrainer

from trainer.runner.execution import Run
from trainer.runner.failures import RunnerError
from trainer.runner.loading import load_causal_model, load_tokenizer, lora_config
from trainer.runner.rows import Messages, TrainingRows, load_training_rows
from trainer.runner.training import callbacks, carry_out, report_training_start, training_arguments


def execute(run: Run) -> dict[str, Any]:
    """Train on conversations; returns what goes into result.json."""
    tokenizer = load_tokenizer(run)
    layouts = [("prompt", "completion"), ("messages",), ("prompt", "chosen", "rejected")]
    rows = load_training_rows(run, tokenizer, layouts)
    if "chosen" in rows.columns["used"]:
        rows = _best_responses(rows)
    report_training_start(run, rows)
    set_seed(run.spec.seed)
    model = load_causal_model(run, tokenizer)
    trainer = SFTTrainer(
        model=model,
        args=SFTConfig(
            **training_arguments(run, rows),
            packing=run.spec.parameters["packing"],
            eval_packing=False,
        ),
        train_dataset=rows.train,
        eval_dataset=rows.test,
        processing_class=tokenizer,
        peft_config=lora_config(run, "CAUSAL_LM"),
        callbacks=callbacks(run, model, tokenizer, rows),
    )
    return carry_out(run, trainer, tokenizer, rows)


def _best_responses(rows: TrainingRows) -> TrainingRows:
    """Pairs as demonstrations; what is left out of the pairs is counted as not_best."""
    splits = {
        name: split for name, split in (("train", rows.train), ("test", rows.test)) if split is not None
    }
    best = {name: _best_of(split) for name, split in splits.items()}
    counts = dict(rows.counts)
    for name, split in best.items():
        used = len(split)
        counts[name] = counts[name] | {"used": used, "not_best": counts[name]["used"] - used}
    if not len(best["train"]):
        raise RunnerError(
            "Every chosen response is rejected in another row, so that none is the best: judge more."
        )
    return replace(rows, train=best["train"], test=best.get("test") or None, counts=counts)


def _best_of(pairs: Dataset) -> Dataset:
    """Rows {prompt, completion}: the responses that were chosen and never rejected for their prompt."""
    rejected = {_key(row["prompt"], row["rejected"]) for row in pairs}
    chosen = {_key(row["prompt"], row["chosen"]): row for row in pairs}
    best = [row for key, row in chosen.items() if key not in rejected]
    return Dataset.from_list([{"prompt": row["prompt"], "completion": row["chosen"]} for row in best])


def _key(prompt: Messages, response: Messages) -> str:
    return json.dumps([prompt, response], sort_keys=True)
