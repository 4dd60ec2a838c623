"""Asking a provider live: paced, within budgets, each request stored before it is sent and after it is answered.

Retries are ours and counted. Whatever comes back is stored before it is handed on.
"""

import asyncio
import random
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from asgiref.sync import sync_to_async
from django.db import OperationalError

from feedback.actions.jobs import JobCancelled, Lease
from judges.actions.ledger import Call, Ledger, Sent, StoredReply
from judges.actions.pricing import NOTHING, prompt_bytes
from judges.actions.writing import Writer
from judges.core.pacing import Pacer
from judges.core.providers import Failure, Provider, Reply
from judges.core.request import Request

HEARTBEAT_SECONDS = 1.0
MOST_IN_FLIGHT = 500
# Sends of one request before it counts as failed. A limit is waited for; what may be billed is not sent often.
MOST_SENDS = {"rate limited": 20, "overloaded": 20, "no reply": 3}
OTHERWISE_SENDS = 5
FIRST_BACKOFF, LONGEST_BACKOFF = 0.5, 30.0  # seconds
# The shortest time that a provider keeps the beginning of a prompt is 5 minutes.
WARM_SECONDS = 240.0


class Stopped(Exception):
    """The asking was stopped before this request had a reply."""


class BudgetReached(Exception):
    """No budget has room for another call."""


class ProviderStopped(Exception):
    """Every other request would fail in the same way; the message says how."""


class Stop:
    """Whether, and why, nothing more may be sent. The first reason counts."""

    def __init__(self) -> None:
        self.reason: BaseException | None = None
        self._event = asyncio.Event()

    def now(self, reason: BaseException) -> None:
        self.reason = self.reason or reason
        self._event.set()

    def check(self) -> None:
        if self.reason is not None:
            raise Stopped

    async def guard(self, work: Awaitable[object]) -> None:
        """Wait for the work; whatever it raises is the reason to stop all the rest."""
        try:
            await work
        except Stopped:
            pass
        except Exception as error:
            self.now(error)

    async def sleep(self, seconds: float) -> None:
        """Raises Stopped as soon as there is a stop."""
        try:
            async with asyncio.timeout(seconds):
                await self._event.wait()
        except TimeoutError:
            return
        raise Stopped

    async def until(self, event: asyncio.Event) -> None:
        """Wait for the event. Raises Stopped as soon as there is a stop."""
        waits = [asyncio.ensure_future(event.wait()), asyncio.ensure_future(self._event.wait())]
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()
        self.check()


@dataclass(frozen=True)
class Send:
    """To be stored as sent."""

    call: Call


@dataclass(frozen=True)
class Answer:
    call: Call
    reply: Reply
    sent: Sent


@dataclass(frozen=True)
class NoAnswer:
    call: Call
    failure: Failure
    sent: Sent
    final: bool


def store_pieces(ledger: Ledger, pieces: list[Any]) -> list[Any]:
    """What an Asker writes, group by group; one result each, in order."""
    found: dict[int, Any] = {}
    sends = [piece for piece in pieces if isinstance(piece, Send)]
    answers = [piece for piece in pieces if isinstance(piece, Answer)]
    replies = (
        ledger.answered([(ledger.row(piece.call), piece.reply, piece.sent.worst) for piece in answers])
        if answers
        else []
    )
    found |= {id(piece): reply for piece, reply in zip(answers, replies, strict=True)}
    for piece in pieces:
        if isinstance(piece, NoAnswer):
            ledger.unanswered(piece.call.sha256, piece.failure, piece.sent.worst, final=piece.final)
    if sends:
        going = ledger.sent([piece.call for piece in sends])
        found |= {id(piece): sent for piece, sent in zip(sends, going, strict=True)}
    return [found.get(id(piece)) for piece in pieces]


@dataclass
class Asker:
    """One open provider. ``clock`` is the pacer's."""

    provider: Provider
    writer: Writer
    pacer: Pacer
    stop: Stop
    clock: Callable[[], float] = time.monotonic
    retries: int = 0
    kinds: dict[str, int] = field(default_factory=lambda: defaultdict(int))

    def __post_init__(self) -> None:
        self._asked: dict[str, asyncio.Task[StoredReply | Failure]] = {}
        self._queue = asyncio.Lock()
        self.most_in_flight = MOST_IN_FLIGHT
        self._room = asyncio.Semaphore(self.most_in_flight)
        self._in_flight: dict[str, float] = {}
        self._settled = asyncio.Event()
        self._first_is_out = False
        self._first_is_back = asyncio.Event()
        self._answered_at = float("-inf")

    async def reply_to(self, call: Call) -> StoredReply | Failure:
        """The stored reply, or why there is none. Raises Stopped. Two who ask the same share one request."""
        task = self._asked.get(call.sha256)
        if task is None:
            task = asyncio.ensure_future(self._free(call) if self.provider.free else self._paid(call))
            self._asked[call.sha256] = task
            task.add_done_callback(lambda _: self._asked.pop(call.sha256, None))
        return await asyncio.shield(task)

    async def finish(self) -> None:
        """Send nothing more, and store what comes back of what is under way: it is paid for.

        After a good end nothing is; where something broke, the rest of what was asked beside it is.
        """
        under_way = [task for task in self._asked.values() if not task.done()]
        if under_way:
            self.stop.now(Stopped())
            await asyncio.gather(*under_way, return_exceptions=True)

    async def _free(self, call: Call) -> StoredReply | Failure:
        await asyncio.sleep(0)  # what is asked may never wait, and others have to
        self.stop.check()
        try:
            reply = await self.provider.ask(call.request)
        except Failure as failure:
            return await self._free_failed(call, failure)
        stored: StoredReply = await self.writer.write(Answer(call, reply, Sent(NOTHING)))
        return stored

    async def _free_failed(self, call: Call, failure: Failure) -> StoredReply | Failure:
        self.kinds[failure.kind] += 1
        sent: Sent | StoredReply = await self.writer.write(Send(call))
        if isinstance(sent, StoredReply):
            return sent
        await self.writer.write(NoAnswer(call, failure, sent, final=not failure.stops_all))
        if failure.stops_all:
            self.stop.now(ProviderStopped(str(failure)))
            raise Stopped
        return failure

    async def _paid(self, call: Call) -> StoredReply | Failure:
        sends = 0
        while True:
            sends += 1
            outcome = await self._once(call, sends)
            if outcome is not None:
                return outcome
            self.retries += 1
            longest = min(LONGEST_BACKOFF, FIRST_BACKOFF * 2.0**sends)
            await self.stop.sleep(random.uniform(longest / 2, longest))

    async def _once(self, call: Call, sends: int) -> StoredReply | Failure | None:
        """The reply to one send, a failure that is final, or None: to be sent again."""
        async with self._room:
            first = await self._turn(call.request)
            try:
                sent = await self._sent(call)
                if isinstance(sent, StoredReply):
                    return sent
                return await self._ask(call, sent, sends)
            finally:
                self._in_flight.pop(call.sha256, None)
                self._settled.set()
                if first:
                    self._first_is_out = False
                    self._first_is_back.set()

    async def _ask(self, call: Call, sent: Sent, sends: int) -> StoredReply | Failure | None:
        at = self.clock()
        try:
            reply = await self.provider.ask(call.request)
        except Failure as failure:
            return await self._failed(call, failure, sent, sends, at)
        self._note(call.request, reply, at)
        stored: StoredReply = await self.writer.write(Answer(call, reply, sent))
        return stored

    async def _failed(
        self, call: Call, failure: Failure, sent: Sent, sends: int, at: float
    ) -> Failure | None:
        self.kinds[failure.kind] += 1
        self.pacer.learn(failure.limits)
        if failure.kind in ("rate limited", "overloaded"):
            self.pacer.turned_away(retry_after=failure.retry_after, sent_at=at)
        again = failure.retry and sends < MOST_SENDS.get(failure.kind, OTHERWISE_SENDS)
        # What stops all is nothing that this request is to blame for.
        final = not again and not failure.stops_all
        await self.writer.write(NoAnswer(call, failure, sent, final=final))
        if failure.stops_all:
            self.stop.now(ProviderStopped(str(failure)))
            raise Stopped
        return None if again else failure

    async def _turn(self, request: Request) -> bool:
        """Wait until the request may go. True: it goes alone, so that the others find its beginning cached."""
        tokens = self.pacer.expected_tokens(prompt_bytes(request))
        async with self._queue:
            first = await self._goes_first()
            while (seconds := self.pacer.wait(tokens)) > 0:
                await self.stop.sleep(seconds)
            self.stop.check()
            self.pacer.take(tokens)
        return first

    async def _goes_first(self) -> bool:
        while self._is_cold():
            if not self._first_is_out:
                self._first_is_out = True
                self._first_is_back.clear()
                return True
            await self.stop.until(self._first_is_back)
        return False

    def _is_cold(self) -> bool:
        """Nothing was answered yet, or nothing is under way and the last answer is long ago."""
        never = self._answered_at == float("-inf")
        return never or (not self._in_flight and self.clock() - self._answered_at > WARM_SECONDS)

    async def _sent(self, call: Call) -> Sent | StoredReply:
        """Stored as sent, once the budgets have room: what is in flight may cost less than is held for it."""
        while True:
            sent: Sent | StoredReply | None = await self.writer.write(Send(call))
            if sent is not None:
                if isinstance(sent, Sent):
                    self._in_flight[call.sha256] = self.pacer.expected_tokens(prompt_bytes(call.request))
                return sent
            if not self._in_flight:
                self.stop.now(BudgetReached())
                raise Stopped
            self._settled.clear()
            await self.stop.until(self._settled)

    def _note(self, request: Request, reply: Reply, at: float) -> None:
        self._answered_at = self.clock()
        self.pacer.learn(reply.limits, sum(self._in_flight.values()))
        self.pacer.answered(
            characters=prompt_bytes(request), prompt=reply.usage.prompt, output=reply.usage.output, sent_at=at
        )


@asynccontextmanager
async def beating(lease: Lease, stop: Stop, progress: Callable[[], tuple[int, int]]) -> AsyncIterator[None]:
    """Keep the lease meanwhile, and pass on to ``stop`` that somebody cancels or that the lease is lost.

    ``progress`` says how many are done, of how many.
    """
    beat = asyncio.ensure_future(stop.guard(_beat(lease, stop, progress)))
    try:
        yield
    finally:
        beat.cancel()


async def _beat(lease: Lease, stop: Stop, progress: Callable[[], tuple[int, int]]) -> None:
    while True:
        try:
            if await sync_to_async(lease.renew)(*progress()):
                stop.now(JobCancelled())
        except OperationalError:
            pass  # the lease lasts for a while, and what is to be stored waits too
        await asyncio.sleep(HEARTBEAT_SECONDS)


@asynccontextmanager
async def open_asker(
    provider: Provider,
    stop: Stop,
    store: Callable[[list[Any]], list[Any]],
    limits: Mapping[str, float],
) -> AsyncIterator[Asker]:
    """An asker whose pieces ``store`` writes. ``limits``: see Pacer. Raises Failure where no provider opens."""
    async with provider:
        writer = Writer(store)
        writing = asyncio.ensure_future(writer.run())
        asker = Asker(provider, writer, Pacer(limits, time.monotonic), stop)
        try:
            yield asker
        finally:
            await asker.finish()
            writing.cancel()
