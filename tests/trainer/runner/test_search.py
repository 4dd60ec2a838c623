"""Searches: what is tried, what is given up, what is found, and what goes on after a stop."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from trainer.events import read_events
from trainer.received import check_event, check_result
from trainer.runner import search
from trainer.runner.execution import CANCELLED, FAILED, FINISHED, STOPPED_ITSELF, execute
from trainer.runner.ranks import CARDS

Event = dict[str, Any]


def a_search(folder: Path, model: Path = Path("m"), dataset: Path = Path("d"), **more: Any) -> Path:
    parameters = {"max_steps": 2, "eval_steps": 1, "batch_size": 4, "samples": 0, "scheduler": "constant"}
    searched = {"ranges": {"learning_rate": {"choices": [1e-10, 5e-3]}}, "trials": 3}
    budget = more.pop("budget", {})
    spec = {"method": "sft", "model": str(model), "dataset": str(dataset), "parameters": parameters}
    path = folder / "spec.json"
    path.write_text(json.dumps(spec | {"search": searched | more, "budget": budget}))
    return path


def events_of(folder: Path) -> list[Event]:
    return read_events(folder / "events.jsonl")[0]


def ended(folder: Path) -> list[Event]:
    return [event for event in events_of(folder) if event["kind"] == "trial" and event["state"] != "running"]


@pytest.fixture
def quick_runner(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A script in the runner's place that speaks its protocol, so that ten trials take a second.

    One of a learning rate over 1e-3 is slow, and stops like a run does: where the search asks it, or has died.
    """
    script = tmp_path / "runner.py"
    script.write_text(
        "import json, os, pathlib, sys, time\n"
        "parent = os.getppid()\n"
        "spec = pathlib.Path(sys.argv[-1]); rate = json.loads(spec.read_text())['parameters']['learning_rate']\n"
        "log = spec.parent / 'events.jsonl'\n"
        "for step in range(1, 250 if rate == 1e-6 else 12):\n"
        "    event = {'seq': step, 'kind': 'evaluation', 'step': step, 'values': {'loss': rate}}\n"
        "    log.open('a').write(json.dumps(event) + '\\n')\n"
        "    if (spec.parent / 'CANCEL').exists() or os.getppid() != parent: sys.exit(143)\n"
        "    time.sleep(0.1 if rate > 1e-3 else 0)\n"
        "(spec.parent / 'final').mkdir(exist_ok=True); (spec.parent / 'final' / 'model').write_text(str(rate))\n"
        "(spec.parent / 'result.json').write_text(json.dumps({'model': 'final', 'steps': 11}))\n"
    )

    def command(folder: Path) -> list[str]:
        return [sys.executable, str(script), str(folder / "spec.json")]

    monkeypatch.setattr(search, "_command", command)
    monkeypatch.setattr(search, "_POLL", 0.01)


def test_trials_are_trained_on_all_cards_of_the_slot(monkeypatch: pytest.MonkeyPatch) -> None:
    alone = search._command(Path("trial-0"))
    monkeypatch.setenv(CARDS, "2")

    assert alone[1:] == ["-m", "trainer.runner", "trial-0/spec.json"]
    assert search._command(Path("trial-0"))[1:] == ["-m", "trainer.runner.ranks", "2", "trial-0/spec.json"]


def test_values_that_do_not_go_together_cost_their_trial_alone(tmp_path: Path, quick_runner: None) -> None:
    """Each is valid by itself, and both are none."""
    ranges = {"lora_r": {"choices": [0, 2]}, "frozen_layers": {"choices": [0, 2]}}
    path = a_search(tmp_path, ranges=ranges, trials=8)

    assert execute(path) == FINISHED

    states = {
        (e["parameters"]["lora_r"], e["parameters"]["frozen_layers"]): e["state"] for e in ended(tmp_path)
    }
    assert states[2, 2] == "failed"
    assert {states[pair] for pair in states if pair != (2, 2)} == {"complete"}
    said = [e.get("message", "") for e in events_of(tmp_path)]
    assert any("freezes layers of a model that lora_r freezes" in message for message in said)
    metrics = [e for e in events_of(tmp_path) if e["kind"] == "metric"]
    assert [(e["step"], e["total_steps"]) for e in metrics] == [(step, 8) for step in range(1, 9)]


def test_a_trial_worse_than_most_is_cancelled(
    tmp_path: Path, quick_runner: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(search, "_WARM_UP", 1)
    ranges = {"learning_rate": {"choices": [1e-5, 1e-4, 1e-2]}}
    path = a_search(tmp_path, ranges=ranges, trials=8)

    assert execute(path) == FINISHED

    pruned = [e for e in ended(tmp_path) if e["state"] == "pruned"]
    assert pruned
    assert all(e["parameters"]["learning_rate"] > 1e-5 and e["value"] for e in pruned)
    assert json.loads((tmp_path / "result.json").read_text())["best"]["value"] == 1e-5
    assert (tmp_path / "final" / "model").read_text() == "1e-05"


def test_a_stopped_search_goes_on_with_the_trial_that_it_was_in(
    tmp_path: Path, quick_runner: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    ranges = {"learning_rate": {"low": 2e-3, "high": 5e-3}}
    path = a_search(tmp_path, ranges=ranges, trials=1)
    note = search._Searching._note

    def note_and_stop(self: Any, attempt: Any, event: Event) -> None:
        note(self, attempt, event)
        (tmp_path / "CANCEL").touch()

    monkeypatch.setattr(search._Searching, "_note", note_and_stop)
    assert execute(path) == CANCELLED
    monkeypatch.setattr(search._Searching, "_note", note)

    assert execute(path) == FINISHED

    stopped, done = ended(tmp_path)
    assert (stopped["state"], done["state"]) == ("cancelled", "complete")
    assert (stopped["number"], stopped["parameters"]) == (done["number"], done["parameters"])


def test_a_killed_search_goes_on_with_the_trial_that_it_was_in(tmp_path: Path, quick_runner: None) -> None:
    path = a_search(tmp_path, ranges={"learning_rate": {"low": 2e-3, "high": 5e-3}}, trials=1)
    code = (
        "import sys; from pathlib import Path; from trainer.runner import execution, search; "
        "search._command = lambda folder: [sys.executable, sys.argv[1], str(folder / 'spec.json')]; "
        "execution.execute(Path(sys.argv[2]))"
    )
    killed = subprocess.Popen([sys.executable, "-c", code, str(tmp_path / "runner.py"), str(path)])
    while not events_of(tmp_path / "trial-0"):
        assert killed.poll() is None
        time.sleep(0.02)
    killed.kill()
    killed.wait()

    assert execute(path) == FINISHED

    running, again, done = [event for event in events_of(tmp_path) if event["kind"] == "trial"]
    assert [event["state"] for event in (running, again, done)] == ["running", "running", "complete"]
    assert (running["number"], running["parameters"]) == (done["number"], done["parameters"])


def test_a_machine_elsewhere_may_send_what_a_search_says(tmp_path: Path, quick_runner: None) -> None:
    """However many evaluations a trial had."""
    assert execute(a_search(tmp_path, ranges={"learning_rate": {"choices": [1e-6]}}, trials=1)) == FINISHED

    for event in events_of(tmp_path):
        check_event(event)
    check_result(json.loads((tmp_path / "result.json").read_text()))
    assert list(ended(tmp_path)[0]["values"])[-1] == "249"


QUICK = {"ranges": {"learning_rate": {"choices": [1e-5]}}}
NO_TIME = {"hours": 1e-9}


def test_when_its_budget_is_spent_the_best_so_far_is_the_result(tmp_path: Path, quick_runner: None) -> None:
    """It is that of all trials and attempts together."""
    assert execute(a_search(tmp_path, **QUICK, trials=1)) == FINISHED
    (tmp_path / "result.json").unlink()

    assert execute(a_search(tmp_path, **QUICK, trials=5, budget=NO_TIME)) == FINISHED

    assert len(ended(tmp_path)) == 1
    assert json.loads((tmp_path / "result.json").read_text())["best"]["value"] == 1e-5


def test_without_any_result_a_spent_budget_stops_the_search(tmp_path: Path, quick_runner: None) -> None:
    assert execute(a_search(tmp_path, **QUICK, budget=NO_TIME)) == STOPPED_ITSELF

    assert events_of(tmp_path)[-1]["reason"] == "its budget is spent"


def test_a_metric_that_no_trial_has_ends_the_search_at_once(tmp_path: Path, quick_runner: None) -> None:
    path = a_search(tmp_path, ranges={"learning_rate": {"choices": [1e-5]}}, metric="reward")

    assert execute(path) == FAILED

    assert "say nothing of 'reward'; they say loss" in events_of(tmp_path)[-1]["message"]
    assert len(ended(tmp_path)) == 1
