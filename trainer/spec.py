"""The run spec: everything a training job needs, as JSON; written by the web side, read by `trainer.runner`.

A spec is checked when it is made, so an invalid one cannot exist, and every parameter of its method
(`trainer.methods`) is filled in, so the same JSON means the same run after a default has changed.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal

from judges.core.graders import BadGrader, read_grader
from trainer.alarms import ALARMS
from trainer.methods import METHODS, PARAMETERS, REWARDED_METHODS, TRAINING_METHODS, Parameter, ParameterType
from trainer.search import complete_search
from trainer.spec_error import SpecError as SpecError
from trainer.spec_error import require as _require

BUDGET = ("hours", "cost", "hour_price")
HUB_NAME = re.compile(r"[A-Za-z0-9][\w.-]*(/[A-Za-z0-9][\w.-]*)?")  # of a model on the hub


@dataclass(frozen=True)
class RunSpec:
    """One training, generation or scoring job.

    `model` is the path of a folder or a hub name, `dataset` the path of a folder with train.parquet and
    optionally test.parquet, or of one .parquet or .jsonl file; paths are absolute, or relative to the
    folder of the spec file. `dataset_sha256`, when given, is `digest_dataset` of the dataset, checked
    before the run starts. `stop_on` names the alarms (`trainer.alarms`) on which the run saves a checkpoint
    and stops. `budget` caps what it takes: `hours` of the machine, or `cost` at its `hour_price`. With a `search`
    (`trainer.search`) it is many trainings, its trials, whose budget is one.
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
    search: Mapping[str, Any] | None = None

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
        if self.search is not None:
            _require(self.method in TRAINING_METHODS, "search", f"{self.method} has none; leave it out")
            searched = complete_search(self.search, self.parameters, self._checked_parameter)
            object.__setattr__(self, "search", MappingProxyType(searched))

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
        """The canonical JSON: keys sorted, no spaces, every parameter present; `search` only where there is one."""
        data = {each.name: getattr(self, each.name) for each in fields(self)}
        data |= {"parameters": dict(self.parameters), "budget": dict(self.budget)}
        searched = data.pop("search")
        data |= {"search": dict(searched)} if searched else {}
        return json.dumps(data, sort_keys=True, separators=(",", ":"), allow_nan=False)

    def sha256(self) -> str:
        """Hex digest of the canonical JSON."""
        return hashlib.sha256(self.to_json().encode()).hexdigest()

    def trial(self, values: Mapping[str, Any]) -> RunSpec:
        """The spec of one trial, with these parameters; raises SpecError where they do not go together."""
        return replace(self, search=None, budget={}, parameters={**self.parameters, **values})

    def _checked_parameter(self, name: str, value: Any) -> Any:
        # The folders and addresses of a run are looked at once, before it starts.
        free = any(each.name == name and each.type == "text" for each in PARAMETERS[self.method])
        _require(not free, f"parameters.{name}", "is free text, and a search tries numbers and choices")
        return self.trial({name: value}).parameters[name]


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


def _truth(parameter: Parameter, value: Any) -> bool:
    _require(isinstance(value, bool), f"parameters.{parameter.name}", f"{value!r}: use true or false")
    return bool(value)


def _free_text(parameter: Parameter, value: Any) -> str:
    _require(isinstance(value, str), f"parameters.{parameter.name}", f"{value!r} is no text; give one")
    return str(value)


def _rewards(parameter: Parameter, value: Any) -> tuple[dict[str, Any], ...]:
    name = f"parameters.{parameter.name}"
    _require(isinstance(value, list | tuple), name, "must be a list of objects")
    return tuple(_reward(f"{name}[{index}]", each) for index, each in enumerate(value))


def _reward(name: str, source: Any) -> dict[str, Any]:
    """One source of reward, with its weight filled in."""
    _require(isinstance(source, Mapping), name, "must be an object with model or grader, and a weight")
    kind = "model" if "model" in source else "grader"
    known = (kind, "weight", "uncertainty_penalty") if kind == "model" else (kind, "weight", "settings")
    for field_name in source:
        _require(field_name in known, f"{name}.{field_name}", f"is unknown; use {', '.join(known)}")
    _require(kind in source, name, "names neither a model's folder nor a grader; give one of them")
    if kind == "model":
        _require(_is_text(source["model"]), f"{name}.model", "give the folder of a reward model")
        penalty = _check_number(
            f"{name}.uncertainty_penalty", source.get("uncertainty_penalty", 0.0), "float", 0, 1000
        )
        extra: dict[str, Any] = {"uncertainty_penalty": penalty}
    else:
        _check_grader(f"{name}.grader", source["grader"])
        _require(isinstance(source.get("settings", {}), Mapping), f"{name}.settings", "must be an object")
        extra = {"settings": dict(source.get("settings", {}))}
    weight = _check_number(f"{name}.weight", source.get("weight", 1.0), "float", -1000, 1000)
    return {kind: source[kind], "weight": weight, **extra}


def _check_grader(name: str, document: Any) -> None:
    try:
        read_grader(document)
    except BadGrader as bad:
        raise SpecError(f"{name}: {bad}") from bad


def _list_of(check: Callable[[Parameter, Any], Any]) -> Callable[[Parameter, Any], Any]:
    def check_each(parameter: Parameter, value: Any) -> tuple[Any, ...]:
        _require(isinstance(value, list | tuple), f"parameters.{parameter.name}", "must be a list")
        return tuple(check(parameter, each) for each in value)

    return check_each


_CHECKS: dict[ParameterType, Callable[[Parameter, Any], Any]] = {
    "int": _number,
    "float": _number,
    "bool": _truth,
    "str": _text,
    "text": _free_text,
    "list[str]": _list_of(_text),
    "list[text]": _list_of(_free_text),
    "rewards": _rewards,
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
    if "lora_r" in values:
        _check_training(values)
    if method in REWARDED_METHODS:
        _check_rewarded(method, values)
    if method == "dpo":
        _check_losses(values)
    if method == "kto":
        _require(
            values["batch_size"] > 1,
            "parameters.batch_size",
            "is 1, and KTO compares the rows of a batch with each other; use 2 or more",
        )
    if method == "generate":
        _require(
            values["temperature"] > 0 or values["samples"] == 1,
            "parameters.samples",
            "asks for several responses at temperature 0, where all are equal; use 1, or raise temperature",
        )


def _check_training(values: Mapping[str, Any]) -> None:
    _require(
        values["quantize"] == "none" or values["lora_r"] > 0,
        "parameters.quantize",
        "freezes the whole model; train an adapter on it with lora_r, such as 16",
    )
    _require(
        values["lora_r"] == 0 or values["frozen_layers"] == 0,
        "parameters.frozen_layers",
        "freezes layers of a model that lora_r freezes already; use one of them",
    )
    _require(
        values["unfreeze_every"] == 0 or values["frozen_layers"] > 0,
        "parameters.unfreeze_every",
        "unfreezes what is not frozen; say how many layers start so, in frozen_layers",
    )
    if values["early_stopping"]:
        every, save = values["eval_steps"], values["save_steps"]
        _require(every > 0, "parameters.eval_steps", "is 0, and early_stopping looks at evaluations; give it")
        _require(
            save == every,
            "parameters.save_steps",
            f"is not eval_steps ({every}), so the best model might be in no checkpoint; make them equal",
        )


def _check_rewarded(method: str, values: Mapping[str, Any]) -> None:
    _require(len(values["rewards"]) > 0, "parameters.rewards", "is empty; name a reward model or a grader")
    _require(
        not values["win_rate_by"] or values["eval_steps"] > 0,
        "parameters.eval_steps",
        "is 0, and win_rate_by looks at evaluations; give it",
    )
    _require(
        not values["early_stopping"]
        or values["early_stopping_metric"] != "win_rate"
        or values["win_rate_by"],
        "parameters.win_rate_by",
        "is empty, and early_stopping_metric is win_rate; name who judges, or stop on reward",
    )
    _require(
        values["max_new_tokens"] < values["max_length"],
        "parameters.max_new_tokens",
        f"leaves no room for a prompt within max_length ({values['max_length']}); lower it",
    )
    if method == "ppo":
        rows = values["batch_size"] * values["minibatches"]
        _require(
            values["rollouts"] % rows == 0,
            "parameters.rollouts",
            f"{values['rollouts']} can not be cut into minibatches of whole batches; use a multiple of {rows}",
        )
        _require(
            bool(values["vllm_url"]) == bool(values["vllm_folder"]),
            "parameters.vllm_folder",
            "goes with vllm_url: give both, or neither",
        )
    else:
        rows = values["batch_size"] * values["gradient_accumulation"]
        _require(
            rows % values["generations"] == 0,
            "parameters.generations",
            f"does not divide batch_size times gradient_accumulation ({rows}); make it",
        )


def _check_losses(values: Mapping[str, Any]) -> None:
    losses, weights = values["loss_type"], values["loss_weights"]
    _require(len(losses) > 0, "parameters.loss_type", "is empty; name at least one loss")
    _require(
        len(weights) in (0, len(losses)),
        "parameters.loss_weights",
        f"holds {len(weights)} weights for {len(losses)} losses; give one a loss, or none",
    )
    smooth = values["label_smoothing"] > 0 or values["smoothing_from_confidence"]
    _require(
        "exo_pair" not in losses or smooth,
        "parameters.label_smoothing",
        "is 0, which the exo_pair loss cannot take; 0.001 is usual",
    )


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and bool(value.strip())
