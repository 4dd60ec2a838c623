"""What a server says in its headers of its rate limits, and of when to come again."""

import email.utils
import math
import re
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import NamedTuple

_PART = re.compile(r"(\d+(?:\.\d+)?)(ms|h|m|s)")
_UNITS = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 0.001}
_ANTHROPIC, _OPENAI = "anthropic-ratelimit", "x-ratelimit"


class Limit(NamedTuple):
    """One limit: of ``kind`` (requests, tokens, input-tokens, output-tokens) ``remaining`` of ``limit`` are left.

    ``resets_in``: seconds until all of them are there again, None where it was not said.
    """

    kind: str
    limit: int
    remaining: int
    resets_in: float | None


def limits_from(headers: Mapping[str, str], now: datetime | None = None) -> tuple[Limit, ...]:
    """Anthropic's and OpenAI's headers; what is absent or makes no sense is left out. Names in lower case."""
    now = now or datetime.now(UTC)
    found = []
    for kind in ("requests", "tokens", "input-tokens", "output-tokens"):
        for name in (f"{_ANTHROPIC}-{kind}-{{}}", f"{_OPENAI}-{{}}-{kind}"):
            limit, left = (
                _whole(headers.get(name.format("limit"))),
                _whole(headers.get(name.format("remaining"))),
            )
            if limit is not None and left is not None:
                found.append(Limit(kind, limit, left, _resets_in(headers.get(name.format("reset")), now)))
    return tuple(found)


def retry_after_from(headers: Mapping[str, str], now: float | None = None) -> float | None:
    """Seconds to wait, from retry-after-ms or retry-after (seconds or a date); None where neither says so."""
    milliseconds = _number(headers.get("retry-after-ms"))
    if milliseconds is not None:
        return milliseconds / 1000
    given = headers.get("retry-after")
    seconds = _number(given)
    if seconds is not None or given is None:
        return seconds
    try:
        return max(0.0, email.utils.parsedate_to_datetime(given).timestamp() - (now or time.time()))
    except (ValueError, TypeError, OverflowError, IndexError):
        return None


def _resets_in(text: str | None, now: datetime) -> float | None:
    """Seconds from "6m0s" or "120ms" as OpenAI writes them, or from a time as Anthropic does."""
    if text is None:
        return None
    parts = _PART.findall(text)
    if parts and "".join(number + unit for number, unit in parts) == text:
        return sum(float(number) * _UNITS[unit] for number, unit in parts)
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return max(0.0, (moment - now).total_seconds()) if moment.tzinfo else None


def _number(text: str | None) -> float | None:
    try:
        number = float(text or "")
    except ValueError:
        return None
    return max(0.0, number) if math.isfinite(number) else None


def _whole(text: str | None) -> int | None:
    return int(text) if text and text.isascii() and text.isdigit() and len(text) < 16 else None
