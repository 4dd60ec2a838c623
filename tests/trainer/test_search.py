"""The search of a spec: what is refused before anything starts, and what its form's lines mean."""

from __future__ import annotations

from typing import Any

import pytest

from trainer.search import read_ranges, write_ranges
from trainer.spec import RunSpec, SpecError

RANGE = {"epochs": {"low": 1, "high": 2}}


def spec(**search: Any) -> RunSpec:
    return RunSpec(method="sft", model="m", dataset="d", search={"ranges": RANGE} | search)


def test_a_spec_says_its_whole_search_and_one_without_is_what_it_was() -> None:
    searched = spec(ranges=RANGE | {"max_grad_norm": {"choices": [1, 2.5]}})

    assert searched.search == {
        "ranges": {
            "epochs": {"low": 1.0, "high": 2.0, "log": False},
            "max_grad_norm": {"choices": [1.0, 2.5]},
        },
        "metric": "loss",
        "direction": "minimize",
        "trials": 20,
        "prune": True,
    }
    assert RunSpec.from_json(searched.to_json()) == searched
    assert "search" not in searched.trial({"epochs": 2}).to_json()
    assert searched.trial({"epochs": 2}).parameters["epochs"] == 2.0


def test_a_trial_has_no_budget_of_its_own() -> None:
    searched = RunSpec(method="sft", model="m", dataset="d", budget={"hours": 1}, search={"ranges": RANGE})

    assert searched.trial({}).budget["hours"] is None


def test_lines_of_a_form_are_ranges() -> None:
    text = "learning_rate 1e-6..1e-4 log\n\n  batch_size: 8, 16\nepochs = 1 .. 2\nscheduler linear, cosine\nx true"

    ranges = read_ranges(text)

    assert ranges == {
        "learning_rate": {"low": 1e-6, "high": 1e-4, "log": True},
        "batch_size": {"choices": [8, 16]},
        "epochs": {"low": 1, "high": 2, "log": False},
        "scheduler": {"choices": ["linear", "cosine"]},
        "x": {"choices": [True]},
    }
    assert read_ranges(write_ranges(ranges)) == ranges


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("beta", "search.ranges.beta: has no range; write 1e-6..1e-4 log"),
        ("beta 1\nbeta 2", "search.ranges.beta: stands there twice"),
    ],
)
def test_a_line_that_is_no_range_is_refused(text: str, said: str) -> None:
    with pytest.raises(SpecError) as error:
        read_ranges(text)

    assert str(error.value).startswith(said)


@pytest.mark.parametrize(
    ("search", "said"),
    [
        ({"ranges": {}}, "search.ranges: is empty"),
        ({"ranges": {"beta": {"low": 0, "high": 1}}}, "search.ranges.beta: is no parameter of the method"),
        ({"ranges": ["epochs"]}, "search.ranges: must be an object"),
        ({"ranges": {"epochs": [1, 2]}}, "search.ranges.epochs: must be an object"),
        (
            {"ranges": {"epochs": {"low": 2, "high": 1}}},
            "search.ranges.epochs: has a low of 2 above its high",
        ),
        (
            {"ranges": {"epochs": {"low": True, "high": 2}}},
            "search.ranges.epochs: give low and high, both num",
        ),
        (
            {"ranges": {"epochs": {"low": float("nan"), "high": 2}}},
            "search.ranges.epochs: give low and high, both num",
        ),
        (
            {"ranges": {"batch_size": {"low": 1.5, "high": 4}}},
            "search.ranges.batch_size: give low and high, both whole",
        ),
        (
            {"ranges": {"epochs": {"low": 1, "high": 2, "step": 1}}},
            "search.ranges.epochs: has 'step', which is none of",
        ),
        (
            {"ranges": {"epochs": {"low": 1, "high": 2, "log": "no"}}},
            "search.ranges.epochs: says true or false in log",
        ),
        (
            {"ranges": {"scheduler": {"low": 1, "high": 2}}},
            "search.ranges.scheduler: is no number; give choices",
        ),
        (
            {"ranges": {"scheduler": {"choices": "linear"}}},
            "search.ranges.scheduler: needs a list of choices",
        ),
        ({"ranges": {"scheduler": {"choices": []}}}, "search.ranges.scheduler: needs 1 to 50 choices"),
        (
            {"ranges": {"scheduler": {"choices": [["linear"]]}}},
            "search.ranges.scheduler: has a choice that is no text",
        ),
        (
            {"ranges": {"learning_rate": {"low": 0, "high": 1, "log": True}}},
            "search.ranges.learning_rate: has a low of 0",
        ),
        (
            {"ranges": {"learning_rate": {"low": 0.1, "high": 9}}},
            "search.ranges.learning_rate: 9 will not do (parameters.learning_rate: 9 is too large",
        ),
        ({"metric": 1}, "search.metric: give the name of a held-out figure"),
        ({"trials": 0}, "search.trials: give a whole number from 1 to 1000"),
        ({"trials": True}, "search.trials: give a whole number from 1 to 1000"),
        ({"direction": "up"}, "search.direction: use minimize or maximize"),
        ({"prune": "no"}, "search.prune: use true or false"),
        ({"patience": 1}, "search.patience: is unknown; use ranges, metric"),
    ],
)
def test_what_is_no_search_is_refused_by_name(search: dict[str, Any], said: str) -> None:
    with pytest.raises(SpecError) as error:
        spec(**search)

    assert str(error.value).startswith(said)


@pytest.mark.parametrize("name", ["value_model", "vllm_folder", "vllm_url", "rewards", "win_rate_by"])
def test_a_search_tries_no_folders_and_no_addresses(name: str) -> None:
    grader = {"type": "string_check", "name": "g", "input": "a", "reference": "a", "operation": "eq"}
    parameters = {
        "rewards": [{"grader": grader}],
        "vllm_url": "http://a",
        "vllm_folder": "/a",
        "eval_steps": 1,
    }
    with pytest.raises(SpecError, match=rf"^search\.ranges\.{name}: '/runs/7/final' will not do"):
        RunSpec(
            method="ppo",
            model="m",
            dataset="d",
            parameters=parameters,
            search={"ranges": {name: {"choices": ["/runs/7/final"]}}},
        )


def test_what_does_not_train_has_no_search() -> None:
    with pytest.raises(SpecError, match=r"^search: generate has none"):
        RunSpec(method="generate", model="m", dataset="d", search={"ranges": RANGE})
