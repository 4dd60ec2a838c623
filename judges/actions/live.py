"""A run asked live: hundreds of calls in flight from one loop, each verdict stored as soon as its replies are there.

Comparisons are read a few at a time and forgotten once judged, so memory does not grow with the run.
"""

import asyncio
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from typing import Any

from asgiref.sync import async_to_sync, sync_to_async
from django.db.models import F

from feedback.actions.jobs import JobLost, Lease
from feedback.actions.judgments import MachineVerdict, store_verdicts
from judges.actions.asking import Asker, Stop, beating, open_asker, store_pieces
from judges.actions.cases import Case, cases_left
from judges.actions.ledger import Ledger, StoredReply
from judges.actions.questions import Questions
from judges.core.providers import Failure, Provider
from judges.models import JudgeRun


@dataclass(frozen=True)
class Judged:
    """A verdict to be stored. ``reused``: how many of its replies were there before the run."""

    verdict: MachineVerdict
    reused: int


@dataclass
class LiveRun:
    """One attempt. ``done`` and ``total`` count comparisons; ``failed``, those that have no verdict."""

    run: JudgeRun
    lease: Lease
    provider: Provider
    ledger: Ledger
    questions: Questions
    limits: dict[str, float]
    done: int
    total: int
    failed: int = 0
    stop: Stop = field(init=False)

    def carry_out(self) -> None:
        """Ask about all that is left. Raises what stopped it, all replies before it stored."""
        async_to_sync(self._carry_out)()

    async def _carry_out(self) -> None:
        self.stop = Stop()
        async with (
            open_asker(self.provider, self.stop, self._store, self.limits) as asker,
            beating(self.lease, self.stop, lambda: (self.done, self.total)),
        ):
            await self._judge_all(asker)
        if self.stop.reason is not None:
            raise self.stop.reason

    async def _judge_all(self, asker: Asker) -> None:
        judging: set[asyncio.Task[None]] = set()
        async for case in self._cases():
            if self.stop.reason is not None:
                break
            judging.add(asyncio.ensure_future(self.stop.guard(self._judge(case, asker))))
            if len(judging) * len(case.calls) >= asker.most_in_flight:
                _, judging = await asyncio.wait(judging, return_when=asyncio.FIRST_COMPLETED)
        if judging:
            await asyncio.wait(judging)

    async def _cases(self) -> AsyncIterator[Case]:
        batches: Iterator[list[Case]] = cases_left(self.run, self.questions)
        # In the thread that owns the database's connection.
        following = sync_to_async(lambda: next(batches, None))
        while batch := await following():
            for case in batch:
                yield case

    async def _judge(self, case: Case, asker: Asker) -> None:
        while not case.has_failed:
            if case.missing:
                await self._ask(case, asker)
            elif not case.ask_again():
                await asker.writer.write(Judged(case.verdict(), case.paid_before()))
                self.done += 1
                return
        self.failed += 1

    async def _ask(self, case: Case, asker: Asker) -> None:
        missing = case.missing
        outcomes = await asyncio.gather(*map(asker.reply_to, missing), return_exceptions=True)
        for call, outcome in zip(missing, outcomes, strict=True):
            if isinstance(outcome, StoredReply):
                case.replies[call.sha256] = outcome
            elif isinstance(outcome, Failure):
                case.failed.add(call.sha256)
            else:
                raise outcome

    def _store(self, pieces: list[Any]) -> list[Any]:
        judged = [piece for piece in pieces if isinstance(piece, Judged)]
        # Replies are stored whoever holds the run; verdicts are those of the worker that does.
        if judged and not isinstance(self.stop.reason, JobLost):
            store_judged(self.run, judged)
        rest = [piece for piece in pieces if not isinstance(piece, Judged)]
        results = iter(store_pieces(self.ledger, rest))
        return [None if isinstance(piece, Judged) else next(results) for piece in pieces]


def store_judged(run: JudgeRun, judged: list[Judged]) -> None:
    store_verdicts(rater=run.judge.rater, verdicts=[piece.verdict for piece in judged])
    reused = sum(piece.reused for piece in judged)
    if reused:
        JudgeRun.objects.filter(pk=run.pk).update(reused=F("reused") + reused)
