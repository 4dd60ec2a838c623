"""A search's trials as its events tell them, the same for the page, the chart and the file."""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from feedback.models import UNFINISHED
from trainer.models import Run

STATES = ("complete", "pruned", "failed", "running", "cancelled")


class Trial(NamedTuple):
    """``value`` is the metric where it ended or was pruned; ``seconds`` it has worked, over all attempts."""

    number: int
    state: str
    value: float | None
    parameters: Mapping[str, Any]
    seconds: float


def trials_of(run: Run) -> list[Trial]:
    """The trials of a search, the best first: those that came to their end, then those that were pruned."""
    found: dict[int, Trial] = {}
    began: dict[int, Any] = {}
    for data, at in run.events.filter(kind="trial").order_by("seq").values_list("data", "at"):
        number, state = data["number"], data["state"]
        before = found[number].seconds if number in found else 0.0
        if state == "running":
            began[number] = at
        seconds = before + (at - began[number]).total_seconds() if number in began else before
        found[number] = Trial(number, state, data["value"], data["parameters"], seconds)
    if run.job.state not in UNFINISHED:  # a search that was killed could not say so
        found = {
            number: each._replace(state="cancelled") if each.state == "running" else each
            for number, each in found.items()
        }
    return sorted(found.values(), key=lambda trial: _rank(run, trial))


def sorted_by(trials: list[Trial], order: str) -> list[Trial]:
    """By a column: a field of Trial or a parameter's name; numbers before texts, what is missing last."""
    return sorted(trials, key=lambda trial: _place(getattr(trial, order, trial.parameters.get(order))))


def trained_with(run: Run) -> dict[str, Any]:
    """The parameters that the run's model was trained with: of a search the best trial's."""
    best = (run.result or {}).get("best") or {}
    return {**run.spec.get("parameters", {}), **best.get("parameters", {})}


def trial_rows(run: Run) -> Iterator[list[object]]:
    """The trials as a table for a file."""
    names = list(run.spec["search"]["ranges"])
    yield ["trial", "state", run.spec["search"]["metric"], *names, "seconds"]
    for trial in trials_of(run):
        value = "" if trial.value is None else trial.value
        cells = [trial.parameters.get(name, "") for name in names]
        yield [trial.number, trial.state, value, *cells, round(trial.seconds, 1)]


def _rank(run: Run, trial: Trial) -> tuple[int, float, int]:
    sign = 1 if run.spec["search"]["direction"] == "minimize" else -1
    state = STATES.index(trial.state) if trial.state in STATES else len(STATES)
    return state, 0.0 if trial.value is None else sign * trial.value, trial.number


def _place(value: Any) -> tuple[int, float, str]:
    if isinstance(value, int | float):
        return 0, float(value), ""
    return (2, 0.0, "") if value is None else (1, 0.0, str(value))
