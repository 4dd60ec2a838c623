"""What each statistic of the agreement stage returns: a value, its interval, its n and its exclusions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Statistic:
    """A value with its interval, how many observations made it, and how many were left out.

    ``value`` is None where the statistic is undefined, ``low`` and ``high`` where the interval is; ``reason``
    then says why. ``n`` and ``excluded`` count what the function that made it says it counts.
    """

    value: float | None
    low: float | None
    high: float | None
    n: int
    reason: str | None = None
    excluded: int = 0

    @classmethod
    def undefined(cls, reason: str, n: int, excluded: int = 0) -> Statistic:
        """A statistic without a value, because of ``reason``."""
        return cls(None, None, None, n, reason, excluded)

    def as_json(self) -> dict[str, Any]:
        """``{value, low, high, n}``, with ``reason`` and ``excluded`` where there are any."""
        shown: dict[str, Any] = {"value": self.value}
        if self.value is not None:
            shown |= {"low": self.low, "high": self.high}
        shown["n"] = self.n
        if self.reason is not None:
            shown["reason"] = self.reason
        if self.excluded:
            shown["excluded"] = self.excluded
        return shown
