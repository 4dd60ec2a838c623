"""Models and tokenizers: from a local folder or the hub's cache, safetensors only, no remote code."""

from __future__ import annotations

import json
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from peft import LoraConfig, PeftModel, PeftType
from transformers import (
    AutoConfig,
    AutoModelForCausalLM,
    AutoModelForSequenceClassification,
    AutoTokenizer,
    BitsAndBytesConfig,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)
from transformers.utils import find_adapter_config_file, logging

from trainer.runner.execution import Run
from trainer.runner.failures import RunnerError
from trainer.spec import HUB_NAME


def has_gpu() -> bool:
    return bool(torch.cuda.is_available())


def uses_bf16(run: Run) -> bool:
    """Whether the run computes in bfloat16."""
    wanted = run.spec.parameters.get("precision", "auto")
    return has_gpu() if wanted == "auto" else bool(wanted == "bf16")


def load_tokenizer(run: Run) -> PreTrainedTokenizerBase:
    """The model's tokenizer, which must have a chat template; pads with the end token where it has no own."""
    return load_tokenizer_from(run, run.spec.model)


def load_tokenizer_from(run: Run, name: str) -> PreTrainedTokenizerBase:
    """The tokenizer of another model than the spec's, such as a reward model's."""
    source = _source(run, name)
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


def load_causal_model(
    run: Run, tokenizer: PreTrainedTokenizerBase, *, frozen: bool = False
) -> PreTrainedModel:
    """A language model, on the CPU; raises RunnerError when weights are missing. `frozen`: only asked."""
    model = _load(AutoModelForCausalLM, run, run.spec.model, missing_allowed="", frozen=frozen)
    model.config.pad_token_id = tokenizer.pad_token_id
    model.generation_config.pad_token_id = tokenizer.pad_token_id
    return model


def load_reward_model(run: Run, tokenizer: PreTrainedTokenizerBase) -> PreTrainedModel:
    """A trained reward model, only to be asked: the spec's own."""
    return load_reward_model_from(run, run.spec.model, tokenizer)


def load_reward_model_from(run: Run, name: str, tokenizer: PreTrainedTokenizerBase) -> PreTrainedModel:
    """A trained reward model of any folder, only to be asked."""
    model = _load(AutoModelForSequenceClassification, run, name, missing_allowed="", frozen=True)
    model.config.pad_token_id = tokenizer.pad_token_id
    return model


def load_scorer(
    run: Run,
    name: str,
    tokenizer: PreTrainedTokenizerBase,
    *,
    heads: int | None = None,
    frozen: bool = False,
) -> PreTrainedModel:
    """A model with numbers as output, to train: a language model gets random heads, one unless `heads` says.

    A reward model keeps the heads it has where it has as many as asked, or none are asked for.
    """
    source = _source(run, name)
    config = None if _is_adapter(run, source) else _from_pretrained(AutoConfig, run, source)
    scores_already = config is not None and any(
        "SequenceClassification" in each for each in config.architectures or ()
    )
    wanted: dict[str, Any] = {} if heads is None and scores_already else {"num_labels": heads or 1}
    model = _load(
        AutoModelForSequenceClassification,
        run,
        name,
        missing_allowed="score.",
        frozen=frozen,
        ignore_mismatched_sizes=True,
        **wanted,
    )
    model.config.pad_token_id = tokenizer.pad_token_id
    return model


def lora_config(run: Run, task: str) -> LoraConfig | None:
    """LoRA on every linear layer but the head, alpha twice the rank; None when the whole model is trained."""
    rank = run.spec.parameters["lora_r"]
    if rank == 0:
        return None
    return LoraConfig(task_type=task, r=rank, lora_alpha=2 * rank, target_modules="all-linear")


def _source(run: Run, name: str) -> str:
    """The folder, or the hub name, that the spec means."""
    folder = run.folder / Path(name).expanduser()
    if not folder.is_dir():
        if not HUB_NAME.fullmatch(name):
            raise RunnerError(
                f"The model folder {name} does not exist: give the path of a folder with a model in it."
            )
        return name
    if not (folder / "config.json").is_file() and not _is_adapter(run, str(folder)):
        raise RunnerError(f"The folder {folder} holds no model: there is no config.json in it.")
    if not any(folder.glob("*.safetensors")):
        raise RunnerError(
            f"The folder {folder} holds no safetensors weights: save the model again as safetensors."
        )
    _refuse_weights_elsewhere(folder)
    return str(folder)


def _refuse_weights_elsewhere(folder: Path) -> None:
    """An index names the files that its weights are in, and transformers would follow it to any."""
    for index in folder.glob("*.safetensors.index.json"):
        try:
            names = {str(name) for name in json.loads(index.read_text())["weight_map"].values()}
        except (ValueError, LookupError, TypeError, AttributeError) as error:
            raise RunnerError(f"{index} is no index of weights: save the model again.") from error
        if any(name != Path(name).name for name in names):
            raise RunnerError(f"{index} names weights outside of its folder: save the model again.")


def starts_from_adapter(run: Run) -> bool:
    """Whether the spec's model is an adapter's folder, which is merged when it is loaded."""
    return _is_adapter(run, _source(run, run.spec.model))


def _is_adapter(run: Run, source: str) -> bool:
    return find_adapter_config_file(source, **_revision(run, source)) is not None


def _base_of(run: Run, source: str) -> str:
    """The folder or hub name of an adapter's base. Whose folders an adapter of the project names was looked at when
    the run was started; one of the hub is anybody's text, and reaches no folder of this machine."""
    adapter = LoraConfig.from_pretrained(source, **_revision(run, source))
    if adapter.peft_type != PeftType.LORA:  # others name more than a base
        raise RunnerError(
            f"The adapter {source} is none of LoRA: merge it into its base where it was trained."
        )
    base = str(adapter.base_model_name_or_path)
    if Path(base).is_absolute() and Path(source).is_dir():
        return base
    # What has such a folder where the run was started would be loaded from there.
    if not HUB_NAME.fullmatch(base) or Path(base).exists() or (run.folder / base).exists():
        raise RunnerError(
            f"The adapter {source} names the base {base[:200]}, and must name it as the hub does: "
            "correct base_model_name_or_path in its adapter_config.json, or merge it into its base where that is."
        )
    return base


def _load(
    factory: Any,
    run: Run,
    name: str,
    *,
    missing_allowed: str,
    frozen: bool = False,
    above: tuple[str, ...] = (),
    **options: Any,
) -> PreTrainedModel:
    """Load weights; a LoRA adapter is merged into the base that it names, which may be one too.

    transformers would follow an adapter to its base by itself, wherever that is. `above`: the adapters on this one.
    """
    logging.disable_progress_bar()
    source = _source(run, name)
    parameters = run.spec.parameters
    # Full training keeps float32 weights under bf16 autocast; weights that stay as they are need no such precision.
    asked = frozen or run.spec.method == "generate" or parameters.get("lora_r", 0) > 0
    options["dtype"] = torch.bfloat16 if uses_bf16(run) and asked else torch.float32
    options["use_safetensors"] = True
    options |= ({} if frozen else _quantized(run)) | _with_kernels(run)
    if not _is_adapter(run, source):
        return _load_whole(factory, run, source, missing_allowed, options)
    if source in above:
        raise RunnerError(f"The adapter {source} is its own base: name the model that it was trained on.")
    base = _load(
        factory,
        run,
        _base_of(run, source),
        missing_allowed="score.",
        frozen=frozen,
        above=(*above, source),
        **options,
    )
    adapted = PeftModel.from_pretrained(base, source, use_safetensors=True, **_revision(run, source))
    return adapted.merge_and_unload()


def _quantized(run: Run) -> dict[str, Any]:
    """QLoRA's 4-bit base (arXiv 2305.14314). Raises RunnerError where it can not be had."""
    if run.spec.parameters.get("quantize", "none") == "none":
        return {}
    if not has_gpu() or not find_spec("bitsandbytes"):
        raise RunnerError(
            "quantize nf4 needs a GPU and the package bitsandbytes, which this machine lacks: "
            "set quantize to none, or run on a GPU machine with `pip install bitsandbytes`."
        )
    settings = BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=torch.bfloat16,
        llm_int8_skip_modules=["lm_head", "score"],
    )
    return {"quantization_config": settings, "device_map": {"": torch.cuda.current_device()}}


def _with_kernels(run: Run) -> dict[str, Any]:
    """Fused kernels of the hub, Liger's among them. Raises RunnerError where they can not be had."""
    if not run.spec.parameters.get("use_kernels", False):
        return {}
    if not has_gpu() or not find_spec("kernels"):
        raise RunnerError(
            "use_kernels needs a GPU and the package kernels, which this machine lacks: "
            "set use_kernels to false, or run on a GPU machine with `pip install kernels`."
        )
    return {"use_kernels": True}


def _load_whole(factory: Any, run: Run, source: str, missing_allowed: str, options: dict[str, Any]) -> Any:
    model, info = _from_pretrained(factory, run, source, output_loading_info=True, **options)
    strange = [
        *info["missing_keys"],
        *(str(each if isinstance(each, str) else each[0]) for each in info.get("mismatched_keys") or ()),
    ]
    missing = [name for name in strange if not (missing_allowed and name.startswith(missing_allowed))]
    if missing:
        raise RunnerError(
            f"The model {source} has no weights for {missing[0]}: "
            f"give a model of the kind that {run.spec.method} needs."
        )
    return model


def _revision(run: Run, source: str) -> dict[str, str]:
    """The spec's, which is of its own model: a base or a reward model has revisions of its own."""
    return (
        {"revision": run.spec.model_revision} if run.spec.model_revision and source == run.spec.model else {}
    )


def _from_pretrained(factory: Any, run: Run, source: str, **options: Any) -> Any:
    try:
        return factory.from_pretrained(source, trust_remote_code=False, **_revision(run, source), **options)
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
