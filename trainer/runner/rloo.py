"""REINFORCE leave-one-out: prompts and rewards in, a language model out (`trl.RLOOTrainer`).

    A_i = r_i − mean of the other responses' rewards    arXiv 2402.14740, eq. 8

The reward of a response counts its KL to the base. Rewards are functions of ours (`rewards`), as for GRPO. Left out:
TRL's own vLLM server and tools.
"""

from __future__ import annotations

from typing import Any

from transformers import set_seed
from trl import RLOOConfig, RLOOTrainer

from trainer.runner.execution import Run
from trainer.runner.groups import group_arguments
from trainer.runner.loading import load_causal_model, load_tokenizer, lora_config
from trainer.runner.rewards import load_mix
from trainer.runner.rows import load_prompts
from trainer.runner.training import callbacks, carry_out, report_training_start


def execute(run: Run) -> dict[str, Any]:
    """Train on prompts; returns what goes into result.json."""
    tokenizer = load_tokenizer(run)
    rows = load_prompts(run, tokenizer)
    report_training_start(run, rows)
    set_seed(run.spec.seed)
    parameters = run.spec.parameters
    mix = load_mix(run)
    model = load_causal_model(run, tokenizer)
    # TRL loads the reference from where the model came from, and uses the base where there is an adapter.
    trainer = RLOOTrainer(
        model=model,
        reward_funcs=list(mix.sources.values()),
        args=RLOOConfig(
            **group_arguments(run, rows, mix),
            normalize_advantages=parameters["normalize_advantages"],
        ),
        train_dataset=rows.train,
        eval_dataset=rows.test,
        processing_class=tokenizer,
        peft_config=lora_config(run, "CAUSAL_LM"),
        callbacks=callbacks(run, model, tokenizer, rows, mix),
    )
    return carry_out(run, trainer, tokenizer, rows)
