"""Supervised fine-tuning: demonstrations in, a language model out (`trl.SFTTrainer`).

Rows: {prompt, completion}, where only the completion is learnt, or {messages}, where everything is.
Left out: packing, and masks per turn within `messages`.
"""

from __future__ import annotations

from typing import Any

from transformers import set_seed
from trl import SFTConfig, SFTTrainer

from trainer.runner.callback import RunCallback
from trainer.runner.execution import Run
from trainer.runner.loading import load_causal_model, load_tokenizer, lora_config
from trainer.runner.rows import load_training_rows
from trainer.runner.training import (
    evaluate,
    report_training_start,
    save_final,
    train_to_end,
    training_arguments,
)


def execute(run: Run) -> dict[str, Any]:
    """Train on conversations; returns what goes into result.json."""
    tokenizer = load_tokenizer(run)
    rows = load_training_rows(run, tokenizer, [("prompt", "completion"), ("messages",)])
    report_training_start(run, rows)
    set_seed(run.spec.seed)
    callback = RunCallback(run)
    trainer = SFTTrainer(
        model=load_causal_model(run, tokenizer),
        args=SFTConfig(**training_arguments(run, rows)),
        train_dataset=rows.train,
        eval_dataset=rows.test,
        processing_class=tokenizer,
        peft_config=lora_config(run, "CAUSAL_LM"),
        callbacks=[callback],
    )
    steps = train_to_end(run, trainer, callback)
    evaluation = evaluate(trainer, callback)
    model = save_final(run, trainer, tokenizer)
    return {"model": model, "steps": steps, "rows": rows.counts, "evaluation": evaluation}
