"""Direct preference optimisation: preference pairs in, a language model out (`trl.DPOTrainer`).

    loss = Σ_k w_k · loss_k(β · [log π/π₀(chosen) − log π/π₀(rejected)])    arXiv 2305.18290, eq. 7

π₀ is the model that the spec names; with LoRA it is the model without its adapter. Plain "sigmoid" can push
the chosen response's own probability down; adding "sft" holds it up. TRL's evaluation averages batches, so
that accuracy and margin on the test rows are exact only when batch_size divides them. Left out: a weight a
row, which TRL cannot take.
"""

from __future__ import annotations

from typing import Any

from transformers import set_seed
from trl import DPOConfig, DPOTrainer

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
    """Train on preference rows; returns what goes into result.json."""
    tokenizer = load_tokenizer(run)
    rows = load_training_rows(run, tokenizer, [("prompt", "chosen", "rejected")])
    report_training_start(run, rows)
    set_seed(run.spec.seed)
    parameters = run.spec.parameters
    adapter = lora_config(run, "CAUSAL_LM")
    callback = RunCallback(run)
    trainer = DPOTrainer(
        model=load_causal_model(run, tokenizer),
        ref_model=None if adapter else load_causal_model(run, tokenizer),
        args=DPOConfig(
            **training_arguments(run, rows),
            beta=parameters["beta"],
            loss_type=list(parameters["loss_type"]),
            loss_weights=list(parameters["loss_weights"]) or None,
            label_smoothing=parameters["label_smoothing"],
        ),
        train_dataset=rows.train,
        eval_dataset=rows.test,
        processing_class=tokenizer,
        peft_config=adapter,
        callbacks=[callback],
    )
    steps = train_to_end(run, trainer, callback)
    evaluation = evaluate(trainer, callback)
    model = save_final(run, trainer, tokenizer)
    return {"model": model, "steps": steps, "rows": rows.counts, "evaluation": evaluation}
