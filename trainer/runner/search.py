"""Hyperparameter search: a spec with ranges in, trials and the best spec out: `python -m trainer.runner.search FILE`.

    FILE: {"spec": {…}, "ranges": {"learning_rate": {"low": 1e-6, "high": 1e-4, "log": true},
           "beta": {"choices": [0.05, 0.1]}}, "metric": "loss", "direction": "minimize", "trials": 20, "seconds": 3600}

Each trial is a run of its own in trial-N/, by the runner's own command. What it says at its evaluations goes to Optuna
(tree-structured Parzen estimator), which may prune it: it is cancelled and leaves a checkpoint. The trials stand in
events.jsonl beside the file, the study in study.log, the best spec in best.json. `trials` and `seconds` are the
budget; whichever comes first ends it. Exit status and resuming are the runner's: started again, it goes on with the
trials that are left. No Django and no torch here.
"""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import optuna
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import Trial, TrialState

from trainer.events import EventWriter, read_events
from trainer.runner.execution import CANCELLED, FAILED, FINISHED
from trainer.runner.stopping import Cancelled, StopWatch
from trainer.spec import RunSpec, SpecError

_POLL = 0.2  # seconds
_WARM_UP = 4  # trials that run to their end before any is pruned


@dataclass(frozen=True)
class Search:
    """What a search needs, checked when it is made; raises SpecError naming the field."""

    spec: RunSpec
    ranges: Mapping[str, Mapping[str, Any]]
    metric: str = "loss"
    direction: str = "minimize"
    trials: int = 20
    seconds: float = 3600.0
    seed: int = 0

    def __post_init__(self) -> None:
        _require(bool(self.ranges), "ranges", "is empty; name a parameter to search over")
        _require(self.direction in ("minimize", "maximize"), "direction", "use minimize or maximize")
        _require(isinstance(self.trials, int) and self.trials > 0, "trials", "give a whole number above 0")
        _require(isinstance(self.seconds, int | float) and self.seconds > 0, "seconds", "give more than 0")
        for name, wanted in self.ranges.items():
            _check_range(self.spec, name, wanted)

    @classmethod
    def from_json(cls, text: str) -> Search:
        try:
            data = json.loads(text)
        except json.JSONDecodeError as error:
            raise SpecError(f"search: is not JSON ({error})") from error
        known = [each.name for each in fields(cls)]
        _require(
            isinstance(data, dict) and "spec" in data and "ranges" in data, "search", "needs spec and ranges"
        )
        for name in data:
            _require(name in known, name, f"is no field of a search; the fields are {', '.join(known)}")
        return cls(**data | {"spec": RunSpec.from_json(data["spec"])})

    def suggested(self, trial: Trial) -> dict[str, Any]:
        """A value for each range."""
        return {name: _suggest(trial, self.spec, name, wanted) for name, wanted in self.ranges.items()}


def main(arguments: list[str]) -> int:
    if len(arguments) != 1 or not Path(arguments[0]).is_file():
        sys.stderr.write("Usage: python -m trainer.runner.search SEARCH.json\n")
        return FAILED
    path = Path(arguments[0]).resolve()
    stop = StopWatch(path.parent)
    with EventWriter(path.parent / "events.jsonl") as events, stop.watching():
        try:
            result = _search(Search.from_json(path.read_text()), path.parent, events, stop)
        except Cancelled as cancelled:
            stop.clear()
            events.write("cancelled", step=cancelled.step, checkpoint=None, reason=cancelled.reason)
            return CANCELLED
        except (SpecError, OSError) as error:
            sys.stderr.write(f"{error}\n")
            events.write("failed", message=f"The search can not be run: {error}.")
            return FAILED
        events.write("finished", result=result)
    return FINISHED


def _search(search: Search, folder: Path, events: EventWriter, stop: StopWatch) -> dict[str, Any]:
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(
        study_name="search",
        storage=JournalStorage(JournalFileBackend(str(folder / "study.log"))),
        sampler=optuna.samplers.TPESampler(seed=search.seed),
        pruner=optuna.pruners.MedianPruner(n_startup_trials=_WARM_UP),
        direction=search.direction,
        load_if_exists=True,
    )
    for left in study.get_trials(states=(TrialState.RUNNING,)):  # of a search that was killed
        study.tell(left.number, state=TrialState.FAIL)
    ends = time.monotonic() + search.seconds
    while _tried(study) < search.trials and time.monotonic() < ends:
        stop.check(_tried(study))
        _try(search, study, folder, events, stop, ends)
    return _best(search, study, folder)


def _tried(study: optuna.Study) -> int:
    return sum(trial.state != TrialState.FAIL or "said" in trial.user_attrs for trial in study.get_trials())


def _try(
    search: Search, study: optuna.Study, folder: Path, events: EventWriter, stop: StopWatch, ends: float
) -> None:
    """One trial, from its spec to what it came to."""
    trial = study.ask()
    parameters = search.suggested(trial)
    run = folder / f"trial-{trial.number}"
    run.mkdir(exist_ok=True)
    _write_spec(run, search.spec, parameters, folder)
    told: dict[str, Any] = {"number": trial.number, "parameters": parameters}
    events.write("trial", **told, state="running", value=None, values={})
    values: dict[int, float] = {}
    try:
        state = _follow(search, trial, run, values, stop, ends)
    except Cancelled:
        study.tell(trial, state=TrialState.FAIL)  # it is tried again
        events.write("trial", **told, state="cancelled", value=None, values=values)
        raise
    value = list(values.values())[-1] if values else None
    if state == TrialState.COMPLETE and value is not None:
        study.tell(trial, value)
    else:
        state = TrialState.FAIL if state == TrialState.COMPLETE else state
        trial.set_user_attr("said", state.name)
        study.tell(trial, state=state)
    events.write("trial", **told, state=state.name.lower(), value=value, values=values)


def _follow(
    search: Search, trial: Trial, run: Path, values: dict[int, float], stop: StopWatch, ends: float
) -> TrialState:
    """Run it, and tell Optuna what each evaluation says, until it ends or is not worth going on with."""
    command = [sys.executable, "-m", "trainer.runner", str(run / "spec.json")]
    environment = os.environ | {"OMP_NUM_THREADS": str(search.spec.threads)}
    process = subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL)
    offset, pruned = 0, False
    try:
        while True:
            ended = process.poll() is not None
            found, offset = read_events(run / "events.jsonl", offset)
            for event in found:
                pruned = _note(search, trial, event, values) or pruned
            if ended:
                break
            if pruned or time.monotonic() > ends:
                pruned = True
                (run / "CANCEL").touch()
            stop.check()
            time.sleep(_POLL)
    finally:
        if process.poll() is None:
            process.terminate()
            process.wait()
    if process.returncode == FINISHED:
        return TrialState.COMPLETE
    return TrialState.PRUNED if pruned else TrialState.FAIL


def _note(search: Search, trial: Trial, event: Mapping[str, Any], values: dict[int, float]) -> bool:
    """Whether the trial is to be pruned after this event."""
    if event["kind"] != "evaluation" or event["values"].get(search.metric) is None:
        return False
    step, value = event["step"], float(event["values"][search.metric])
    if step not in values:
        trial.report(value, step)
    values[step] = value
    return bool(trial.should_prune())


def _best(search: Search, study: optuna.Study, folder: Path) -> dict[str, Any]:
    done = study.get_trials(states=(TrialState.COMPLETE,))
    if not done:
        raise SpecError(
            f"metric: no trial came to an end with a value of {search.metric} on held-out rows; see "
            f"{folder / 'trial-0' / 'runner.log'}, or give more seconds"
        )
    best = study.best_trial
    parameters = json.loads((folder / f"trial-{best.number}" / "parameters.json").read_text())
    spec = _spec_with(search.spec, parameters)
    (folder / "best.json").write_text(spec.to_json())
    counts = {state.name.lower(): len(study.get_trials(states=(state,))) for state in TrialState}
    result = {
        "best": {"number": best.number, "parameters": parameters, "value": best.value},
        "trials": {name: count for name, count in counts.items() if count},
    }
    (folder / "result.json").write_text(json.dumps(result, indent=2))
    return result


def _write_spec(run: Path, spec: RunSpec, parameters: Mapping[str, Any], folder: Path) -> None:
    """The trial's spec; paths that lay beside the search's file are found from the trial's folder too."""
    data = json.loads(_spec_with(spec, parameters).to_json())
    for name in ("model", "dataset"):
        beside = folder / Path(data[name]).expanduser()
        if beside.exists():
            data[name] = str(beside.resolve())
    (run / "spec.json").write_text(RunSpec.from_json(data).to_json())
    (run / "parameters.json").write_text(json.dumps(parameters))


def _spec_with(spec: RunSpec, parameters: Mapping[str, Any]) -> RunSpec:
    data = json.loads(spec.to_json())
    return RunSpec.from_json(data | {"parameters": data["parameters"] | dict(parameters)})


def _suggest(trial: Trial, spec: RunSpec, name: str, wanted: Mapping[str, Any]) -> Any:
    if "choices" in wanted:
        return trial.suggest_categorical(name, list(wanted["choices"]))
    low, high, log = wanted["low"], wanted["high"], bool(wanted.get("log", False))
    if isinstance(spec.parameters[name], int):
        return trial.suggest_int(name, int(low), int(high), log=log)
    return trial.suggest_float(name, float(low), float(high), log=log)


def _check_range(spec: RunSpec, name: str, wanted: Any) -> None:
    """The range is one, and the spec is valid at its ends. What depends on two ranges is found when it is tried."""
    field = f"ranges.{name}"
    _require(name in spec.parameters, field, f"is no parameter of {spec.method}")
    _require(isinstance(wanted, Mapping), field, "must be an object with low and high, or with choices")
    if "choices" in wanted:
        _require(bool(wanted["choices"]), field, "has no choices; give some")
        ends = list(wanted["choices"])
    else:
        numbers = [wanted.get(end) for end in ("low", "high")]
        valid = all(isinstance(each, int | float) and math.isfinite(each) for each in numbers)
        _require(valid and numbers[0] <= numbers[1], field, "give low and high, the lower first")
        _require(
            not wanted.get("log") or numbers[0] > 0, field, "has a low of 0, of which there is no logarithm"
        )
        ends = numbers
    for end in ends:
        _spec_with(spec, {name: end})


def _require(condition: bool, name: str, fix: str) -> None:
    if not condition:
        raise SpecError(f"{name}: {fix}")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
