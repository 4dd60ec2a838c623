"""Models and tokenizers: from a local folder or the hub's cache, safetensors only, no remote code."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import torch
from peft import LoraConfig, PeftModel
from transformers import (
    AutoModelForCausalLM,
    AutoModelForSequenceClassification,
    AutoTokenizer,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)
from transformers.utils import logging

from trainer.runner.execution import Run
from trainer.runner.failures import RunnerError

_HUB_NAME = re.compile(r"[\w.-]+(/[\w.-]+)?")


def has_gpu() -> bool:
    return bool(torch.cuda.is_available())


def load_tokenizer(run: Run) -> PreTrainedTokenizerBase:
    """The model's tokenizer, which must have a chat template; pads with the end token where it has no own."""
    source = _source(run)
    tokenizer = _from_pretrained(AutoTokenizer, run, source)
    if not tokenizer.chat_template:
        raise RunnerError(
            f"The tokenizer of {source} has no chat template: put a chat_template.jinja in its folder."
        )
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token
    if tokenizer.pad_token is None:
        raise RunnerError(f"The tokenizer of {source} has no padding and no end token: set one of them.")
    return tokenizer


def load_causal_model(run: Run, tokenizer: PreTrainedTokenizerBase) -> PreTrainedModel:
    """A language model, on the CPU; raises RunnerError when weights are missing."""
    model = _load(AutoModelForCausalLM, run, missing_allowed="")
    model.config.pad_token_id = tokenizer.pad_token_id
    model.generation_config.pad_token_id = tokenizer.pad_token_id
    return model


def load_reward_model(run: Run, tokenizer: PreTrainedTokenizerBase, *, new_head: bool) -> PreTrainedModel:
    """A model with one number as output, on the CPU. `new_head` gives a language model a random head."""
    model = _load(
        AutoModelForSequenceClassification, run, missing_allowed="score." if new_head else "", num_labels=1
    )
    model.config.pad_token_id = tokenizer.pad_token_id
    return model


def lora_config(run: Run, task: str) -> LoraConfig | None:
    """LoRA on every linear layer but the head, alpha twice the rank; None when the whole model is trained."""
    rank = run.spec.parameters["lora_r"]
    if rank == 0:
        return None
    return LoraConfig(task_type=task, r=rank, lora_alpha=2 * rank, target_modules="all-linear")


def _source(run: Run) -> str:
    """The folder, or the hub name, that the spec means."""
    name = run.spec.model
    folder = run.folder / Path(name).expanduser()
    if not folder.is_dir():
        if not _HUB_NAME.fullmatch(name):
            raise RunnerError(
                f"The model folder {name} does not exist: give the path of a folder with a model in it."
            )
        return name
    if not (folder / "config.json").is_file() and not _is_adapter(str(folder)):
        raise RunnerError(f"The folder {folder} holds no model: there is no config.json in it.")
    if not any(folder.glob("*.safetensors")):
        raise RunnerError(
            f"The folder {folder} holds no safetensors weights: save the model again as safetensors."
        )
    return str(folder)


def _is_adapter(source: str) -> bool:
    return (Path(source) / "adapter_config.json").is_file()


def _load(factory: Any, run: Run, *, missing_allowed: str, **options: Any) -> PreTrainedModel:
    """Load weights; a LoRA adapter is merged into the base that it names."""
    logging.disable_progress_bar()
    source = _source(run)
    # Full training keeps float32 weights under bf16 autocast; LoRA's frozen base needs no such precision.
    low_precision = has_gpu() and (run.spec.method == "generate" or run.spec.parameters.get("lora_r", 0) > 0)
    options["dtype"] = torch.bfloat16 if low_precision else torch.float32
    options["use_safetensors"] = True
    if not _is_adapter(source):
        return _load_whole(factory, run, source, missing_allowed, options)
    adapter = LoraConfig.from_pretrained(source)
    base = _load_whole(factory, run, str(adapter.base_model_name_or_path), "score.", options)
    return PeftModel.from_pretrained(base, source, use_safetensors=True).merge_and_unload()


def _load_whole(factory: Any, run: Run, source: str, missing_allowed: str, options: dict[str, Any]) -> Any:
    model, info = _from_pretrained(factory, run, source, output_loading_info=True, **options)
    missing = [
        name for name in info["missing_keys"] if not (missing_allowed and name.startswith(missing_allowed))
    ]
    if missing:
        raise RunnerError(
            f"The model {source} has no weights for {missing[0]}: "
            f"give a model of the kind that {run.spec.method} needs."
        )
    return model


def _from_pretrained(factory: Any, run: Run, source: str, **options: Any) -> Any:
    revision = {"revision": run.spec.model_revision} if run.spec.model_revision else {}
    try:
        return factory.from_pretrained(source, trust_remote_code=False, **revision, **options)
    except (OSError, ValueError) as error:
        raise RunnerError(_why_not_loaded(source, error)) from error


def _why_not_loaded(source: str, error: Exception) -> str:
    reason = (str(error).strip().splitlines() or ["no message"])[0]
    if "trust_remote_code" in str(error):
        return f"The model {source} needs code of its own, which is never run: use one that transformers has."
    if Path(source).is_dir():
        return f"The model {source} cannot be loaded: {reason}"
    return (
        f"The model {source} is neither a folder nor in the hub's local cache: "
        "give the path of a model folder, or set HF_HUB_OFFLINE=0 to download it."
    )
