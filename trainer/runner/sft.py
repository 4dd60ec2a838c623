"""Supervised fine-tuning: demonstrations in, a language model out (`trl.SFTTrainer`).

Rows: {prompt, completion}, where only the completion is learnt, or {messages}, where everything is. With packing
several rows share a sequence; their positions start anew, which keeps them from seeing each other in every attention
that transformers has. Left out: masks per turn within `messages`.
"""

from __future__ import annotations

from typing import Any

from transformers import set_seed
from trl import SFTConfig, SFTTrainer

from trainer.runner.execution import Run
from trainer.runner.loading import load_causal_model, load_tokenizer, lora_config
from trainer.runner.rows import load_training_rows
from trainer.runner.training import callbacks, carry_out, report_training_start, training_arguments


def execute(run: Run) -> dict[str, Any]:
    """Train on conversations; returns what goes into result.json."""
    tokenizer = load_tokenizer(run)
    rows = load_training_rows(run, tokenizer, [("prompt", "completion"), ("messages",)])
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
