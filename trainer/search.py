"""The search in a run spec: over which ranges parameters are tried, by which held-out figure, how often. Pure.

    {"ranges": {"learning_rate": {"low": 1e-6, "high": 1e-4, "log": true}, "beta": {"choices": [0.05, 0.1]}},
     "metric": "loss", "direction": "minimize", "trials": 20, "prune": true}

In a form a range is a line, `learning_rate 1e-6..1e-4 log` or `beta 0.05, 0.1`. Optuna is the runner's alone.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from trainer.spec_error import SpecError, require

DIRECTIONS = ("minimize", "maximize")
DEFAULTS: Mapping[str, Any] = {"metric": "loss", "direction": "minimize", "trials": 20, "prune": True}
MOST_TRIALS = 1000
MOST_RANGES = 20
MOST_CHOICES = 50
RANGE = re.compile(r"(\S+?)\s*\.\.\s*(\S+)(\s+log)?")

Ranges = dict[str, dict[str, Any]]
Checked = Callable[[str, Any], Any]
"""A parameter's value as the spec has it; raises SpecError where the spec is not valid with it."""


def complete_search(given: Any, parameters: Mapping[str, Any], checked: Checked) -> dict[str, Any]:
    """The whole search, defaults filled in; raises SpecError naming the field.

    The spec is valid at the ends of each range. What depends on two ranges is found when it is tried.
    """
    known = ("ranges", *DEFAULTS)
    require(isinstance(given, Mapping), "search", f"must be a JSON object with {', '.join(known)}")
    for name in given:
        require(name in known, f"search.{name}", f"is unknown; use {', '.join(known)}")
    found: dict[str, Any] = {**DEFAULTS, **given}
    ranges = found.get("ranges", {})
    require(isinstance(ranges, Mapping), "search.ranges", "must be an object, a parameter to its range")
    require(bool(ranges), "search.ranges", "is empty; name a parameter to search over")
    require(len(ranges) <= MOST_RANGES, "search.ranges", f"has more than {MOST_RANGES} parameters")
    metric, trials = found["metric"], found["trials"]
    require(isinstance(metric, str) and metric != "", "search.metric", "give the name of a held-out figure")
    require(found["direction"] in DIRECTIONS, "search.direction", f"use {' or '.join(DIRECTIONS)}")
    fits = _is_whole(trials) and 0 < trials <= MOST_TRIALS
    require(fits, "search.trials", f"give a whole number from 1 to {MOST_TRIALS}")
    require(isinstance(found["prune"], bool), "search.prune", "use true or false")
    return found | {
        "ranges": {name: _range(name, each, parameters, checked) for name, each in ranges.items()}
    }


def read_ranges(text: str) -> Ranges:
    """The ranges of a form's lines; raises SpecError naming the parameter. What they mean is checked later."""
    ranges: Ranges = {}
    for line in filter(str.strip, text.splitlines()):
        name, _, said = line.strip().partition(" ")
        name = name.rstrip(":=")
        require(name not in ranges, f"search.ranges.{name}", "stands there twice; give it one line")
        ranges[name] = _read_range(f"search.ranges.{name}", said.strip(" :="))
    return ranges


def write_ranges(ranges: Mapping[str, Mapping[str, Any]]) -> str:
    """The lines that ``read_ranges`` reads."""
    return "\n".join(f"{name} {range_text(each)}" for name, each in ranges.items())


def range_text(wanted: Mapping[str, Any]) -> str:
    """A range as a form's line has it, such as ``1e-6..1e-4 log``."""
    if "choices" in wanted:
        return ", ".join(each if isinstance(each, str) else json.dumps(each) for each in wanted["choices"])
    return f"{wanted['low']}..{wanted['high']}{' log' if wanted['log'] else ''}"


def _read_range(field: str, said: str) -> dict[str, Any]:
    ends = RANGE.fullmatch(said)
    if ends:
        return {"low": _value(ends[1]), "high": _value(ends[2]), "log": bool(ends[3])}
    choices = [_value(part.strip()) for part in said.split(",") if part.strip()]
    require(
        bool(choices), field, "has no range; write 1e-6..1e-4 log, or choices with commas between them, 8, 16"
    )
    return {"choices": choices}


def _value(text: str) -> Any:
    """A number or a truth value as JSON has it, 1e-4 being one; else the text."""
    try:
        found = json.loads(text, parse_constant=str)
    except ValueError:
        return text
    return found if isinstance(found, int | float) else text


def _range(name: str, wanted: Any, parameters: Mapping[str, Any], checked: Checked) -> dict[str, Any]:
    field = f"search.ranges.{name}"
    require(name in parameters, field, f"is no parameter of the method; use some of {', '.join(parameters)}")
    require(isinstance(wanted, Mapping), field, "must be an object with low and high, or with choices")
    known = ("choices",) if "choices" in wanted else ("low", "high", "log")
    for key in wanted:
        require(key in known, field, f"has {key!r}, which is none of {', '.join(known)}")
    if "choices" in wanted:
        return {"choices": _all_valid(name, _choices(field, wanted["choices"]), checked)}
    low, high, log = _ends(
        field, wanted, whole=_is_whole(parameters[name]), number=_is_number(parameters[name])
    )
    low, high = _all_valid(name, (low, high), checked)
    return {"low": low, "high": high, "log": log}


def _all_valid(name: str, values: Iterable[Any], checked: Checked) -> list[Any]:
    found = []
    for value in values:
        try:
            found.append(checked(name, value))
        except SpecError as error:
            raise SpecError(f"search.ranges.{name}: {value!r} will not do ({error})") from error
    return found


def _choices(field: str, choices: Any) -> list[Any]:
    require(isinstance(choices, list | tuple), field, "needs a list of choices")
    require(0 < len(choices) <= MOST_CHOICES, field, f"needs 1 to {MOST_CHOICES} choices")
    # What Optuna stores; a truth value is an int.
    plain = all(isinstance(each, str | int | float) for each in choices)
    require(plain, field, "has a choice that is no text, number or truth value")
    return list(choices)


def _ends(field: str, wanted: Mapping[str, Any], *, whole: bool, number: bool) -> tuple[Any, Any, bool]:
    require(number, field, "is no number; give choices")
    low, high, log = wanted.get("low"), wanted.get("high"), wanted.get("log", False)
    fits = _is_whole if whole else _is_number
    require(fits(low) and fits(high), field, f"give low and high, both {'whole ' if whole else ''}numbers")
    require(low <= high, field, f"has a low of {low} above its high of {high}; give the lower first")  # type: ignore[operator]  # numbers by now
    require(isinstance(log, bool), field, "says true or false in log")
    require(not log or low > 0, field, f"has a low of {low}, of which there is no logarithm")  # type: ignore[operator]  # likewise
    return low, high, bool(log)


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_number(value: Any) -> bool:
    return _is_whole(value) or (isinstance(value, float) and math.isfinite(value))
