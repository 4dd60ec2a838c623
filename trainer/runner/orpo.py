"""Odds ratio preference optimisation: preference pairs in, a language model out (`trl.experimental.orpo`).

    loss = −log π(chosen) − β · log σ(log odds(chosen) − log odds(rejected))    arXiv 2403.07691, eq. 6

It learns to answer and to prefer in one go and needs no reference model, so it suits a base that was never tuned.
TRL calls it experimental. Left out: a weight a row.
"""

from __future__ import annotations

import os
from typing import Any

from transformers import set_seed

os.environ.setdefault("TRL_EXPERIMENTAL_SILENCE", "1")  # read when it is imported
from trl.experimental.orpo import ORPOConfig, ORPOTrainer

from trainer.runner.execution import Run
from trainer.runner.loading import load_causal_model, load_tokenizer, lora_config
from trainer.runner.rows import load_training_rows
from trainer.runner.training import callbacks, carry_out, report_training_start, training_arguments


def execute(run: Run) -> dict[str, Any]:
    """Train on preference rows; returns what goes into result.json."""
    tokenizer = load_tokenizer(run)
    rows = load_training_rows(run, tokenizer, [("prompt", "chosen", "rejected")])
    report_training_start(run, rows)
    set_seed(run.spec.seed)
    model = load_causal_model(run, tokenizer)
    trainer = ORPOTrainer(
        model=model,
        args=ORPOConfig(**training_arguments(run, rows), beta=run.spec.parameters["beta"]),
        train_dataset=rows.train,
        eval_dataset=rows.test,
        processing_class=tokenizer,
        peft_config=lora_config(run, "CAUSAL_LM"),
        callbacks=callbacks(run, model, tokenizer, rows),
    )
    return carry_out(run, trainer, tokenizer, rows)
