"""Kahneman–Tversky optimisation: responses called good or bad in, a language model out (`trl.KTOTrainer`).

arXiv 2402.01306, eq. 8. Rows: {prompt, completion, label}, or preference pairs, of which each response becomes a row:
the chosen one good, the rejected one bad. π₀ is the model that the spec names. Left out: a weight a row.
"""

from __future__ import annotations

from typing import Any

from datasets import Dataset
from transformers import set_seed
from trl import KTOConfig, KTOTrainer

from trainer.runner.execution import Run
from trainer.runner.failures import RunnerError
from trainer.runner.loading import load_causal_model, load_tokenizer, lora_config
from trainer.runner.rows import TrainingRows, load_training_rows
from trainer.runner.training import callbacks, carry_out, report_training_start, training_arguments


def execute(run: Run) -> dict[str, Any]:
    """Train on labelled responses; returns what goes into result.json."""
    tokenizer = load_tokenizer(run)
    layouts = [("prompt", "completion"), ("prompt", "chosen", "rejected")]
    rows = load_training_rows(run, tokenizer, layouts, optional=("label",))
    report_training_start(run, rows)
    set_seed(run.spec.seed)
    parameters = run.spec.parameters
    train = _labelled(rows.train, rows)
    if len(set(train["label"])) < 2:
        raise RunnerError(
            "KTO learns from good and bad responses, and these rows have one kind: add the other."
        )
    adapter = lora_config(run, "CAUSAL_LM")
    model = load_causal_model(run, tokenizer)
    needs_reference = not adapter and not parameters["precompute_reference"]
    trainer = KTOTrainer(
        model=model,
        ref_model=load_causal_model(run, tokenizer, frozen=True) if needs_reference else None,
        args=KTOConfig(
            **training_arguments(run, rows),
            beta=parameters["beta"],
            desirable_weight=parameters["desirable_weight"],
            undesirable_weight=parameters["undesirable_weight"],
            precompute_ref_log_probs=parameters["precompute_reference"],
        ),
        train_dataset=train,
        eval_dataset=None if rows.test is None else _labelled(rows.test, rows),
        processing_class=tokenizer,
        peft_config=adapter,
        callbacks=callbacks(run, model, tokenizer, rows),
    )
    return carry_out(run, trainer, tokenizer, rows)


def _labelled(split: Dataset, rows: TrainingRows) -> Dataset:
    """Rows {prompt, completion, label}; of a pair both responses, side by side."""
    if "completion" in rows.columns["used"]:
        if "label" not in rows.columns["used"]:
            raise RunnerError(
                "The rows have no label in every row: add a column `label` that says good or not."
            )
        return split.map(lambda row: {"label": bool(row["label"])})
    return Dataset.from_list(
        [
            {"prompt": row["prompt"], "completion": row[side], "label": side == "chosen"}
            for row in split
            for side in ("chosen", "rejected")
        ]
    )
