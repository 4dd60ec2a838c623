"""What a run may take, and what it has taken: hours of the machine, and money at the machine's price. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

HOUR = 3600.0


def cost_of(seconds: float, hour_price: float) -> float:
    """Money, in the currency of the price: hour_price · seconds / 3600."""
    return hour_price * seconds / HOUR


def cap_seconds(budget: Mapping[str, Any]) -> float | None:
    """The seconds that a budget allows: the smaller of its hours and of what its cost buys; None without a cap."""
    caps = [budget["hours"] * HOUR] if budget.get("hours") else []
    if budget.get("cost") and budget.get("hour_price"):
        caps.append(budget["cost"] / budget["hour_price"] * HOUR)
    return min(caps, default=None)


def seconds_used(events: Iterable[Mapping[str, Any]]) -> float:
    """How long runners have worked, by their log: from each `started` to the last event before the next one."""
    used, before = 0.0, None
    for event in events:
        moment = datetime.fromisoformat(event["at"])
        if before is not None and event["kind"] != "started":
            used += max(0.0, (moment - before).total_seconds())
        before = moment
    return used
