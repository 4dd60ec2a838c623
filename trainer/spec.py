"""The run spec: everything a training job needs, as JSON; written by the web side, read by `trainer.runner`.

A spec is checked when it is made, so an invalid one cannot exist, and every parameter is filled in, so the
same JSON means the same run after a default has changed. `PARAMETERS` is what a form needs to ask for them.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal

from trainer.alarms import ALARMS

BUDGET = ("hours", "cost", "hour_price")
ParameterType = Literal["int", "float", "str", "list[str]", "list[float]"]


class SpecError(ValueError):
    """A spec that cannot run; the message names the field and the fix."""


@dataclass(frozen=True)
class Parameter:
    """One parameter of a method: bounds are inclusive, and apply to each element of a list."""

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


def _training(learning_rate: float) -> tuple[Parameter, ...]:
    """What the three training methods share; learning rates start from TRL's own defaults."""
    return (
        Parameter(
            "max_steps", "int", 0, _("Optimizer steps; 0 trains for whole epochs instead."), 0, 10_000_000
        ),
        Parameter(
            "epochs", "float", 1.0, _("Passes over the training rows, when max_steps is 0."), 0.001, 1000
        ),
        Parameter("batch_size", "int", 8, _("Rows in one forward pass on one device."), 1, 4096),
        Parameter("gradient_accumulation", "int", 1, _("Forward passes added up for one step."), 1, 4096),
        Parameter("learning_rate", "float", learning_rate, _("Peak learning rate of AdamW."), 1e-10, 1.0),
        Parameter(
            "warmup_steps", "int", 0, _("Steps over which the learning rate rises from 0."), 0, 1_000_000
        ),
        Parameter(
            "scheduler", "str", "linear", _("How the learning rate falls after it."), choices=SCHEDULERS
        ),
        Parameter(
            "max_length", "int", 1024, _("Tokens; longer rows are left out and counted."), 8, 1_000_000
        ),
        Parameter("save_steps", "int", 100, _("Steps between checkpoints."), 1, 10_000_000),
        Parameter(
            "eval_steps", "int", 0, _("Steps between evaluations; 0 evaluates at the end."), 0, 10_000_000
        ),
        Parameter("logging_steps", "int", 10, _("Steps between points of the charts."), 1, 10_000),
        Parameter("lora_r", "int", 0, _("Rank of the LoRA adapter; 0 trains every weight."), 0, 1024),
    )


PARAMETERS: Mapping[str, tuple[Parameter, ...]] = MappingProxyType(
    {
        "sft": _training(2e-5),
        "reward": (
            *_training(1e-4),
            Parameter("center_coefficient", "float", 0.01, _("Pulls the mean reward to 0; 0 is off."), 0, 10),
        ),
        "dpo": (
            *_training(1e-6),
            Parameter("beta", "float", 0.1, _("How closely to stay with the base model."), 0.0001, 100),
            Parameter("loss_type", "list[str]", ("sigmoid",), _("Losses, added up."), choices=DPO_LOSSES),
            Parameter("loss_weights", "list[float]", (), _("A weight a loss; empty weighs all 1."), 0, 1000),
            Parameter("label_smoothing", "float", 0.0, _("Assumed share of flipped labels."), 0, 0.5),
        ),
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


@dataclass(frozen=True)
class RunSpec:
    """One training, generation or scoring job.

    `model` is the path of a folder or a hub name, `dataset` the path of a folder with train.parquet and
    optionally test.parquet, or of one .parquet or .jsonl file; paths are absolute, or relative to the
    folder of the spec file. `dataset_sha256`, when given, is `digest_dataset` of the dataset, checked
    before the run starts. `stop_on` names the alarms (`trainer.alarms`) on which the run saves a checkpoint
    and stops. `budget` caps what it takes: `hours` of the machine, or `cost` at its `hour_price`.
    """

    method: str
    model: str
    dataset: str
    seed: int = 0
    model_revision: str | None = None
    dataset_sha256: str | None = None
    threads: int = 1
    parameters: Mapping[str, Any] = field(default_factory=dict)
    stop_on: tuple[str, ...] = ()
    budget: Mapping[str, float | None] = field(default_factory=dict)

    def __post_init__(self) -> None:
        _require(
            self.method in METHODS, "method", f"{self.method!r} is unknown; use one of {', '.join(METHODS)}"
        )
        for name in ("model", "dataset"):
            _require(
                _is_text(getattr(self, name)), name, "give a path or a name, as a string that is not empty"
            )
        for name in ("model_revision", "dataset_sha256"):
            value = getattr(self, name)
            _require(value is None or _is_text(value), name, "give a string that is not empty, or null")
        _check_number("seed", self.seed, "int", 0, 2**32 - 1)
        _check_number("threads", self.threads, "int", 1, 1024)
        object.__setattr__(self, "stop_on", _alarms(self.stop_on))
        object.__setattr__(self, "budget", MappingProxyType(_budget(self.budget)))
        object.__setattr__(self, "parameters", MappingProxyType(_complete(self.method, self.parameters)))
        _check_together(self.method, self.parameters)

    @classmethod
    def from_json(cls, source: str | Mapping[str, Any]) -> RunSpec:
        """Read a spec from JSON text or its parsed object; raises SpecError."""
        data = _parse(source) if isinstance(source, str) else source
        _require(isinstance(data, Mapping), "spec", "must be a JSON object")
        known = [each.name for each in fields(cls)]
        for name in data:
            _require(
                name in known, str(name), f"is no field of a run spec; the fields are {', '.join(known)}"
            )
        for name in ("method", "model", "dataset"):
            _require(name in data, name, "is missing; add it")
        return cls(**data)

    def to_json(self) -> str:
        """The canonical JSON: keys sorted, no spaces, every parameter present."""
        data = {each.name: getattr(self, each.name) for each in fields(self)}
        data |= {"parameters": dict(self.parameters), "budget": dict(self.budget)}
        return json.dumps(data, sort_keys=True, separators=(",", ":"), allow_nan=False)

    def sha256(self) -> str:
        """Hex digest of the canonical JSON."""
        return hashlib.sha256(self.to_json().encode()).hexdigest()


def digest_dataset(path: Path) -> str:
    """Hex SHA-256 of a dataset file, or of the names and digests of a folder's train and test.parquet."""
    if path.is_file():
        return _digest_file(path)
    splits = [path / name for name in ("test.parquet", "train.parquet") if (path / name).is_file()]
    listing = "".join(f"{_digest_file(split)}  {split.name}\n" for split in splits)
    return hashlib.sha256(listing.encode()).hexdigest()


def _digest_file(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _parse(text: str) -> Any:
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        raise SpecError(f"spec: is not JSON ({error}); write it with RunSpec.to_json()") from error


def _complete(method: str, given: Any) -> dict[str, Any]:
    """Every parameter of the method: the given value, checked, or the default."""
    _require(isinstance(given, Mapping), "parameters", "must be a JSON object of names and values")
    declared = {parameter.name: parameter for parameter in PARAMETERS[method]}
    for name in given:
        _require(
            name in declared,
            f"parameters.{name}",
            f"is unknown to {method}; use one of {', '.join(declared)}",
        )
    return {name: _check_value(each, given.get(name, each.default)) for name, each in declared.items()}


def _alarms(given: Any) -> tuple[str, ...]:
    _require(isinstance(given, list | tuple), "stop_on", "must be a list of alarms")
    for name in given:
        _require(name in ALARMS, "stop_on", f"{name!r} is no alarm; use some of {', '.join(ALARMS)}")
    return tuple(dict.fromkeys(given))


def _budget(given: Any) -> dict[str, float | None]:
    """Every cap, or null where there is none; the price of an hour is 0 where nobody set one."""
    _require(isinstance(given, Mapping), "budget", "must be a JSON object with hours and cost")
    for name in given:
        _require(name in BUDGET, f"budget.{name}", f"is unknown; use {', '.join(BUDGET)}")
    caps = {name: _cap(f"budget.{name}", given.get(name)) for name in ("hours", "cost")}
    price = _check_number("budget.hour_price", given.get("hour_price", 0.0), "float", 0, None)
    return {**caps, "hour_price": price}


def _cap(name: str, value: Any) -> float | None:
    if value is None:
        return None
    _require(value != 0, name, "is 0, with which nothing runs; give more, or null for no cap")
    return _check_number(name, value, "float", 0, None)


def _check_value(parameter: Parameter, value: Any) -> Any:
    return _CHECKS[parameter.type](parameter, value)


def _number(parameter: Parameter, value: Any) -> int | float:
    name = f"parameters.{parameter.name}"
    kind: Literal["int", "float"] = "int" if parameter.type == "int" else "float"
    return _check_number(name, value, kind, parameter.minimum, parameter.maximum)


def _text(parameter: Parameter, value: Any) -> str:
    choices = parameter.choices or ()
    _require(value in choices, f"parameters.{parameter.name}", f"{value!r}: use one of {', '.join(choices)}")
    return str(value)


def _list_of(check: Callable[[Parameter, Any], Any]) -> Callable[[Parameter, Any], Any]:
    def check_each(parameter: Parameter, value: Any) -> tuple[Any, ...]:
        _require(isinstance(value, list | tuple), f"parameters.{parameter.name}", "must be a list")
        return tuple(check(parameter, each) for each in value)

    return check_each


_CHECKS: dict[ParameterType, Callable[[Parameter, Any], Any]] = {
    "int": _number,
    "float": _number,
    "str": _text,
    "list[str]": _list_of(_text),
    "list[float]": _list_of(_number),
}


def _check_number(
    name: str, value: Any, kind: Literal["int", "float"], minimum: float | None, maximum: float | None
) -> int | float:
    accepted = int if kind == "int" else int | float
    # A whole number is finite, and may be longer than what isfinite takes.
    finite = isinstance(value, int) or (isinstance(value, float) and math.isfinite(value))
    valid = isinstance(value, accepted) and not isinstance(value, bool) and finite
    _require(valid, name, f"{value!r} is not {'a whole' if kind == 'int' else 'a'} number; give one")
    _require(minimum is None or value >= minimum, name, f"{value} is too small; use {minimum} or more")
    _require(maximum is None or value <= maximum, name, f"{value} is too large; use {maximum} or less")
    return int(value) if kind == "int" else float(value)


def _check_together(method: str, values: Mapping[str, Any]) -> None:
    """What one parameter demands of another."""
    if method == "dpo":
        losses, weights = values["loss_type"], values["loss_weights"]
        _require(len(losses) > 0, "parameters.loss_type", "is empty; name at least one loss")
        _require(
            len(weights) in (0, len(losses)),
            "parameters.loss_weights",
            f"holds {len(weights)} weights for {len(losses)} losses; give one a loss, or none",
        )
        _require(
            "exo_pair" not in losses or values["label_smoothing"] > 0,
            "parameters.label_smoothing",
            "is 0, which the exo_pair loss cannot take; 0.001 is usual",
        )
    if method == "generate":
        _require(
            values["temperature"] > 0 or values["samples"] == 1,
            "parameters.samples",
            "asks for several responses at temperature 0, where all are equal; use 1, or raise temperature",
        )


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and bool(value.strip())


def _require(condition: bool, name: str, fix: str) -> None:
    if not condition:
        raise SpecError(f"{name}: {fix}")
