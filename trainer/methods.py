"""The training methods and the parameters of each: what a form asks for, with what they mean and good defaults.

PURE. `PARAMETERS` is complete: a spec fills in every one, so the same JSON means the same run after a default has
changed. `suggested` gives what depends on the size of the model.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Literal

ParameterType = Literal[
    "int", "float", "bool", "str", "text", "list[str]", "list[text]", "list[float]", "rewards"
]


@dataclass(frozen=True)
class Parameter:
    """One parameter of a method: bounds are inclusive, and apply to each element of a list.

    A `str` is one of `choices`, a `text` is free. `rewards` is a list of objects, each with either `model` (the folder
    of a reward model) or `grader` (a document of `judges.core.graders`, with the `settings` of whom it asks), and a
    `weight`.
    """

    name: str
    type: ParameterType
    default: Any
    help: str
    minimum: float | None = None
    maximum: float | None = None
    choices: tuple[str, ...] | None = None


def _(sentence: str) -> str:
    """Marks a sentence for translation; who shows it translates it."""
    return sentence


SCHEDULERS = ("linear", "cosine", "constant", "constant_with_warmup")
# The names that `trl.DPOConfig.loss_type` takes; spelled out because the web side never imports trl.
DPO_LOSSES = (
    "sigmoid",
    "sigmoid_norm",
    "hinge",
    "ipo",
    "exo_pair",
    "nca_pair",
    "robust",
    "bco_pair",
    "sppo_hard",
    "aot",
    "aot_unpaired",
    "apo_zero",
    "apo_down",
    "discopop",
    "sft",
)
TRACKERS = ("none", "wandb", "mlflow", "trackio")
_BIG = 10_000_000


def _training(learning_rate: float, stop_on: tuple[str, ...] = ("loss",)) -> tuple[Parameter, ...]:
    """What all training methods share; learning rates start from TRL's own defaults."""
    return (
        Parameter("max_steps", "int", 0, _("Optimizer steps; 0 trains for whole epochs instead."), 0, _BIG),
        Parameter(
            "epochs", "float", 1.0, _("Passes over the training rows, when max_steps is 0."), 0.001, 1000
        ),
        Parameter("batch_size", "int", 8, _("Rows in one forward pass on one device."), 1, 4096),
        Parameter("learning_rate", "float", learning_rate, _("Peak learning rate of AdamW."), 1e-10, 1.0),
        Parameter(
            "warmup_steps", "int", 0, _("Steps over which the learning rate rises from 0."), 0, 1_000_000
        ),
        Parameter(
            "scheduler", "str", "linear", _("How the learning rate falls after it."), choices=SCHEDULERS
        ),
        Parameter("max_grad_norm", "float", 1.0, _("Longer gradients are cut to this norm."), 0.0001, 1e6),
        Parameter(
            "max_length", "int", 1024, _("Tokens; longer rows are left out and counted."), 8, 1_000_000
        ),
        Parameter("save_steps", "int", 100, _("Steps between checkpoints."), 1, _BIG),
        Parameter("eval_steps", "int", 0, _("Steps between evaluations; 0 evaluates at the end."), 0, _BIG),
        Parameter("logging_steps", "int", 10, _("Steps between points of the charts."), 1, 10_000),
        Parameter("samples", "int", 4, _("Held-out prompts answered at each evaluation."), 0, 64),
        *_lean(),
        Parameter(
            "early_stopping",
            "int",
            0,
            _("Evaluations without a gain before the run ends with its best model; 0 is off."),
            0,
            1000,
        ),
        Parameter(
            "early_stopping_metric", "str", stop_on[0], _("What must gain on held-out rows."), choices=stop_on
        ),
        Parameter("report_to", "str", "none", _("A tracker beside the TensorBoard files."), choices=TRACKERS),
    )


def _lean() -> tuple[Parameter, ...]:
    """What saves memory or time, and which weights are trained."""
    return (
        Parameter("lora_r", "int", 0, _("Rank of the LoRA adapter; 0 trains every weight."), 0, 1024),
        Parameter(
            "quantize",
            "str",
            "none",
            _("nf4 keeps the frozen base in 4 bits (QLoRA); needs a GPU and lora_r."),
            choices=("none", "nf4"),
        ),
        Parameter("frozen_layers", "int", 0, _("Lowest layers, and embeddings, not trained."), 0, 10_000),
        Parameter(
            "unfreeze_every", "int", 0, _("Steps until one more frozen layer is trained; 0 never."), 0, _BIG
        ),
        Parameter(
            "precision",
            "str",
            "auto",
            _("auto is bf16 on a GPU and float32 elsewhere."),
            choices=("auto", "bf16", "float32"),
        ),
        Parameter(
            "gradient_checkpointing",
            "str",
            "auto",
            _("Less memory for a third more time; auto is on with a GPU."),
            choices=("auto", "on", "off"),
        ),
        Parameter("use_kernels", "bool", False, _("Fused (Liger) kernels; needs a GPU and `kernels`.")),
    )


_ACCUMULATION = Parameter(
    "gradient_accumulation", "int", 1, _("Forward passes added up for one step."), 1, 4096
)
_BETA = Parameter("beta", "float", 0.1, _("How closely to stay with the base model."), 0.0001, 100)
_PRECOMPUTE = Parameter(
    "precompute_reference",
    "bool",
    False,
    _("Ask the base model about every row once, before training, so that it need not stay in memory."),
)


def _on_policy(learning_rate: float) -> tuple[Parameter, ...]:
    """What the methods share that learn from their own responses."""
    return (
        *_training(learning_rate, ("reward", "win_rate")),
        Parameter(
            "rewards",
            "rewards",
            (),
            _("What responses are worth: reward models and graders, each with a weight, as a JSON list."),
        ),
        Parameter(
            "win_rate_by",
            "rewards",
            (),
            _("What says how often held-out answers beat the base model's; best nothing that is trained on."),
        ),
        Parameter("max_new_tokens", "int", 256, _("Tokens of a response at most."), 1, 1_000_000),
        Parameter("temperature", "float", 1.0, _("Of sampling while training."), 0.01, 10),
    )


def _groups(generations: int, beta: float) -> tuple[Parameter, ...]:
    """What GRPO and RLOO share: several responses to a prompt, compared with each other."""
    return (
        _ACCUMULATION,
        Parameter(
            "generations", "int", generations, _("Responses a prompt, compared with each other."), 2, 1024
        ),
        Parameter(
            "beta", "float", beta, _("Weight of the KL to the base; 0 needs no reference model."), 0, 100
        ),
        Parameter("epsilon", "float", 0.2, _("How far a step may move a token's probability."), 0.0001, 10),
        Parameter("iterations", "int", 1, _("Passes over each batch of responses."), 1, 64),
        Parameter("mask_truncated", "bool", False, _("Learn nothing from responses cut at max_new_tokens.")),
    )


_PPO = (
    Parameter("rollouts", "int", 64, _("Responses collected for a step, on one device."), 1, 100_000),
    Parameter("ppo_epochs", "int", 2, _("Passes over the responses of a step."), 1, 64),
    Parameter("minibatches", "int", 1, _("Optimizer steps a pass."), 1, 1024),
    Parameter(
        "value_model",
        "text",
        "",
        _("What the value model starts from, best a reward model, by name or folder; empty is the base."),
    ),
    Parameter("value_learning_rate", "float", 1e-5, _("Peak learning rate of the value model."), 1e-10, 1.0),
    Parameter("value_weight", "float", 0.5, _("Weight of the value loss."), 0, 100),
    Parameter("clip", "float", 0.2, _("How far a step may move a token's probability."), 0.0001, 10),
    Parameter("value_clip", "float", 0.2, _("How far a step may move a value; 0 is any distance."), 0, 1000),
    Parameter("gamma", "float", 1.0, _("Discount of later rewards."), 0, 1),
    Parameter("gae_lambda", "float", 0.95, _("1 trusts rewards, 0 trusts the value model."), 0, 1),
    Parameter("kl_coefficient", "float", 0.05, _("Price of each nat away from the base model."), 0, 100),
    Parameter(
        "kl_target",
        "float",
        0.0,
        _("KL of a response that the price is steered to; 0 keeps the price."),
        0,
        10_000,
    ),
    Parameter("kl_horizon", "int", 10_000, _("Responses over which the price is steered."), 1, _BIG),
    Parameter("whiten_rewards", "bool", False, _("Bring rewards to a spread of 1.")),
    Parameter("reward_clip", "float", 0.0, _("Larger rewards are cut to this; 0 is off."), 0, 1_000_000),
    Parameter(
        "missing_eos_penalty", "float", 0.0, _("Taken from responses cut at max_new_tokens."), 0, 1_000_000
    ),
    Parameter("entropy_bonus", "float", 0.0, _("Weight of the entropy, which keeps exploring."), 0, 10),
    Parameter("vllm_url", "text", "", _("Address of a vLLM server that samples; empty samples here.")),
    Parameter(
        "vllm_folder", "text", "", _("Folder that the server serves; the run writes its weights there.")
    ),
)

PARAMETERS: Mapping[str, tuple[Parameter, ...]] = MappingProxyType(
    {
        "sft": (
            *_training(2e-5),
            _ACCUMULATION,
            Parameter(
                "packing", "bool", False, _("Several rows in one sequence, kept apart by their positions.")
            ),
        ),
        "reward": (
            *_training(1e-4, ("loss", "accuracy")),
            _ACCUMULATION,
            Parameter("center_coefficient", "float", 0.01, _("Pulls the mean reward to 0; 0 is off."), 0, 10),
            Parameter("use_weights", "bool", False, _("Weigh each pair by its label's weight.")),
            Parameter(
                "use_margins",
                "bool",
                False,
                _("Ask that rewards differ by each row's margin; a label's is its log odds."),
            ),
            Parameter(
                "objectives",
                "list[text]",
                (),
                _(
                    "Columns that say by how much the chosen response is better on a criterion; a head for each."
                ),
            ),
            Parameter(
                "ensemble",
                "int",
                1,
                _("Heads that saw different rows; their spread is the uncertainty."),
                1,
                64,
            ),
        ),
        "dpo": (
            *_training(1e-6, ("loss", "accuracy")),
            _ACCUMULATION,
            _BETA,
            Parameter("loss_type", "list[str]", ("sigmoid",), _("Losses, added up."), choices=DPO_LOSSES),
            Parameter("loss_weights", "list[float]", (), _("A weight a loss; empty weighs all 1."), 0, 1000),
            Parameter("label_smoothing", "float", 0.0, _("Assumed share of flipped labels."), 0, 0.5),
            Parameter(
                "smoothing_from_confidence",
                "bool",
                False,
                _("Set label_smoothing to the share of wrong labels that the rows' confidences tell of."),
            ),
            _PRECOMPUTE,
        ),
        "kto": (
            *_training(1e-6),
            _ACCUMULATION,
            _BETA,
            Parameter("desirable_weight", "float", 1.0, _("Weight of good responses."), 0, 1000),
            Parameter("undesirable_weight", "float", 1.0, _("Weight of bad responses."), 0, 1000),
            _PRECOMPUTE,
        ),
        "orpo": (
            *_training(8e-6, ("loss", "accuracy")),
            _ACCUMULATION,
            Parameter(
                "beta", "float", 0.1, _("Weight of the odds ratio beside the likelihood."), 0.0001, 100
            ),
        ),
        "grpo": (
            *_on_policy(1e-6),
            *_groups(generations=8, beta=0.0),
            Parameter(
                "loss_type",
                "str",
                "dapo",
                _("How tokens are averaged."),
                choices=("dapo", "grpo", "dr_grpo", "bnpo"),
            ),
            Parameter(
                "scale_rewards",
                "str",
                "group",
                _("Whose spread an advantage is divided by."),
                choices=("group", "batch", "none"),
            ),
            Parameter(
                "aggregation",
                "str",
                "sum_then_normalize",
                _("normalize_then_sum keeps a reward of small spread from being drowned."),
                choices=("sum_then_normalize", "normalize_then_sum"),
            ),
        ),
        "rloo": (
            *_on_policy(1e-6),
            *_groups(generations=4, beta=0.05),
            Parameter("normalize_advantages", "bool", False, _("Bring advantages to a spread of 1.")),
        ),
        "ppo": (*_on_policy(1e-6), *_PPO),
        "generate": (
            Parameter("samples", "int", 1, _("Responses a prompt."), 1, 1024),
            Parameter("max_new_tokens", "int", 256, _("Tokens of a response at most."), 1, 1_000_000),
            Parameter("temperature", "float", 1.0, _("0 takes the likeliest token each time."), 0, 10),
            Parameter("top_p", "float", 1.0, _("Sample from the likeliest tokens of this mass."), 0.001, 1),
            Parameter("batch_size", "int", 16, _("Prompts answered together."), 1, 4096),
            Parameter(
                "max_length", "int", 1024, _("Tokens; longer prompts are left out and counted."), 8, 1_000_000
            ),
        ),
        "score": (
            Parameter("batch_size", "int", 32, _("Rows scored together."), 1, 4096),
            Parameter(
                "max_length",
                "int",
                1024,
                _("Tokens; longer rows get no score, and are counted."),
                8,
                1_000_000,
            ),
        ),
        "merge": (),
    }
)
METHODS = tuple(PARAMETERS)
# What every method has and few runs change; forms show it last.
SELDOM_CHANGED = frozenset(
    {
        "warmup_steps",
        "scheduler",
        "max_grad_norm",
        "save_steps",
        "eval_steps",
        "logging_steps",
        "samples",
        "quantize",
        "frozen_layers",
        "unfreeze_every",
        "precision",
        "gradient_checkpointing",
        "use_kernels",
        "early_stopping",
        "early_stopping_metric",
        "report_to",
    }
)
TRAINING_METHODS = tuple(
    method for method, known in PARAMETERS.items() if any(p.name == "lora_r" for p in known)
)
REWARDED_METHODS = ("grpo", "rloo", "ppo")

# Peak learning rates that are usual for a whole model of a billion weights; they fall with the root of the size.
_RATES = {
    "sft": 2e-5,
    "reward": 1e-5,
    "dpo": 1e-6,
    "kto": 1e-6,
    "orpo": 8e-6,
    "grpo": 1e-6,
    "rloo": 1e-6,
    "ppo": 1e-6,
}
_LORA_TIMES = 10  # arXiv 2405.09673, section 4: LoRA's best rate is an order of magnitude higher


def suggested(method: str, billions: float, *, lora: bool = False) -> dict[str, Any]:
    """Parameters that depend on the model's size, in billions of weights, to start from where nothing is known.

    The effective batch is 64 rows; the smaller the model, the more of it goes through in one pass.
    """
    size = max(billions, 0.001)
    least = 1 if method == "kto" else 0  # KTO estimates its KL from the others of a batch
    batch = 2 ** max(least, min(5, int(math.log2(16 / size))))
    rate = min(_RATES[method] * size**-0.5 * (_LORA_TIMES if lora else 1), 5e-3)
    values: dict[str, Any] = {"learning_rate": float(f"{rate:.1e}"), "batch_size": batch}
    if lora:
        values["lora_r"] = 16
    if method == "ppo":
        return values | {"rollouts": 128, "value_learning_rate": float(f"{min(rate * 10, 1e-2):.1e}")}
    return values | {"gradient_accumulation": 64 // batch}
