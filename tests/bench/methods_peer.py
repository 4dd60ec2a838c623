"""TRL 1.12's PPO on prompts of ours: ``python methods_peer.py SETTINGS.json``, in an environment of its own.

Imports nothing of ours. Prints {"seconds", "processor_seconds", "rewards", "episodes", "tokens_per_second", "peak_gb"};
`rewards` are the mean scores of the responses of each step, tokens those of prompts and responses. In bf16 on a GPU.
"""

import json
import os
import sys
import time
from pathlib import Path

os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["HF_HUB_DISABLE_TELEMETRY"] = "1"
os.environ["TRL_EXPERIMENTAL_SILENCE"] = "1"
os.environ["TOKENIZERS_PARALLELISM"] = "false"


def main(path: Path) -> None:
    import torch
    from datasets import Dataset
    from transformers import (
        AutoModelForCausalLM,
        AutoModelForSequenceClassification,
        AutoTokenizer,
        TrainerCallback,
        set_seed,
    )
    from trl.experimental.ppo import PPOConfig, PPOTrainer

    settings = json.loads(path.read_text())
    gpu = torch.cuda.is_available()
    torch.set_num_threads(1)
    set_seed(settings["seed"])
    tokenizer = AutoTokenizer.from_pretrained(settings["model"], padding_side="left")
    policy, reference = (AutoModelForCausalLM.from_pretrained(settings["model"]) for _ in range(2))
    scorer, value = (
        AutoModelForSequenceClassification.from_pretrained(settings["reward_model"], num_labels=1)
        for _ in range(2)
    )
    ids = [
        tokenizer.apply_chat_template(prompt, add_generation_prompt=True, return_dict=True)["input_ids"]
        for prompt in settings["prompts"]
    ]
    rewards: list[float] = []

    class Watching(TrainerCallback):
        def on_log(self, args, state, control, logs=None, **kwargs):
            if logs and "objective/scores" in logs:
                rewards.append(float(logs["objective/scores"]))

    rollouts, steps = settings["rollouts"], settings["steps"]
    trainer = PPOTrainer(
        args=PPOConfig(
            output_dir=settings["output"],
            total_episodes=rollouts * steps,
            per_device_train_batch_size=settings["batch_size"],
            gradient_accumulation_steps=rollouts // settings["batch_size"],
            num_mini_batches=1,
            num_ppo_epochs=settings["ppo_epochs"],
            learning_rate=settings["learning_rate"],
            kl_coef=settings["kl_coefficient"],
            vf_coef=settings["value_weight"],
            gamma=1.0,
            lam=0.95,
            cliprange=0.2,
            cliprange_value=0.2,
            temperature=1.0,
            response_length=settings["max_new_tokens"],
            stop_token="eos",
            whiten_rewards=False,
            num_sample_generations=0,
            local_rollout_forward_batch_size=rollouts,
            logging_steps=1,
            save_strategy="no",
            bf16=gpu,
            gradient_checkpointing=False,
            use_cpu=not gpu,
            report_to="none",
            disable_tqdm=True,
            seed=settings["seed"],
        ),
        processing_class=tokenizer,
        model=policy,
        ref_model=reference,
        reward_model=scorer,
        value_model=value,
        train_dataset=Dataset.from_dict({"input_ids": ids}),
        eval_dataset=Dataset.from_dict({"input_ids": ids[:4]}),
        callbacks=[Watching()],
    )
    begun, worked = time.perf_counter(), time.process_time()
    trainer.train()
    seconds, worked = time.perf_counter() - begun, time.process_time() - worked
    tokens = rollouts * steps * (sum(map(len, ids)) / len(ids) + settings["max_new_tokens"])
    found = {
        "seconds": seconds,
        "processor_seconds": worked,
        "rewards": rewards,
        "episodes": rollouts * steps,
        "tokens_per_second": tokens / seconds,
        "peak_gb": torch.cuda.max_memory_allocated() / 1e9 if gpu else None,
    }
    sys.stdout.write("\n" + json.dumps(found) + "\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
