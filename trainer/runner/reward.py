"""A reward model: preference pairs in, a model with one number as output out (`trl.RewardTrainer`).

    loss = −log σ(r(chosen) − r(rejected) − margin) + c · mean((r(chosen) + r(rejected))²)

The second term is eq. 2 of arXiv 2312.09244. Starts from a language model with a new head, or from a reward
model. A `margin` column is used where every row has one. Held-out accuracy is the share of test pairs whose
chosen response scores higher, a tie counting half, with an interval that resamples prompts. Left out: a
weight a row, which TRL cannot take.
"""

from __future__ import annotations

import json
from typing import Any

import numpy as np
from datasets import Dataset
from transformers import set_seed
from trl import RewardConfig, RewardTrainer

from alignment.statistics.intervals import Resampling, cluster_share
from trainer.runner.callback import RunCallback
from trainer.runner.execution import Run
from trainer.runner.inference import score_conversations
from trainer.runner.loading import load_reward_model, load_tokenizer, lora_config
from trainer.runner.rows import batches, load_training_rows
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
    rows = load_training_rows(run, tokenizer, [("prompt", "chosen", "rejected")], optional=("margin",))
    report_training_start(run, rows)
    set_seed(run.spec.seed)  # the head starts at random
    callback = RunCallback(run)
    trainer = RewardTrainer(
        model=load_reward_model(run, tokenizer, new_head=True),
        args=RewardConfig(
            **training_arguments(run, rows),
            center_rewards_coefficient=run.spec.parameters["center_coefficient"] or None,
        ),
        train_dataset=rows.train,
        eval_dataset=rows.test,
        processing_class=tokenizer,
        peft_config=lora_config(run, "SEQ_CLS"),
        callbacks=[callback],
    )
    steps = train_to_end(run, trainer, callback)
    evaluation = evaluate(trainer, callback)
    accuracy = _accuracy(run, trainer, rows.test) if rows.test is not None else None
    model = save_final(run, trainer, tokenizer)
    return {
        "model": model,
        "steps": steps,
        "rows": rows.counts,
        "evaluation": evaluation,
        "accuracy": accuracy,
    }


def _accuracy(run: Run, trainer: RewardTrainer, test: Dataset) -> dict[str, Any]:
    """Share of test pairs ranked as labelled, over all rows at once: TRL's own figure averages batches."""
    model = trainer.accelerator.unwrap_model(trainer.model).eval()
    correct: list[float] = []
    prompts: list[str] = []
    for rows in batches(test, run.spec.parameters["batch_size"]):
        run.check_stop()
        pairs = [[*row["prompt"], *row[side]] for side in ("chosen", "rejected") for row in rows]
        scores = np.array(score_conversations(model, trainer.processing_class, pairs)).reshape(2, -1)
        correct += (np.sign(scores[0] - scores[1]) / 2 + 0.5).tolist()
        prompts += [json.dumps(row["prompt"], sort_keys=True) for row in rows]
    _, prompt_of = np.unique(prompts, return_inverse=True)
    return cluster_share(np.array(correct), prompt_of, resampling=Resampling(seed=run.spec.seed)).as_json()
