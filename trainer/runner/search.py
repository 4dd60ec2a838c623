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

from trainer.budget import seconds_used
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
        _require(isinstance(self.ranges, Mapping), "ranges", "must be an object, a parameter to its range")
        _require(bool(self.ranges), "ranges", "is empty; name a parameter to search over")
        _require(isinstance(self.metric, str) and self.metric != "", "metric", "give the name of a figure")
        _require(self.direction in ("minimize", "maximize"), "direction", "use minimize or maximize")
        _require(_is_whole(self.trials) and self.trials > 0, "trials", "give a whole number above 0")
        _require(_is_number(self.seconds) and self.seconds > 0, "seconds", "give a number above 0")
        _require(
            _is_whole(self.seed) and 0 <= self.seed < 2**32, "seed", "give a whole number from 0 to 2^32 - 1"
        )
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
    ends = time.monotonic() + search.seconds - _used(folder)
    while _tried(study) < search.trials and time.monotonic() < ends:
        stop.check(_tried(study))
        _try(search, study, folder, events, stop, ends)
    return _best(search, study, folder)


def _used(folder: Path) -> float:
    """The seconds of the budget that earlier attempts have used: those of their trials, by the trials' own logs."""
    logs = (read_events(path)[0] for path in folder.glob("trial-*/events.jsonl"))
    return sum(seconds_used(events) for events in logs)


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
    told: dict[str, Any] = {"number": trial.number, "parameters": parameters}
    try:
        _write_spec(run, search.spec, parameters, folder)
    except SpecError as error:  # of two ranges that do not go together at these values
        events.write("warning", message=f"Trial {trial.number} is not valid ({error}); it is left out.")
        _give_up(study, trial, TrialState.FAIL)
        events.write("trial", **told, state="fail", value=None, values={})
        return
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
        _give_up(study, trial, state)
    events.write("trial", **told, state=state.name.lower(), value=value, values=values)


def _give_up(study: optuna.Study, trial: Trial, state: TrialState) -> None:
    """It has no value, and is not tried again."""
    trial.set_user_attr("said", state.name)
    study.tell(trial, state=state)


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
    low, high, log = wanted["low"], wanted["high"], wanted.get("log", False)
    if _is_whole(spec.parameters[name]):
        return trial.suggest_int(name, low, high, log=log)
    return trial.suggest_float(name, float(low), float(high), log=log)


def _check_range(spec: RunSpec, name: str, wanted: Any) -> None:
    """The range is one, and the spec is valid at its ends. What depends on two ranges is found when it is tried."""
    field = f"ranges.{name}"
    _require(name in spec.parameters, field, f"is no parameter of {spec.method}")
    _require(isinstance(wanted, Mapping), field, "must be an object with low and high, or with choices")
    known = ("choices",) if "choices" in wanted else ("low", "high", "log")
    for key in wanted:
        _require(key in known, field, f"has {key!r}, which is none of {', '.join(known)}")
    ends = _choices(field, wanted["choices"]) if "choices" in wanted else _ends(spec, name, wanted)
    for end in ends:
        try:
            _spec_with(spec, {name: end})
        except SpecError as error:
            raise SpecError(f"{field}: {end!r} will not do ({error})") from error


def _choices(field: str, choices: Any) -> list[Any]:
    _require(isinstance(choices, list), field, "needs a list of choices")
    _require(bool(choices), field, "has no choices; give some")
    # What Optuna stores; a truth value is an int.
    plain = all(isinstance(each, str | int | float) for each in choices)
    _require(plain, field, "has a choice that is no text, number or truth value")
    return list(choices)


def _ends(spec: RunSpec, name: str, wanted: Mapping[str, Any]) -> list[float]:
    field, whole = f"ranges.{name}", _is_whole(spec.parameters[name])
    _require(whole or _is_number(spec.parameters[name]), field, "is no number; give choices")
    low: Any = wanted.get("low")
    high: Any = wanted.get("high")
    fits = _is_whole if whole else _is_number
    kind = "whole numbers" if whole else "numbers"
    _require(fits(low) and fits(high), field, f"give low and high, both {kind}")
    _require(low <= high, field, f"has a low of {low} above its high of {high}; give the lower first")
    log = wanted.get("log", False)
    _require(isinstance(log, bool), field, "says true or false in log")
    _require(not log or low > 0, field, f"has a low of {low}, of which there is no logarithm")
    return [low, high]


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_number(value: Any) -> bool:
    return _is_whole(value) or (isinstance(value, float) and math.isfinite(value))


def _require(condition: bool, name: str, fix: str) -> None:
    if not condition:
        raise SpecError(f"{name}: {fix}")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
