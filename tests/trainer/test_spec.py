from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trainer.methods import METHODS, PARAMETERS, REWARDED_METHODS, TRAINING_METHODS, Parameter, suggested
from trainer.spec import RunSpec, SpecError, digest_dataset

GRADER = {"type": "string_check", "name": "s", "input": "a", "reference": "a", "operation": "eq"}
REWARDS = [{"grader": GRADER}]
STOPS_ON_WINS = {"early_stopping": 1, "early_stopping_metric": "win_rate", "eval_steps": 5, "save_steps": 5}
# What one parameter demands of another is tried by itself.
BOUND = {
    "batch_size",
    "early_stopping",
    "frozen_layers",
    "generations",
    "gradient_accumulation",
    "max_length",
    "max_new_tokens",
    "minibatches",
    "rollouts",
    "unfreeze_every",
}


def spec(method: str = "dpo", **values: Any) -> RunSpec:
    return RunSpec(**{"method": method, "model": "models/tiny", "dataset": "data", **values})


def values_of(parameter: Parameter) -> st.SearchStrategy[Any]:
    if parameter.type == "int":
        return st.integers(int(parameter.minimum or 0), int(parameter.maximum or 0))
    if parameter.type == "float":
        return st.floats(parameter.minimum, parameter.maximum)
    return st.just(parameter.default)


@given(st.data())
def test_a_spec_survives_json_and_keeps_its_hash(data: st.DataObject) -> None:
    method = data.draw(st.sampled_from([each for each in METHODS if each != "generate"]))
    free = [each for each in PARAMETERS[method] if each.name not in BOUND]
    drawn = {each.name: data.draw(values_of(each)) for each in free}
    if method in REWARDED_METHODS:
        drawn["rewards"] = REWARDS
    original = spec(method, seed=data.draw(st.integers(0, 2**32 - 1)), parameters=drawn)

    again = RunSpec.from_json(original.to_json())

    assert again == original
    assert again.sha256() == original.sha256()


def test_defaults_are_written_out_so_that_the_hash_does_not_depend_on_them_being_left_out() -> None:
    short = RunSpec.from_json({"method": "sft", "model": "m", "dataset": "d"})
    full = RunSpec.from_json(json.loads(short.to_json()))

    assert json.loads(short.to_json())["parameters"]["learning_rate"] == 2e-5
    assert short.sha256() == full.sha256()


def test_the_canonical_json_is_sorted_and_bare() -> None:
    text = spec().to_json()

    assert text == json.dumps(json.loads(text), sort_keys=True, separators=(",", ":"))


def test_a_whole_number_will_do_for_a_float() -> None:
    assert spec(parameters={"beta": 1}).sha256() == spec(parameters={"beta": 1.0}).sha256()


def test_parameters_cannot_be_changed_afterwards() -> None:
    with pytest.raises(TypeError):
        spec().parameters["beta"] = 2  # type: ignore[index]


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (
            {"method": "ppo2"},
            "method: 'ppo2' is unknown; use one of sft, reward, dpo, kto, orpo, grpo, rloo, ppo, generate, score",
        ),
        ({"model": " "}, "model: give a path or a name"),
        ({"dataset": 3}, "dataset: give a path or a name"),
        ({"model_revision": ""}, "model_revision: give a string that is not empty, or null"),
        ({"seed": -1}, "seed: -1 is too small; use 0 or more"),
        ({"seed": True}, "seed: True is not a whole number"),
        ({"threads": 0}, "threads: 0 is too small; use 1 or more"),
        ({"parameters": []}, "parameters: must be a JSON object"),
        ({"parameters": {"betta": 1}}, "parameters.betta: is unknown to dpo; use one of max_steps"),
        ({"parameters": {"beta": "1"}}, "parameters.beta: '1' is not a number"),
        ({"parameters": {"beta": float("nan")}}, "parameters.beta: nan is not a number"),
        ({"parameters": {"batch_size": 1.5}}, "parameters.batch_size: 1.5 is not a whole number"),
        ({"parameters": {"learning_rate": 2}}, "parameters.learning_rate: 2 is too large; use 1.0 or less"),
        ({"parameters": {"scheduler": "step"}}, "parameters.scheduler: 'step': use one of linear"),
        ({"parameters": {"loss_type": "sigmoid"}}, "parameters.loss_type: must be a list"),
        ({"parameters": {"loss_type": ["best"]}}, "parameters.loss_type: 'best': use one of sigmoid"),
        ({"parameters": {"loss_type": []}}, "parameters.loss_type: is empty"),
        ({"parameters": {"loss_weights": [1, 2]}}, "parameters.loss_weights: holds 2 weights for 1 losses"),
        ({"parameters": {"loss_weights": [-1]}}, "parameters.loss_weights: -1 is too small"),
        ({"parameters": {"loss_type": ["exo_pair"]}}, "parameters.label_smoothing: is 0"),
        ({"parameters": {"use_kernels": 1}}, "parameters.use_kernels: 1: use true or false"),
        ({"parameters": {"quantize": "nf4"}}, "parameters.quantize: freezes the whole model"),
        ({"parameters": {"lora_r": 8, "frozen_layers": 1}}, "parameters.frozen_layers: freezes layers of a"),
        ({"parameters": {"unfreeze_every": 5}}, "parameters.unfreeze_every: unfreezes what is not frozen"),
        (
            {"method": "grpo", "parameters": {"rewards": REWARDS, "win_rate_by": REWARDS}},
            "parameters.eval_steps: is 0, and win_rate_by",
        ),
        ({"parameters": {"early_stopping": 2}}, "parameters.eval_steps: is 0, and early_stopping"),
        (
            {"method": "rloo", "parameters": {"rewards": REWARDS, **STOPS_ON_WINS}},
            "parameters.win_rate_by: is empty, and early_stopping_metric is win_rate",
        ),
        (
            {"parameters": {"early_stopping": 2, "eval_steps": 50}},
            "parameters.save_steps: is not eval_steps (50)",
        ),
        ({"method": "kto", "parameters": {"batch_size": 1}}, "parameters.batch_size: is 1, and KTO"),
        ({"method": "ppo"}, "parameters.rewards: is empty; name a reward model or a grader"),
        ({"method": "grpo", "parameters": {"rewards": 1}}, "parameters.rewards: must be a list of objects"),
        (
            {"method": "grpo", "parameters": {"rewards": REWARDS, "generations": 3}},
            "parameters.generations: does not divide batch_size times gradient_accumulation (8)",
        ),
        (
            {"method": "ppo", "parameters": {"rewards": REWARDS, "rollouts": 12}},
            "parameters.rollouts: 12 can not be cut",
        ),
        (
            {"method": "ppo", "parameters": {"rewards": REWARDS, "max_new_tokens": 1024}},
            "parameters.max_new_tokens: leaves no room for a prompt",
        ),
        (
            {"method": "ppo", "parameters": {"rewards": REWARDS, "vllm_url": "http://a"}},
            "parameters.vllm_folder: goes with vllm_url",
        ),
        (
            {"method": "ppo", "parameters": {"rewards": [{"weight": 1}]}},
            "parameters.rewards[0]: names neither a model's folder nor a grader",
        ),
        (
            {"method": "ppo", "parameters": {"rewards": [*REWARDS, {"grader": {"type": "none"}}]}},
            "parameters.rewards[1].grader: ",
        ),
        (
            {"method": "ppo", "parameters": {"rewards": [{"model": "m", "wait": 1}]}},
            "parameters.rewards[0].wait: is unknown; use model, weight, uncertainty_penalty",
        ),
        (
            {"method": "generate", "parameters": {"temperature": 0, "samples": 2}},
            "parameters.samples: asks for several responses at temperature 0",
        ),
    ],
)
def test_an_error_names_the_field_and_the_fix(values: dict[str, Any], message: str) -> None:
    with pytest.raises(SpecError) as error:
        spec(**values)

    assert str(error.value).startswith(message)


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("{", "spec: is not JSON"),
        ("[]", "spec: must be a JSON object"),
        ({"method": "sft", "model": "m"}, "dataset: is missing; add it"),
        ({"method": "sft", "model": "m", "dataset": "d", "gpu": 1}, "gpu: is no field of a run spec"),
    ],
)
def test_json_that_is_no_spec_is_refused(source: Any, message: str) -> None:
    with pytest.raises(SpecError) as error:
        RunSpec.from_json(source)

    assert str(error.value).startswith(message)


@pytest.mark.parametrize("method", METHODS)
def test_every_parameter_can_be_shown_in_a_form(method: str) -> None:
    for parameter in PARAMETERS[method]:
        assert parameter.help.endswith(".")
        if parameter.type in ("int", "float"):
            assert parameter.minimum <= parameter.default <= parameter.maximum
        if parameter.type == "str":
            assert parameter.default in parameter.choices


def test_the_digest_of_a_folder_follows_its_splits_and_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "train.parquet").write_bytes(b"train")
    only_train = digest_dataset(tmp_path)
    (tmp_path / "README.md").write_text("a card")
    assert digest_dataset(tmp_path) == only_train
    (tmp_path / "test.parquet").write_bytes(b"test")

    assert digest_dataset(tmp_path) != only_train
    assert digest_dataset(tmp_path / "train.parquet") != digest_dataset(tmp_path / "test.parquet")


@pytest.mark.parametrize("name", ["max_steps", "learning_rate"])
def test_a_number_too_long_for_any_parameter_is_refused_by_name(name: str) -> None:
    with pytest.raises(SpecError, match=f"parameters.{name}: .* is too large"):
        spec(parameters={name: 10**400})


@pytest.mark.parametrize("method", TRAINING_METHODS)
@pytest.mark.parametrize("billions", [0.001, 0.6, 8, 400])
@pytest.mark.parametrize("lora", [False, True])
def test_what_is_suggested_for_a_size_makes_a_spec(method: str, billions: float, lora: bool) -> None:
    rewards = {"rewards": REWARDS} if method in REWARDED_METHODS else {}

    parameters = suggested(method, billions, lora=lora)

    assert spec(method, parameters=parameters | rewards).parameters["learning_rate"] > 0


def test_larger_models_are_trained_at_lower_rates_in_smaller_batches() -> None:
    small, large = (suggested("dpo", size) for size in (0.6, 70))

    assert small["learning_rate"] > large["learning_rate"]
    assert small["batch_size"] > large["batch_size"]
    assert small["batch_size"] * small["gradient_accumulation"] >= 48
    assert large["batch_size"] * large["gradient_accumulation"] == 64


def test_a_reward_has_its_weight_written_out() -> None:
    rewards = [{"grader": GRADER}, {"model": "m", "weight": 0.5}]

    assert spec("ppo", parameters={"rewards": rewards}).parameters["rewards"] == (
        {"grader": GRADER, "weight": 1.0, "settings": {}},
        {"model": "m", "weight": 0.5, "uncertainty_penalty": 0.0},
    )
