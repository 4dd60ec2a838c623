"""A run in verl's words: what of a method's parameters it can take, and the settings that train the same. PURE.

Names and meanings are those of verl 0.9.1 (``verl/trainer/config`` there). Its own validation took these for GRPO and
RLOO, and for PPO up to where it loads the critic.

    ppo    GAE, and the KL to the base as a price in the reward
    grpo   groups, and the KL as a part of the loss
    rloo   groups, leave one out, and the KL as a price in the reward
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from trainer.methods import PARAMETERS, REWARDED_METHODS

METHODS = REWARDED_METHODS
ESTIMATORS = {"ppo": "gae", "grpo": "grpo", "rloo": "rloo"}
SCHEDULERS = ("cosine", "constant", "constant_with_warmup")
# TRL's averages over tokens, by verl's names.
AVERAGES = {"dapo": "token-mean", "bnpo": "token-mean", "grpo": "seq-mean-token-mean"}
_TAKEN = frozenset(
    {
        *(
            "max_steps",
            "epochs",
            "batch_size",
            "learning_rate",
            "warmup_steps",
            "max_grad_norm",
            "max_length",
        ),
        *("save_steps", "eval_steps", "gradient_checkpointing", "max_new_tokens", "temperature"),
        *("gradient_accumulation", "generations", "beta", "epsilon", "iterations"),
        *("rollouts", "ppo_epochs", "minibatches", "value_model", "value_learning_rate", "clip", "gamma"),
        *("gae_lambda", "kl_coefficient", "entropy_bonus"),
        # These change what is shown and not what is learnt; verl logs every step and shows no samples.
        *("logging_steps", "samples", "report_to"),
    }
)
NEVER = 10_000_000  # of a frequency; verl evaluates after its last step all the same
_PLAIN = re.compile(r"[\w./@-]+")

Values = Mapping[str, Any]


def not_taken(method: str, parameters: Values) -> list[str]:
    """What of these parameters verl can not do, a sentence each that begins with the parameter's name."""
    found = []
    for parameter in PARAMETERS[method]:
        value, name = parameters[parameter.name], parameter.name
        if name in _RULES:
            found += [f"{name} {why}" for why in [_RULES[name](value)] if why]
        elif name not in _TAKEN and value != parameter.default:
            found.append(f"{name} is nothing that verl does; leave it at {parameter.default!r}")
    return found


def settings(method: str, base: str, parameters: Values, seed: int, cards: int, nodes: int) -> dict[str, Any]:
    """The settings by name, of the training itself: where its rows, rewards and files are is not in it."""
    p, devices = parameters, max(1, cards) * nodes
    response = p["max_new_tokens"]
    actor, rollout = "actor_rollout_ref.actor", "actor_rollout_ref.rollout"
    # Ours count what one device does in a step, verl what all do; its batches are prompts.
    prompts = (
        p["rollouts"] if method == "ppo" else p["batch_size"] * p["gradient_accumulation"] // p["generations"]
    )
    prompts = max(1, prompts) * devices
    return {
        "algorithm.adv_estimator": ESTIMATORS[method],
        "data.prompt_key": "prompt",
        "data.max_prompt_length": p["max_length"] - response,
        "data.max_response_length": response,
        "data.filter_overlong_prompts": True,
        "data.train_batch_size": prompts,
        "data.seed": seed,
        "actor_rollout_ref.model.path": base,
        "actor_rollout_ref.model.enable_gradient_checkpointing": p["gradient_checkpointing"] != "off",
        f"{actor}.optim.lr": p["learning_rate"],
        **_optimizer(actor, p),
        f"{actor}.ppo_mini_batch_size": prompts // p.get("minibatches", 1),
        f"{actor}.ppo_micro_batch_size_per_gpu": p["batch_size"],
        f"{actor}.data_loader_seed": seed,
        f"{actor}.calculate_entropy": True,
        f"{rollout}.name": "vllm",
        f"{rollout}.n": p.get("generations", 1),
        f"{rollout}.temperature": p["temperature"],
        f"{rollout}.log_prob_micro_batch_size_per_gpu": p["batch_size"],
        f"{rollout}.tensor_model_parallel_size": 1,
        f"{rollout}.seed": seed,
        "actor_rollout_ref.ref.log_prob_micro_batch_size_per_gpu": p["batch_size"],
        "trainer.nnodes": nodes,
        "trainer.n_gpus_per_node": max(1, cards),
        "trainer.logger": ["console", "file"],
        "trainer.save_freq": p["save_steps"],
        "trainer.resume_mode": "auto",
        **_OWN[method](actor, base, p, seed),
    }


def schedule(parameters: Values, prompts: int, batch: int) -> tuple[int, int]:
    """Steps in all, and the passes over the prompts that hold them; 0 steps where a batch is not filled."""
    an_epoch = prompts // batch
    steps = parameters["max_steps"] or math.floor(parameters["epochs"] * an_epoch)
    return (steps, math.ceil(steps / an_epoch)) if an_epoch else (0, 0)


def words(found: Values) -> list[str]:
    """The settings as the words of a command, in Hydra's grammar; a name that verl does not have begins with +."""
    return [f"{name}={_word(value)}" for name, value in found.items()]


def _word(value: Any) -> str:
    if isinstance(value, list | tuple):
        return f"[{','.join(_word(each) for each in value)}]"
    text = str(value)
    if not isinstance(value, str) or _PLAIN.fullmatch(text):
        return text
    escaped = text.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"


def _optimizer(of: str, p: Values) -> dict[str, Any]:
    return {
        f"{of}.optim.lr_warmup_steps": p["warmup_steps"],
        f"{of}.optim.lr_scheduler_type": "cosine" if p["scheduler"] == "cosine" else "constant",
        f"{of}.optim.clip_grad": p["max_grad_norm"],
        f"{of}.grad_clip": p["max_grad_norm"],
    }


def _ppo(actor: str, base: str, p: Values, seed: int) -> dict[str, Any]:
    return {
        f"{actor}.ppo_epochs": p["ppo_epochs"],
        f"{actor}.entropy_coeff": p["entropy_bonus"],
        **_clip(actor, p["clip"]),
        "algorithm.gamma": p["gamma"],
        "algorithm.lam": p["gae_lambda"],
        "algorithm.use_kl_in_reward": p["kl_coefficient"] > 0,
        "algorithm.kl_ctrl.kl_coef": p["kl_coefficient"],
        "critic.model.path": p["value_model"] or base,
        "critic.optim.lr": p["value_learning_rate"],
        **_optimizer("critic", p),
        "critic.ppo_micro_batch_size_per_gpu": p["batch_size"],
        "critic.cliprange_value": p["value_clip"],
        "critic.data_loader_seed": seed,
    }


def _grpo(actor: str, _base: str, p: Values, _seed: int) -> dict[str, Any]:
    return {
        f"{actor}.ppo_epochs": p["iterations"],
        **_clip(actor, p["epsilon"]),
        f"{actor}.use_kl_loss": p["beta"] > 0,
        f"{actor}.kl_loss_coef": p["beta"],
        f"{actor}.loss_agg_mode": AVERAGES.get(p["loss_type"], "token-mean"),
        "algorithm.norm_adv_by_std_in_grpo": p["scale_rewards"] == "group",
    }


def _rloo(actor: str, _base: str, p: Values, _seed: int) -> dict[str, Any]:
    return {
        f"{actor}.ppo_epochs": p["iterations"],
        **_clip(actor, p["epsilon"]),
        "algorithm.use_kl_in_reward": p["beta"] > 0,
        "algorithm.kl_ctrl.kl_coef": p["beta"],
    }


def _clip(actor: str, ratio: float) -> dict[str, float]:
    return {f"{actor}.{name}": ratio for name in ("clip_ratio", "clip_ratio_low", "clip_ratio_high")}


_OWN = {"ppo": _ppo, "grpo": _grpo, "rloo": _rloo}


def _scheduler(value: Any) -> str:
    return "" if value in SCHEDULERS else f"{value} is nothing that verl does; use {', '.join(SCHEDULERS)}"


def _precision(value: Any) -> str:
    return "" if value in ("auto", "bf16") else f"{value} is nothing that verl does; use bf16"


def _average(value: Any) -> str:
    return "" if value in AVERAGES else f"{value} is nothing that verl does; use {', '.join(AVERAGES)}"


def _scaled(value: Any) -> str:
    return "" if value in ("group", "none") else f"{value} is nothing that verl does; use group or none"


def _value_clip(value: Any) -> str:
    return "" if value > 0 else "is 0, and verl always clips values; use a large number"


def _rewards(value: Any) -> str:
    """Graders, as a function of ours, or one reward model, which verl serves by vLLM; it has no sum of both."""
    models = [each for each in value if "model" in each]
    if not models:
        return ""
    if len(value) > 1:
        return "mix a reward model with others, which verl does not; give one reward model, or graders only"
    if models[0]["weight"] != 1 or models[0]["uncertainty_penalty"] != 0:
        return "weigh a reward model, which verl does not; use weight 1 and no uncertainty_penalty"
    heads = _heads(Path(models[0]["model"]))
    return (
        f"name a reward model with {heads} heads, and verl reads one; train one with one" if heads > 1 else ""
    )


def _heads(folder: Path) -> int:
    """How many numbers the reward model gives; 1 where it is not here."""
    try:
        config = json.loads((folder / "config.json").read_text())
        # transformers names no labels where a classifier has its default, two.
        unnamed = 2 if "ForSequenceClassification" in str(config.get("architectures")) else 1
        return int(config.get("num_labels") or len(config.get("id2label") or ()) or unnamed)
    except (OSError, ValueError, TypeError, AttributeError):
        return 1


_RULES = {
    "scheduler": _scheduler,
    "precision": _precision,
    "loss_type": _average,
    "scale_rewards": _scaled,
    "value_clip": _value_clip,
    "rewards": _rewards,
}
