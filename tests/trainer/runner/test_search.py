"""Searches: what is tried, what is given up, what is found."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from trainer.events import read_events
from trainer.runner import search
from trainer.runner.search import Search, main
from trainer.spec import SpecError

SPEC = {"method": "sft", "model": "m", "dataset": "d"}


def a_search(folder: Path, model: Path, dataset: Path, **more: Any) -> Path:
    parameters = {"max_steps": 4, "eval_steps": 2, "batch_size": 4, "samples": 0, "scheduler": "constant"}
    spec = {"method": "sft", "model": str(model), "dataset": str(dataset), "parameters": parameters}
    ranges = {"learning_rate": {"choices": [1e-10, 5e-3]}}
    path = folder / "search.json"
    path.write_text(json.dumps({"spec": spec, "ranges": ranges, "trials": 3, "seconds": 300} | more))
    return path


@pytest.mark.training
def test_trials_are_told_and_the_best_spec_is_left(
    tiny_model: Path, conversations: Path, tmp_path: Path
) -> None:
    path = a_search(tmp_path, tiny_model, conversations, trials=1)

    assert main([str(path)]) == 0

    events = read_events(tmp_path / "events.jsonl")[0]
    ended = [event for event in events if event["kind"] == "trial" and event["state"] != "running"]
    assert [event["state"] for event in ended] == ["complete"]
    assert all(list(event["values"]) == ["2", "4"] for event in ended)
    result = json.loads((tmp_path / "result.json").read_text())
    best = min(ended, key=lambda event: event["value"])
    assert result["best"] == {
        "number": best["number"],
        "parameters": best["parameters"],
        "value": best["value"],
    }
    assert (
        json.loads((tmp_path / "best.json").read_text())["parameters"]["learning_rate"]
        == (best["parameters"]["learning_rate"])
    )
    assert main([str(path)]) == 0  # nothing is left to try
    assert len(list(tmp_path.glob("trial-*"))) == 1


@pytest.fixture
def quick_runner(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A script in the runner's place that speaks its protocol, so that ten trials take a second."""
    script = tmp_path / "runner.py"
    script.write_text(
        "import json, pathlib, sys, time\n"
        "spec = pathlib.Path(sys.argv[-1]); rate = json.loads(spec.read_text())['parameters']['learning_rate']\n"
        "log = spec.parent / 'events.jsonl'\n"
        "for step in range(1, 40):\n"
        "    event = {'seq': step, 'kind': 'evaluation', 'step': step, 'values': {'loss': rate}}\n"
        "    log.open('a').write(json.dumps(event) + '\\n')\n"
        "    if (spec.parent / 'CANCEL').exists(): sys.exit(143)\n"
        "    time.sleep(0.1 if rate > 1e-3 else 0)\n"
    )

    class Popen(search.subprocess.Popen):  # type: ignore[name-defined,misc]
        def __init__(self, command: list[str], **options: Any) -> None:
            super().__init__([command[0], str(script), command[-1]], **options)

    monkeypatch.setattr(search.subprocess, "Popen", Popen)
    monkeypatch.setattr(search, "_POLL", 0.01)


def test_values_that_do_not_go_together_cost_their_trial_alone(tmp_path: Path, quick_runner: None) -> None:
    """Each is valid by itself, and both are none."""
    ranges = {"lora_r": {"choices": [0, 2]}, "frozen_layers": {"choices": [0, 2]}}
    path = a_search(tmp_path, Path("m"), Path("d"), ranges=ranges, trials=8)

    assert main([str(path)]) == 0

    events = read_events(tmp_path / "events.jsonl")[0]
    states = {
        (e["parameters"]["lora_r"], e["parameters"]["frozen_layers"]): e["state"]
        for e in events
        if e["kind"] == "trial"
    }
    assert states[2, 2] == "fail"
    assert {states[pair] for pair in states if pair != (2, 2)} == {"complete"}
    assert any("freezes layers of a model that lora_r freezes" in e.get("message", "") for e in events)


def test_a_search_that_is_started_again_has_what_is_left_of_its_seconds(
    tmp_path: Path, quick_runner: None
) -> None:
    path = a_search(tmp_path, Path("m"), Path("d"), trials=1, seconds=3600)
    assert main([str(path)]) == 0
    log = tmp_path / "trial-0" / "events.jsonl"
    moments = ("2026-01-01T00:00:00+00:00", "2026-01-01T01:00:00+00:00")
    kinds = ("started", "evaluation")
    log.write_text(
        "".join(json.dumps({"at": a, "kind": k}) + "\n" for a, k in zip(moments, kinds, strict=True))
    )
    a_search(tmp_path, Path("m"), Path("d"), trials=2, seconds=3600)

    assert main([str(path)]) == 0

    assert not (tmp_path / "trial-1").exists()


def test_a_trial_worse_than_most_is_cancelled(
    tmp_path: Path, quick_runner: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(search, "_WARM_UP", 1)
    ranges = {"learning_rate": {"choices": [1e-5, 1e-4, 1e-2]}}
    path = a_search(tmp_path, Path("m"), Path("d"), ranges=ranges, trials=8)

    assert main([str(path)]) == 0

    ended = [e for e in read_events(tmp_path / "events.jsonl")[0] if e["kind"] == "trial"]
    pruned = [e for e in ended if e["state"] == "pruned"]
    assert pruned
    assert all(e["parameters"]["learning_rate"] > 1e-5 for e in pruned)
    assert json.loads((tmp_path / "result.json").read_text())["best"]["value"] == 1e-5


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"ranges": {}}, "ranges: is empty"),
        ({"ranges": {"beta": {"low": 0, "high": 1}}}, "ranges.beta: is no parameter of sft"),
        ({"ranges": ["epochs"]}, "ranges: must be an object"),
        ({"ranges": {"epochs": [1, 2]}}, "ranges.epochs: must be an object"),
        ({"ranges": {"epochs": {"low": 2, "high": 1}}}, "ranges.epochs: has a low of 2 above its high of 1"),
        ({"ranges": {"epochs": {"low": True, "high": 2}}}, "ranges.epochs: give low and high, both numbers"),
        (
            {"ranges": {"batch_size": {"low": 1.5, "high": 4}}},
            "ranges.batch_size: give low and high, both whole",
        ),
        (
            {"ranges": {"epochs": {"low": 1, "high": 2, "step": 1}}},
            "ranges.epochs: has 'step', which is none of",
        ),
        (
            {"ranges": {"epochs": {"low": 1, "high": 2, "log": "no"}}},
            "ranges.epochs: says true or false in log",
        ),
        ({"ranges": {"scheduler": {"low": 1, "high": 2}}}, "ranges.scheduler: is no number; give choices"),
        ({"ranges": {"scheduler": {"choices": "linear"}}}, "ranges.scheduler: needs a list of choices"),
        (
            {"ranges": {"scheduler": {"choices": [["linear"]]}}},
            "ranges.scheduler: has a choice that is no text",
        ),
        (
            {"ranges": {"learning_rate": {"low": 0, "high": 1, "log": True}}},
            "ranges.learning_rate: has a low of 0",
        ),
        (
            {"ranges": {"learning_rate": {"low": 0.1, "high": 9}}},
            "ranges.learning_rate: 9 will not do (parameters.learning_rate: 9 is too large",
        ),
        ({"seconds": True}, "seconds: give a number above 0"),
        ({"seed": -1}, "seed: give a whole number"),
        ({"metric": 1}, "metric: give the name of a figure"),
        ({"trials": 0}, "trials: give a whole number above 0"),
        ({"direction": "up"}, "direction: use minimize or maximize"),
        ({"patience": 1}, "patience: is no field of a search"),
    ],
)
def test_what_is_no_search_is_refused_by_name(more: dict[str, Any], said: str) -> None:
    data = {"spec": SPEC, "ranges": {"epochs": {"low": 1, "high": 2}}} | more

    with pytest.raises(SpecError) as error:
        Search.from_json(json.dumps(data))

    assert str(error.value).startswith(said)
