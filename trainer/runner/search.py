"""A run whose spec has a search: each trial is a run of its own, and the best trial's model is the run's.

    beside SPEC.json: trial-N/ (a run's folder each), study.log (Optuna's), best.json (the best trial's spec), final/

What a trial says at its evaluations goes to Optuna (tree-structured Parzen estimator), whose median pruner may give it
up: it is cancelled. The run's budget is that of all trials together; when it is spent, the best so far is the result.
Started again, the search goes on with the trial that it was in, from that trial's own checkpoint. Of the weights only
the best trial's are kept. No Django and no torch here.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import optuna
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import Trial, TrialState

from trainer.events import read_events
from trainer.runner.execution import BUSY, FINISHED, Run
from trainer.runner.failures import RunnerError
from trainer.runner.ranks import CARDS
from trainer.runner.stopping import Cancelled
from trainer.spec import RunSpec, SpecError

_POLL = 0.2  # seconds
_WARM_UP = 4  # trials that run to their end before any is pruned
_BUSY_SECONDS = 20.0  # how long a trial may go on whose search was killed: to the end of its step
_TOLD = 200  # a trial's newest values in its event; `trainer.received` takes no more
_NAME = "search"
_OWN = ("method", "spec_sha256", "seconds")  # of a trial's result: what the search says itself


def execute(run: Run) -> dict[str, Any]:
    """Try until the trials or the budget are used up; the result is the best trial's. Raises RunnerError, Cancelled."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    searching = _Searching(run)
    run.events.write(
        "started",
        method=run.spec.method,
        spec_sha256=run.spec.sha256(),
        versions={"optuna": optuna.__version__},
        device="",
        rows={},
        columns={},
        resumed_step=searching.tried,
    )
    try:
        while searching.tried < searching.wanted["trials"]:
            run.stop.check(searching.tried)
            searching.try_once()
    except Cancelled:
        if not (run.stop.by_itself and searching.complete):  # with its budget spent it has what it has
            raise
    return searching.result()


@dataclass
class _Attempt:
    """A trial as it stands: ``values`` are the metric's by step."""

    trial: Trial
    parameters: dict[str, Any]
    folder: Path
    values: dict[int, float] = field(default_factory=dict)
    pruned: bool = False


class _Searching:
    def __init__(self, run: Run) -> None:
        self.run = run
        self.wanted = run.spec.search or {}
        self.storage = JournalStorage(JournalFileBackend(str(run.folder / "study.log")))
        pruner = optuna.pruners.MedianPruner(n_startup_trials=_WARM_UP)
        self.study = optuna.create_study(
            study_name=_NAME,
            storage=self.storage,
            sampler=optuna.samplers.TPESampler(seed=run.spec.seed),
            pruner=pruner if self.wanted["prune"] else optuna.pruners.NopPruner(),
            direction=self.wanted["direction"],
            load_if_exists=True,
        )

    @property
    def tried(self) -> int:
        return sum(trial.state.is_finished() for trial in self.study.get_trials(deepcopy=False))

    @property
    def complete(self) -> bool:
        return bool(self.study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,)))

    def try_once(self) -> None:
        """One trial, from its spec to what it came to."""
        attempt = self._next()
        try:
            self._write_spec(attempt)
        except SpecError as error:  # of two ranges that do not go together at these values
            self._end(attempt, TrialState.FAIL, f"is not valid ({error})")
            return
        self._tell(attempt, "running")
        try:
            status = self._follow(attempt)
        except Cancelled:
            self._tell(attempt, "cancelled")
            raise
        if attempt.pruned and status != FINISHED:
            self._end(attempt, TrialState.PRUNED)
        elif status == FINISHED and attempt.values:
            self._end(attempt, TrialState.COMPLETE)
        else:
            self._end(attempt, TrialState.FAIL, _why(attempt.folder, status))
            self._check_metric(attempt, status)

    def result(self) -> dict[str, Any]:
        """The best trial's result, with its number, parameters and value; its model becomes the run's own."""
        if not self.complete:
            raise RunnerError(
                "No trial came to its end with a value; the warnings say why. Mend the cause and start a new search."
            )
        best, folder = self.study.best_trial, self.run.folder
        own = folder / f"trial-{best.number}"
        result = json.loads((own / "result.json").read_text())
        if (own / "final").is_dir():  # else a search that was killed here has moved it
            shutil.rmtree(folder / "final", ignore_errors=True)
            (own / "final").replace(folder / "final")
        (folder / "best.json").write_text(self.run.spec.trial(best.params).to_json())
        states = [_STATES[trial.state] for trial in self.study.get_trials(deepcopy=False)]
        return {name: value for name, value in result.items() if name not in _OWN} | {
            "best": {"number": best.number, "parameters": best.params, "value": best.value},
            "trials": {state: states.count(state) for state in sorted(set(states))},
        }

    def _next(self) -> _Attempt:
        """The trial that a stopped search was in, or a new one."""
        left = self.study.get_trials(deepcopy=False, states=(TrialState.RUNNING,))
        if left:
            study_id = self.storage.get_study_id_from_name(_NAME)
            trial_id = self.storage.get_trial_id_from_study_id_trial_number(study_id, left[0].number)
            trial = Trial(self.study, trial_id)
        else:
            trial = self.study.ask()
        parameters = {name: _suggest(trial, name, each) for name, each in self.wanted["ranges"].items()}
        values = dict(left[0].intermediate_values) if left else {}
        return _Attempt(trial, parameters, self.run.folder / f"trial-{trial.number}", values)

    def _write_spec(self, attempt: _Attempt) -> None:
        """Paths that lie beside the search's spec are found from the trial's folder too."""
        data = json.loads(self.run.spec.trial(attempt.parameters).to_json())
        for name in ("model", "dataset"):
            beside = self.run.folder / Path(data[name]).expanduser()
            if beside.exists():
                data[name] = str(beside.resolve())
        attempt.folder.mkdir(exist_ok=True)
        (attempt.folder / "spec.json").write_text(RunSpec.from_json(data).to_json())

    def _follow(self, attempt: _Attempt) -> int:
        """Run it to its end, however that is; its exit status. Raises Cancelled where the search has to stop."""
        until = time.monotonic() + _BUSY_SECONDS
        while True:
            status = self._run_once(attempt)
            if status != FINISHED and not attempt.pruned:
                self.run.stop.check(self.tried)  # what stops the search stops its trial too, perhaps first
            if status != BUSY or time.monotonic() > until:
                return status
            time.sleep(_POLL)

    def _run_once(self, attempt: _Attempt) -> int:
        # It holds the slot's lock too, for as long as it lives.
        process = subprocess.Popen(
            _command(attempt.folder),
            env=_environment(self.run.spec),
            stderr=subprocess.DEVNULL,
            close_fds=False,
        )
        offset, ended = 0, False
        try:
            while not ended:
                ended = process.poll() is not None
                events, offset = read_events(attempt.folder / "events.jsonl", offset)
                for event in events:
                    self._note(attempt, event)
                if not ended:
                    self.run.stop.check(self.tried)
                    time.sleep(_POLL)
        finally:
            if process.poll() is None:
                process.terminate()
                process.wait()
        return process.returncode

    def _note(self, attempt: _Attempt, event: Mapping[str, Any]) -> None:
        """Hand on what an evaluation says; a trial that is worse than most is asked to stop."""
        metric = self.wanted["metric"]
        if event["kind"] != "evaluation" or event["values"].get(metric) is None:
            return
        step, value = event["step"], float(event["values"][metric])
        if step not in attempt.values:
            attempt.trial.report(value, step)
        attempt.values[step] = value
        if attempt.trial.should_prune() and not attempt.pruned:
            attempt.pruned = True
            (attempt.folder / "CANCEL").touch()

    def _end(self, attempt: _Attempt, state: TrialState, why: str = "") -> None:
        complete = state == TrialState.COMPLETE
        self.study.tell(attempt.trial, _last(attempt.values) if complete else None, state=state)
        if why:
            self.run.events.write("warning", message=f"Trial {attempt.trial.number} {why}.")
        self._tell(attempt, _STATES[state])
        values = {"trial_value": _last(attempt.values)} if complete else {}
        values |= {"best_value": self.study.best_value} if self.complete else {}
        self.run.report_metric(self.tried, self.wanted["trials"], None, dict(values))
        self._keep_the_best()

    def _tell(self, attempt: _Attempt, state: str) -> None:
        self.run.events.write(
            "trial",
            number=attempt.trial.number,
            parameters=attempt.parameters,
            state=state,
            value=_last(attempt.values) if state in ("complete", "pruned") else None,
            values=dict(list(attempt.values.items())[-_TOLD:]),
        )

    def _keep_the_best(self) -> None:
        """Twenty models would fill a disk: the weights of the others are deleted, and all checkpoints."""
        best = f"trial-{self.study.best_trial.number}" if self.complete else ""
        for folder in self.run.folder.glob("trial-*"):
            for weights in (
                *folder.glob("checkpoint-*"),
                *([folder / "final"] if folder.name != best else []),
            ):
                shutil.rmtree(weights, ignore_errors=True)

    def _check_metric(self, attempt: _Attempt, status: int) -> None:
        """Raise RunnerError where a trial has finished without the metric: so would all others."""
        if status != FINISHED:
            return
        events = read_events(attempt.folder / "events.jsonl")[0]
        known = sorted(
            {name for event in events if event["kind"] == "evaluation" for name in event["values"]}
        )
        raise RunnerError(
            f"search.metric: held-out rows say nothing of {self.wanted['metric']!r}; "
            f"they say {', '.join(known) or 'nothing: set eval_steps'}. Start a search with one of these."
        )


_STATES: Mapping[TrialState, str] = {
    TrialState.COMPLETE: "complete",
    TrialState.PRUNED: "pruned",
    TrialState.FAIL: "failed",
    TrialState.RUNNING: "cancelled",
    TrialState.WAITING: "queued",
}


def _suggest(trial: Trial, name: str, wanted: Mapping[str, Any]) -> Any:
    if "choices" in wanted:
        return trial.suggest_categorical(name, wanted["choices"])
    low, high, log = wanted["low"], wanted["high"], wanted["log"]
    if isinstance(low, int):
        return trial.suggest_int(name, low, high, log=log)
    return trial.suggest_float(name, low, high, log=log)


def _command(folder: Path) -> list[str]:
    cards, spec = os.environ.get(CARDS, "1"), str(folder / "spec.json")
    ranks = ["trainer.runner.ranks", cards] if cards != "1" else ["trainer.runner"]
    return [sys.executable, "-m", *ranks, spec]


def _environment(spec: RunSpec) -> dict[str, str]:
    return os.environ | {"OMP_NUM_THREADS": str(spec.threads)}


def _last(values: Mapping[int, float]) -> float | None:
    return values[max(values)] if values else None


def _why(folder: Path, status: int) -> str:
    """How a trial failed, by its own log."""
    events = read_events(folder / "events.jsonl")[0]
    said = [
        event.get("message") or event.get("reason")
        for event in events
        if event["kind"] in ("failed", "cancelled")
    ]
    if status == FINISHED:
        return "gave no value"
    return f"failed: {str(said[-1]).rstrip('.')}" if said else f"failed with status {status}"
