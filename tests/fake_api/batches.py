"""Batches of both providers: handed in at once, worked off over the server's time, read when they have ended.

Entry i of n is done at created_at + batch_seconds · (i + 1) / n. What is not done at a cancellation is canceled,
what is not done after 24 hours has expired. Everything is worked out when somebody looks.
"""

import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from tests.fake_api.faults import BATCH, BEFORE, Fault, next_fault
from tests.fake_api.world import World, body_hash

DAY = 86_400.0


@dataclass
class Entry:
    """``state``: processing, succeeded, errored, canceled or expired."""

    custom_id: str
    params: Any
    state: str = "processing"
    body: Any = None
    fault: Fault | None = None
    request_id: str = ""


@dataclass
class Batch:
    id: str
    entries: list[Entry]
    work: Callable[..., Any]
    created_at: float
    seconds: float
    seed: int
    more: dict[str, Any] = field(default_factory=dict)
    canceled_at: float = 0.0
    ended_at: float = 0.0

    @property
    def ended(self) -> bool:
        return self.ended_at > 0

    @property
    def expires_at(self) -> float:
        return self.created_at + DAY

    def counts(self) -> Counter[str]:
        return Counter(entry.state for entry in self.entries)

    def in_any_order(self) -> list[Entry]:
        """Not the order of the requests, and the same each time."""
        return random.Random(self.seed).sample(self.entries, len(self.entries))

    def done_at(self, number: int) -> float:
        return self.created_at + self.seconds * (number + 1) / len(self.entries)


def add(world: World, prefix: str, entries: list[Entry], *, work: Callable[..., Any], **more: Any) -> Batch:
    """A new batch. It has not ended when it is answered for the first time."""
    batch = Batch(
        world.new_id(prefix),
        entries,
        work,
        created_at=world.clock.now(),
        seconds=world.settings.batch_seconds,
        seed=world.settings.seed + len(world.batches),
        more=more,
    )
    world.batches[batch.id] = batch
    return batch


def get(world: World, prefix: str, batch_id: str) -> Batch | None:
    """The batch as it is now."""
    batch = world.batches.get(batch_id)
    if batch is None or not batch_id.startswith(f"{prefix}_"):
        return None
    settle(world, batch)
    return batch


def page(world: World, prefix: str, after: str | None, limit: int) -> tuple[list[Batch], bool]:
    """The newest first, those after ``after``; and whether there are more."""
    found = [batch for batch in reversed(world.batches.values()) if batch.id.startswith(f"{prefix}_")]
    ids = [batch.id for batch in found]
    rest = found[ids.index(after) + 1 :] if after in ids else found
    for batch in rest[:limit]:
        settle(world, batch)
    return rest[:limit], len(rest) > limit


def settle(world: World, batch: Batch) -> None:
    """Do the work that is due by now."""
    if batch.ended:
        return
    now = world.clock.now()
    stop = batch.canceled_at or batch.expires_at
    for number, entry in enumerate(batch.entries):
        if entry.state != "processing":
            continue
        if batch.done_at(number) <= min(now, stop):
            _work(world, batch, entry)
        elif now >= stop:
            entry.state = "canceled" if batch.canceled_at else "expired"
    if all(entry.state != "processing" for entry in batch.entries):
        batch.ended_at = now


def cancel(world: World, batch: Batch) -> None:
    """What is done by now stays; the rest is canceled when somebody looks next."""
    if not batch.ended and not batch.canceled_at:
        batch.canceled_at = world.clock.now()


def _work(world: World, batch: Batch, entry: Entry) -> None:
    entry.request_id = world.new_id("req")
    entry.fault = next_fault(world, "batch_entry", str(entry.params))
    if entry.fault and entry.fault.name in BATCH:
        entry.state = entry.fault.name
        return
    if entry.fault and entry.fault.name in BEFORE:
        entry.state = "errored"
        return
    try:
        done = batch.work(world, entry.params, entry.fault, batch=True)
    except web.HTTPBadRequest:
        entry.state, entry.fault = "errored", Fault("bad_request")
        return
    entry.state, entry.body = "succeeded", done.body
    request_hash = body_hash(entry.params)
    world.bill.add(request_hash, done.model, done.used, batch=True)
    world.bill.deliver(request_hash)
