"""A run for other engines: its data's format and the command that trains there what our spec says.

Names of options and of columns are held against the packages themselves, in the versions of ``HELD_AGAINST``
(``tests/trainer/engine_options.json``), but Unsloth's, whose script has TRL's. None of them is installed here, and
none of these commands was run.
"""

import json
import shlex
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from django.utils.functional import Promise
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from alignment.formats import llama_factory
from trainer import verl

HELD_AGAINST = {
    "Unsloth": "2026.10.9",
    "LLaMA-Factory": "0.9.5",
    "OpenRLHF": "0.11.2",
    "verl": "0.9.1",
    "LitGPT": "0.5.13",
    "AutoTrain": "0.8.36",
}


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
        "model_name_or_path": base, "stage": stage, "do_train": True, "dataset_dir": ".", "dataset": "train",
        "finetuning_type": "lora" if p["lora_r"] else "full", "output_dir": "out", "cutoff_len": p["max_length"],
        "per_device_train_batch_size": p["batch_size"], "gradient_accumulation_steps": p["gradient_accumulation"],
        "learning_rate": p["learning_rate"], "num_train_epochs": p["epochs"], "max_steps": _steps(p),
        "lr_scheduler_type": p["scheduler"], "warmup_steps": p["warmup_steps"], "seed": seed, "bf16": True,
    }  # fmt: skip
    settings |= {"lora_rank": p["lora_r"]} if p["lora_r"] else {}
    settings |= {"pref_beta": p["beta"]} if "beta" in p else {}
    files = {
        "run.yaml": "".join(f"{name}: {json.dumps(value)}\n" for name, value in settings.items()),
        "dataset_info.json": json.dumps(llama_factory.dataset_info("train.jsonl"), indent=2) + "\n",
    }
    return Export(
        "LLaMA-Factory",
        _("Its PPO is broken by its pins."),
        (llama_factory.NAME, ".jsonl"),
        "llamafactory-cli train run.yaml",
        files,
        True,
    )


def _openrlhf(method: str, base: str, p: Values, seed: int) -> Export | None:
    module = {"dpo": "train_dpo", "reward": "train_rm"}.get(method)
    if module is None:
        return None
    words = [
        *("deepspeed", "--module", f"openrlhf.cli.{module}", "--model.model_name_or_path", base),
        *("--data.dataset", "train.jsonl", "--data.prompt_key", "prompt", "--data.chosen_key", "chosen"),
        *("--data.rejected_key", "rejected", "--data.apply_chat_template", "--data.max_len", p["max_length"]),
        *("--ckpt.output_dir", "out", "--adam.lr", p["learning_rate"], "--max_norm", p["max_grad_norm"]),
        *("--train.micro_batch_size", p["batch_size"], "--train.seed", seed, "--ds.param_dtype", "bf16"),
        *("--train.batch_size", p["batch_size"] * p["gradient_accumulation"], "--ds.zero_stage", 2),
        *("--train.max_epochs", _epochs(p), "--lr_scheduler", p["scheduler"]),
        *(("--ds.lora.rank", p["lora_r"], "--ds.lora.alpha", 2 * p["lora_r"]) if p["lora_r"] else ()),
        *(("--model.beta", p["beta"]) if "beta" in p else ()),
    ]
    return Export(
        "OpenRLHF",
        _("On many cards, by DeepSpeed. Its batch size is that of all cards together."),
        ("openrlhf", ".jsonl"),
        _shell(words),
    )


def _verl(method: str, base: str, p: Values, seed: int) -> Export | None:
    if method not in verl.METHODS:
        return None
    rows = {"data.train_files": "train.jsonl", "data.val_files": "train.jsonl"}
    ends = {"trainer.total_training_steps": p["max_steps"]} if p["max_steps"] else {}
    settings = {
        **verl.settings(method, base, p, seed, cards=8, nodes=1),
        **rows,
        "trainer.total_epochs": _epochs(p),
        **ends,
        "trainer.default_local_dir": "out",
        "trainer.val_before_train": False,
        "reward.custom_reward_function.path": "reward.py",
    }
    note: str | Promise = _("On eight cards; its reward is a function of yours, compute_score in reward.py.")
    missing = ", ".join(sentence.split()[0] for sentence in verl.not_taken(method, p))
    if missing:
        note = f"{note} {gettext('Not carried over: %(names)s.') % {'names': missing}}"
    words = ["python", "-m", "verl.trainer.main_ppo", *verl.words(settings)]
    return Export("verl", note, ("verl", ".jsonl"), _shell(words), {}, True)


def _litgpt(method: str, base: str, p: Values, seed: int) -> Export | None:
    if method != "sft":
        return None
    optimizer = {"class_path": "torch.optim.AdamW", "init_args": {"lr": p["learning_rate"]}}
    words = [
        *("litgpt", "finetune_lora" if p["lora_r"] else "finetune_full", base, "--data", "JSON"),
        *("--data.json_path", "train.jsonl", "--data.val_split_fraction", 0.05, "--seed", seed),
        *("--train.epochs", _epochs(p), "--train.micro_batch_size", p["batch_size"]),
        *("--train.global_batch_size", p["batch_size"] * p["gradient_accumulation"]),
        *("--train.max_seq_length", p["max_length"], "--train.lr_warmup_steps", p["warmup_steps"]),
        *("--optimizer", json.dumps(optimizer), "--precision", "bf16-true", "--out_dir", "out"),
        *(("--train.max_steps", p["max_steps"]) if p["max_steps"] else ()),
        *(("--lora_r", p["lora_r"], "--lora_alpha", 2 * p["lora_r"]) if p["lora_r"] else ()),
    ]
    return Export(
        "LitGPT",
        _("Lightning's; the base in its own form: litgpt convert_to_litgpt FOLDER --model_name NAME."),
        ("instruction", ".jsonl"),
        _shell(words),
        {},
        True,
    )


# AutoTrain takes the prompt out of the chosen side, and has no word for one that stands apart.
_WHOLE_SIDES = """import json
import pathlib

rows = [json.loads(line) for line in open("train.jsonl", encoding="utf-8")]
pathlib.Path("rows").mkdir(exist_ok=True)
with open("rows/train.jsonl", "w", encoding="utf-8") as file:
    for row in rows:
        sides = {side: row["prompt"] + row[side] for side in ("chosen", "rejected")}
        file.write(json.dumps({"prompt": "", **sides}) + "\\n")
"""


def _autotrain(method: str, base: str, p: Values, seed: int) -> Export | None:
    if method not in ("dpo", "reward", "orpo"):
        return None
    words = [
        *("autotrain", "llm", "--train", "--trainer", method, "--model", base, "--data-path", "rows"),
        *("--prompt-text-column", "prompt", "--text-column", "chosen", "--rejected-text-column", "rejected"),
        *("--chat-template", "tokenizer", "--lr", p["learning_rate"], "--batch-size", p["batch_size"]),
        *("--epochs", _epochs(p), "--gradient-accumulation", p["gradient_accumulation"]),
        *("--block-size", p["max_length"], "--model-max-length", p["max_length"]),
        *("--max-prompt-length", p["max_length"], "--scheduler", p["scheduler"], "--mixed-precision", "bf16"),
        *("--max-grad-norm", p["max_grad_norm"], "--seed", seed, "--project-name", "concord"),
        *(("--dpo-beta", p["beta"]) if method == "dpo" else ()),
        *(("--peft", "--lora-r", p["lora_r"], "--lora-alpha", 2 * p["lora_r"]) if p["lora_r"] else ()),
    ]
    return Export(
        "AutoTrain",
        _("No longer developed since January 2025."),
        PAIRS,
        f"python whole_sides.py && {_shell(words)}",
        {"whole_sides.py": _WHOLE_SIDES},
    )


_ENGINES: tuple[Callable[[str, str, Values, int], Export | None], ...] = (
    _unsloth,
    _llama_factory,
    _openrlhf,
    _verl,
    _litgpt,
    _autotrain,
)


def _epochs(parameters: Values) -> int:
    """Whole passes, which is all that most of them know."""
    return max(1, round(float(parameters["epochs"])))


def _steps(parameters: Values) -> int:
    return int(parameters["max_steps"]) or -1


def _shell(words: list[Any]) -> str:
    return shlex.join(str(word) for word in words)
