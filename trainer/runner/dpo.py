"""Direct preference optimisation: preference pairs in, a language model out (`trl.DPOTrainer`).

    loss = Σ_k w_k · loss_k(β · [log π/π₀(chosen) − log π/π₀(rejected)])    arXiv 2305.18290, eq. 7

π₀ is the model that the spec names; with LoRA it is the model without its adapter. Plain "sigmoid" can push
the chosen response's own probability down; adding "sft" holds it up. Label smoothing ε takes the loss of the pair
turned round for a share ε of each pair (arXiv 2305.18290v3, and "robust", arXiv 2403.00409); it can be set from the
rows' confidences. TRL's evaluation averages batches, so that accuracy and margin on the test rows are exact only when
batch_size divides them. Left out: a weight a row, which TRL cannot take.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from transformers import set_seed
from trl import DPOConfig, DPOTrainer

from trainer.runner.execution import Run
from trainer.runner.failures import RunnerError
from trainer.runner.loading import load_causal_model, load_tokenizer, lora_config
from trainer.runner.rows import TrainingRows, load_training_rows
from trainer.runner.training import callbacks, carry_out, report_training_start, training_arguments

_MOST = 0.49  # beyond it the labels say nothing, and the losses lose their meaning


def execute(run: Run) -> dict[str, Any]:
    """Train on preference rows; returns what goes into result.json."""
    tokenizer = load_tokenizer(run)
    rows = load_training_rows(run, tokenizer, [("prompt", "chosen", "rejected")], optional=_confidence(run))
    report_training_start(run, rows)
    set_seed(run.spec.seed)
    parameters = run.spec.parameters
    smoothing = _smoothing(run, rows)
    adapter = lora_config(run, "CAUSAL_LM")
    model = load_causal_model(run, tokenizer)
    needs_reference = not adapter and not parameters["precompute_reference"]
    trainer = DPOTrainer(
        model=model,
        ref_model=load_causal_model(run, tokenizer, frozen=True) if needs_reference else None,
        args=DPOConfig(
            **training_arguments(run, rows),
            beta=parameters["beta"],
            loss_type=list(parameters["loss_type"]),
            loss_weights=list(parameters["loss_weights"]) or None,
            label_smoothing=smoothing,
            precompute_ref_log_probs=parameters["precompute_reference"],
        ),
        train_dataset=rows.train,
        eval_dataset=rows.test,
        processing_class=tokenizer,
        peft_config=adapter,
        callbacks=callbacks(run, model, tokenizer, rows),
    )
    return carry_out(run, trainer, tokenizer, rows) | {"label_smoothing": smoothing}


def _confidence(run: Run) -> tuple[str, ...]:
    return ("confidence",) if run.spec.parameters["smoothing_from_confidence"] else ()


def _smoothing(run: Run, rows: TrainingRows) -> float:
    """The spec's, or the share of wrong labels that the confidences tell of: mean of 1 − confidence."""
    if not run.spec.parameters["smoothing_from_confidence"]:
        return float(run.spec.parameters["label_smoothing"])
    if "confidence" not in rows.columns["used"]:
        raise RunnerError(
            "smoothing_from_confidence needs a confidence in every row: freeze the snapshot again, or give "
            "label_smoothing yourself."
        )
    doubt = float(np.mean(1 - np.clip(np.asarray(rows.train["confidence"], dtype=float), 0, 1)))
    return round(min(doubt, _MOST), 4)
