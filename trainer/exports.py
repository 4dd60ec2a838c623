"""A run for other engines: its data's format and the command that trains there what our spec says.

Written from those engines' documentation; they are not installed here, and what they do not have is said.
"""

import json
import shlex
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from django.utils.functional import Promise
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _


class Export(NamedTuple):
    """``data`` is the snapshot's export format and ending; ``files`` are small ones to write beside the data.

    ``limits_steps``: the run's ``max_steps`` is carried over.
    """

    engine: str
    note: str | Promise
    data: tuple[str, str]
    command: str
    files: Mapping[str, str] = {}
    limits_steps: bool = False


Values = Mapping[str, Any]
PAIRS = ("preference", ".jsonl")


def exports_of(method: str, base: str, parameters: Values, seed: int) -> list[Export]:
    """The engines that can train this method, each with a ready command for ``train.jsonl`` beside it."""
    made = [export for make in _ENGINES if (export := make(method, base, parameters, seed)) is not None]
    return [export if export.limits_steps else _noted(export, parameters) for export in made]


def _noted(export: Export, parameters: Values) -> Export:
    """With a word on the limit of steps that its command does not carry, where the run has one."""
    steps = parameters.get("max_steps")
    if not steps:
        return export
    missing = gettext("This run ends after %(steps)s steps; the command carries no limit of steps.")
    return export._replace(note=f"{export.note} {missing % {'steps': steps}}")


def _unsloth(method: str, base: str, p: Values, seed: int) -> Export | None:
    if method != "dpo":
        return None
    rank = p["lora_r"] or 16
    code = f"""from unsloth import FastLanguageModel, PatchDPOTrainer
PatchDPOTrainer()
from datasets import load_dataset
from trl import DPOConfig, DPOTrainer

model, tokenizer = FastLanguageModel.from_pretrained({base!r}, max_seq_length={p["max_length"]}, load_in_4bit=True)
model = FastLanguageModel.get_peft_model(model, r={rank}, lora_alpha={2 * rank}, random_state={seed})
DPOTrainer(
    model=model, ref_model=None, processing_class=tokenizer,
    train_dataset=load_dataset("json", data_files="train.jsonl", split="train"),
    args=DPOConfig(output_dir="out", beta={p["beta"]}, learning_rate={p["learning_rate"]}, max_steps={_steps(p)},
                   num_train_epochs={p["epochs"]}, per_device_train_batch_size={p["batch_size"]},
                   gradient_accumulation_steps={p["gradient_accumulation"]}, max_length={p["max_length"]}, seed={seed}),
).train()
"""
    return Export(
        "Unsloth",
        _("LoRA on one card, in 4 bits."),
        PAIRS,
        "python unsloth_dpo.py",
        {"unsloth_dpo.py": code},
        True,
    )


def _llama_factory(method: str, base: str, p: Values, seed: int) -> Export | None:
    stage = {"dpo": "dpo", "reward": "rm"}.get(method)
    if stage is None:
        return None
    settings = {
        "model_name_or_path": base, "stage": stage, "do_train": True, "dataset_dir": ".", "dataset": "concord",
        "finetuning_type": "lora" if p["lora_r"] else "full", "output_dir": "out", "cutoff_len": p["max_length"],
        "per_device_train_batch_size": p["batch_size"], "gradient_accumulation_steps": p["gradient_accumulation"],
        "learning_rate": p["learning_rate"], "num_train_epochs": p["epochs"], "max_steps": _steps(p),
        "lr_scheduler_type": p["scheduler"], "warmup_steps": p["warmup_steps"], "seed": seed, "bf16": True,
    }  # fmt: skip
    settings |= {"lora_rank": p["lora_r"]} if p["lora_r"] else {}
    settings |= {"pref_beta": p["beta"]} if "beta" in p else {}
    columns = {"messages": "prompt", "chosen": "chosen", "rejected": "rejected"}
    tags = {"role_tag": "role", "content_tag": "content", "user_tag": "user", "assistant_tag": "assistant"}
    described = {
        "file_name": "train.jsonl",
        "ranking": True,
        "formatting": "sharegpt",
        "columns": columns,
        "tags": tags,
    }
    files = {
        "run.yaml": "".join(f"{name}: {json.dumps(value)}\n" for name, value in settings.items()),
        "dataset_info.json": json.dumps({"concord": described}, indent=2) + "\n",
    }
    return Export(
        "LLaMA-Factory",
        _("Its PPO is broken by its pins."),
        PAIRS,
        "llamafactory-cli train run.yaml",
        files,
        True,
    )


def _openrlhf(method: str, base: str, p: Values, seed: int) -> Export | None:
    module = {"dpo": "train_dpo", "reward": "train_rm"}.get(method)
    if module is None:
        return None
    words = [
        *("deepspeed", "--module", f"openrlhf.cli.{module}", "--pretrain", base, "--dataset", "train.jsonl"),
        *(
            "--prompt_key",
            "prompt",
            "--chosen_key",
            "chosen",
            "--rejected_key",
            "rejected",
            "--apply_chat_template",
        ),
        *(
            "--save_path",
            "out",
            "--max_len",
            p["max_length"],
            "--learning_rate",
            p["learning_rate"],
            "--seed",
            seed,
        ),
        *("--micro_train_batch_size", p["batch_size"], "--max_epochs", max(1, round(p["epochs"])), "--bf16"),
        *("--train_batch_size", p["batch_size"] * p["gradient_accumulation"], "--zero_stage", 2),
        *(("--lora_rank", p["lora_r"]) if p["lora_r"] else ()),
        *(("--beta", p["beta"]) if "beta" in p else ()),
    ]
    return Export("OpenRLHF", _("On many cards, by DeepSpeed or Ray."), ("openrlhf", ".jsonl"), _shell(words))


def _verl(method: str, base: str, p: Values, _seed: int) -> Export | None:
    if method not in ("grpo", "ppo", "rloo"):
        return None
    estimator = {"ppo": "gae"}.get(method, method)
    words = [
        *("python", "-m", "verl.trainer.main_ppo", f"algorithm.adv_estimator={estimator}"),
        *("data.train_files=train.parquet", "data.val_files=test.parquet", "data.prompt_key=prompt"),
        f"data.train_batch_size={p.get('rollouts', p['batch_size'])}",
        *(f"actor_rollout_ref.model.path={base}", f"actor_rollout_ref.actor.optim.lr={p['learning_rate']}"),
        *(
            "actor_rollout_ref.rollout.name=vllm",
            f"actor_rollout_ref.rollout.n={p.get('generations', 8)}",
        ),
        *("trainer.n_gpus_per_node=8", "trainer.nnodes=1", "trainer.default_local_dir=out"),
    ]
    note = _(
        "On many nodes, by Ray. Its reward is a function of yours: custom_reward_function.path=reward.py."
    )
    return Export("verl", note, ("prompt-only", ".parquet"), _shell(words))


def _litgpt(method: str, base: str, p: Values, seed: int) -> Export | None:
    if method != "sft":
        return None
    words = [
        *("litgpt", "finetune_lora" if p["lora_r"] else "finetune_full", base, "--data", "JSON"),
        *("--data.json_path", "train.jsonl", "--train.epochs", max(1, round(p["epochs"])), "--seed", seed),
        *("--train.micro_batch_size", p["batch_size"], "--out_dir", "out"),
        *(("--lora_r", p["lora_r"]) if p["lora_r"] else ()),
    ]
    return Export(
        "LitGPT",
        _("Lightning's; it has supervised fine-tuning only."),
        ("instruction", ".jsonl"),
        _shell(words),
    )


def _autotrain(method: str, base: str, p: Values, seed: int) -> Export | None:
    if method not in ("dpo", "reward", "orpo"):
        return None
    words = [
        *("autotrain", "llm", "--train", "--trainer", method, "--model", base, "--data-path", "."),
        *("--prompt-text-column", "prompt", "--text-column", "chosen", "--rejected-text-column", "rejected"),
        *("--chat-template", "tokenizer", "--lr", p["learning_rate"], "--batch-size", p["batch_size"]),
        *("--epochs", max(1, round(p["epochs"])), "--gradient-accumulation", p["gradient_accumulation"]),
        *("--block-size", p["max_length"], "--seed", seed, "--project-name", "concord"),
        *(("--peft", "--lora-r", p["lora_r"]) if p["lora_r"] else ()),
    ]
    return Export("AutoTrain", _("No longer developed since January 2025."), PAIRS, _shell(words))


_ENGINES: tuple[Callable[[str, str, Values, int], Export | None], ...] = (
    _unsloth,
    _llama_factory,
    _openrlhf,
    _verl,
    _litgpt,
    _autotrain,
)


def _steps(parameters: Values) -> int:
    return int(parameters["max_steps"]) or -1


def _shell(words: list[Any]) -> str:
    return shlex.join(str(word) for word in words)
