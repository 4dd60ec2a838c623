"""Group relative policy optimisation: prompts and rewards in, a language model out (`trl.GRPOTrainer`).

    A_i = (r_i − mean(r)) / std(r) over the responses to one prompt    arXiv 2402.03300, eq. 4

With graders as rewards it is learning from verifiable rewards. Rewards are functions of ours (`rewards`): graders,
reward models, judges over HTTP, which are waited for together. A prompt whose responses are all worth the same
teaches nothing: watch `equal_share`. Left out: TRL's own vLLM server, tools and environments.
"""

from __future__ import annotations

from typing import Any

from transformers import set_seed
from trl import GRPOConfig, GRPOTrainer

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
    trainer = GRPOTrainer(
        model=model,
        reward_funcs=list(mix.sources.values()),
        args=GRPOConfig(
            **group_arguments(run, rows, mix),
            loss_type=parameters["loss_type"],
            scale_rewards=parameters["scale_rewards"],
            multi_objective_aggregation=parameters["aggregation"],
        ),
        train_dataset=rows.train,
        eval_dataset=rows.test,
        processing_class=tokenizer,
        peft_config=lora_config(run, "CAUSAL_LM"),
        callbacks=callbacks(run, model, tokenizer, rows, mix),
    )
    return carry_out(run, trainer, tokenizer, rows)
