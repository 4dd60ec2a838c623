"""What a machine elsewhere says of a run, checked before it is stored: the events of its log, and its result. Pure.

Whoever holds a write token may send anything at all, and pages, charts and alarms take what is stored at its word.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any

from feedback.records import BadRecord, check_json, check_text
from trainer.alarms import ALARMS
from trainer.events import FIELDS

LARGEST_EVENT = 1 << 20  # bytes as JSON
LARGEST_RESULT = 1 << 20  # bytes
LARGEST_COUNT = 2**31 - 1  # what the store's columns hold
LARGEST_NUMBER = 1e300
LONGEST_TEXT = 20_000
MOST = 200  # values of an event, samples of an evaluation

Check = Callable[[Any, str], None]


def check_event(event: Mapping[str, Any]) -> None:
    """Raise BadRecord, naming the field at fault, for what is no event of ``trainer.events``."""
    kind = event.get("kind")
    if not isinstance(kind, str) or kind not in FIELDS:
        raise BadRecord(f"{str(kind)[:100]!r} is none of {', '.join(FIELDS)}", "kind")
    wanted = {"seq", "at", "kind", *FIELDS[kind]}
    wrong = min(wanted ^ set(event), default=None)
    if wrong is not None:
        problem = "is missing from" if wrong in wanted else "is no field of"
        raise BadRecord(f"it {problem} a {kind} event", wrong)
    for name in FIELDS[kind]:
        check_json(event[name], name)
        _CHECKS[name](event[name], name)
    _count(event["seq"], "seq")
    _moment(event["at"], "at")
    size = len(json.dumps(event))
    if size > LARGEST_EVENT:
        raise BadRecord(f"the event has {size} bytes; at most {LARGEST_EVENT} fit")


def check_result(result: Any) -> None:
    """Raise BadRecord, naming the field at fault, for what no runner writes as the result of training."""
    check_json(result, "result")
    _mapping(result, "result")
    _text(result.get("model"), "model")
    for name, check in (
        ("steps", _count),
        ("seconds", _number),
        ("accuracy", _statistic),
        ("evaluation", _values),
        ("best", _best),
    ):
        if result.get(name) is not None:
            check(result[name], name)


def _text(value: Any, where: str) -> None:
    check_text(value, where, LONGEST_TEXT)


def _count(value: Any, where: str) -> None:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= LARGEST_COUNT:
        raise BadRecord(f"{str(value)[:100]!r} is no whole number from 0 to {LARGEST_COUNT}", where)


def _number(value: Any, where: str) -> None:
    known = isinstance(value, int | float) and not isinstance(value, bool)
    if not known or not -LARGEST_NUMBER <= value <= LARGEST_NUMBER:
        raise BadRecord("it is no finite number; send null where there is none", where)


def _moment(value: Any, where: str) -> None:
    try:
        moment = datetime.fromisoformat(value)
        moment.astimezone(UTC)
    except (TypeError, ValueError, OverflowError):
        moment = None
    if moment is None or moment.utcoffset() is None:
        raise BadRecord("it is no ISO time with its offset, such as 2026-01-31T12:00:00+00:00", where)


def _mapping(value: Any, where: str) -> None:
    if not isinstance(value, Mapping):
        raise BadRecord("it must be a JSON object", where)


def _or_null(check: Check) -> Check:
    def checked(value: Any, where: str) -> None:
        if value is not None:
            check(value, where)

    return checked


def _each(check: Check) -> Check:
    def checked(value: Any, where: str) -> None:
        _mapping(value, where)
        if len(value) > MOST:
            raise BadRecord(f"it has {len(value)} names; at most {MOST} fit", where)
        for name, part in value.items():
            check_text(name, where, 200)
            check(part, f"{where}.{name}")

    return checked


def _rows(value: Any, where: str) -> None:
    """Of each split how many rows were given, used, and left out by reason."""
    _each(_each(_count))(value, where)
    for split, counts in value.items():
        for name in ("given", "used"):
            if name not in counts:
                raise BadRecord("it is missing", f"{where}.{split}.{name}")


def _samples(value: Any, where: str) -> None:
    if not isinstance(value, list) or len(value) > MOST:
        raise BadRecord(f"it must be a list of at most {MOST} samples", where)
    for place, sample in enumerate(value):
        _mapping(sample, f"{where}[{place}]")
        _prompt(sample.get("prompt"), f"{where}[{place}].prompt")
        _text(sample.get("text"), f"{where}[{place}].text")


def _prompt(value: Any, where: str) -> None:
    """A text, or the messages of a conversation."""
    if not isinstance(value, list):
        check_text(value, where)
        return
    for place, message in enumerate(value):
        _mapping(message, f"{where}[{place}]")
        check_text(message.get("content"), f"{where}[{place}].content")


def _alarm(value: Any, where: str) -> None:
    if not isinstance(value, str) or value not in ALARMS:
        raise BadRecord(f"{str(value)[:100]!r} is none of {', '.join(ALARMS)}", where)


def _statistic(value: Any, where: str) -> None:
    """``alignment.statistics.results.Statistic`` as JSON."""
    _mapping(value, where)
    _count(value.get("n"), f"{where}.n")
    for name in ("value", "low", "high"):
        _or_null(_number)(value.get(name), f"{where}.{name}")
    _or_null(_text)(value.get("reason"), f"{where}.reason")


def _best(value: Any, where: str) -> None:
    """The best trial of a search."""
    _mapping(value, where)
    _count(value.get("number"), f"{where}.number")
    _number(value.get("value"), f"{where}.value")
    _mapping(value.get("parameters"), f"{where}.parameters")


_values = _each(_or_null(_number))
_CHECKS: Mapping[str, Check] = MappingProxyType(
    {
        "step": _count,
        "total_steps": _count,
        "resumed_step": _count,
        "number": _count,
        "epoch": _or_null(_number),
        "value": _or_null(_number),
        "values": _values,
        "method": _text,
        "spec_sha256": _text,
        "device": _text,
        "path": _text,
        "checkpoint": _or_null(_text),
        "state": _text,
        "evidence": _text,
        "message": _text,
        "reason": _text,
        "versions": _each(_text),
        "rows": _rows,
        "columns": _mapping,
        "parameters": _mapping,
        "samples": _samples,
        "alarm": _alarm,
        "result": _mapping,
    }
)
