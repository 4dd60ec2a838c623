"""A run in batches: requests are handed in together, and the job waits in the queue, not in a worker, until they end.

Each attempt: find again what was handed in when the worker died, ask how the open batches are, collect those that
have ended, read what has all its replies, hand in what is missing, and wait. A batch's row, with the tag that is in
each of its custom ids, is stored before anything is handed in; a call in a batch that may have been handed in is
never handed in again.
"""

import asyncio
import re
import uuid
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import TypeVar

from asgiref.sync import async_to_sync, sync_to_async
from django.db import transaction
from django.db.models import F, QuerySet
from django.utils import timezone

from feedback.actions.jobs import JobCancelled, JobWaits, Lease
from judges.actions.asking import BudgetReached, ProviderStopped
from judges.actions.cases import cases_left
from judges.actions.ledger import Call, Ledger, Sent
from judges.actions.live import Judged, store_judged
from judges.actions.questions import Questions
from judges.core.providers import Batch, BatchProvider, BatchResult, Failure, Reply
from judges.core.providers.failures import NotSent, ServerFailed
from judges.core.request import Request
from judges.models import UNSETTLED, BatchState, JudgeBatch, JudgeCall, JudgeRun

# Smaller than what the providers take, since a slice is held in memory.
MOST_REQUESTS = 10_000
MOST_BYTES = 64_000_000
MOST_TIMES = 3  # batches that one request goes into
GROUP = 100  # rows a transaction: people at work on SQLite wait for one at most
SHORTEST_WAIT, LONGEST_WAIT = (
    10.0,
    300.0,
)  # seconds between two looks; a tenth of how long it has taken so far
SETTLE_SECONDS = 120.0  # how long a request to the provider can still be on its way
BEAT_SECONDS = 5.0
CLOCKS_DIFFER = timedelta(minutes=5)
_CUSTOM_ID = re.compile(r"([0-9a-f]{32})-(\d+)")
T = TypeVar("T")


@dataclass
class BatchRun:
    """One attempt. ``done`` and ``total`` count comparisons; ``failed``, those that have no verdict."""

    run: JudgeRun
    lease: Lease
    provider: BatchProvider
    ledger: Ledger
    questions: Questions
    done: int
    total: int
    failed: int = 0

    def carry_out(self) -> None:
        """Raises JobWaits while the provider works, JobCancelled once nothing is under way there any more."""
        try:
            self._step()
        except Failure as failure:
            if failure.stops_all:
                raise ProviderStopped(str(failure)) from None
            raise self._waiting(f"The provider gives no answer ({failure}).") from None

    def _step(self) -> None:
        cancelled = self.lease.renew(self.done, self.total)
        if cancelled and self.lease.pause_requested():
            raise JobCancelled
        settled = [self._settle(batch, cancelled) for batch in self._unsettled()]
        left = self._judge()
        if all(settled) and not cancelled:
            self._hand_in(left)
        elif any(settled):
            for _ in left:  # the verdicts of what came back are stored on the way
                pass
        if self._unsettled():
            raise self._waiting("")
        if cancelled:
            raise JobCancelled

    def _unsettled(self) -> list[JudgeBatch]:
        return list(self.run.batches.filter(state__in=UNSETTLED).order_by("pk"))

    def _waiting(self, why: str) -> JobWaits:
        batches = self._unsettled()
        since = min((batch.created_at for batch in batches), default=timezone.now())
        passed = (timezone.now() - since).total_seconds()
        wait = min(max(SHORTEST_WAIT, passed / 10), LONGEST_WAIT)
        requests = sum(batch.requests for batch in batches)
        said = f"{requests:,} requests are at the provider, in {len(batches)} batches. {why}"
        return JobWaits(timezone.now() + timedelta(seconds=wait), said.strip())

    # What became of the batches

    def _settle(self, batch: JudgeBatch, cancelled: bool) -> bool:
        """Whether nothing more will come of the batch."""
        if batch.state == BatchState.FILLING:
            self._end(batch, BatchState.LOST, NotSent("It was not handed in."))
        elif batch.state == BatchState.SUBMITTING:
            self._find(batch)
        if batch.state != BatchState.OPEN:
            return batch.state == BatchState.LOST
        found = self._look(batch, cancelled)
        batch.status = found.status[:40]
        batch.save(update_fields=("status",))
        if found.ended:
            self._collect(batch, found)
        return found.ended

    def _look(self, batch: JudgeBatch, cancelled: bool) -> Batch:
        found = self._opened(lambda: self.provider.poll(batch.provider_id))
        if not cancelled or found.ended or found.status in ("canceling", "cancelling"):
            return found
        return self._opened(lambda: self.provider.cancel(batch.provider_id))

    def _find(self, batch: JudgeBatch) -> None:
        """Look for a batch whose id could not be stored. Where it may still turn up, it stays as it is."""
        candidates = self._opened(lambda: self._candidates(batch))
        for candidate in candidates:
            if candidate.tag == batch.tag or (
                candidate.ended and not candidate.tag and self._is(batch, candidate)
            ):
                self._adopt(batch, candidate)
                return
        unclear = any(not candidate.ended for candidate in candidates)
        if not unclear and batch.created_at < timezone.now() - timedelta(seconds=SETTLE_SECONDS):
            self._end(batch, BatchState.LOST, NotSent("It never got to the provider."))

    async def _candidates(self, batch: JudgeBatch) -> list[Batch]:
        """Batches of the account since then that no row of ours has: with this tag, or untagged and of this size."""
        since = batch.created_at - CLOCKS_DIFFER
        found = [
            one
            async for one in self.provider.batches(since=since)
            if one.tag == batch.tag or (not one.tag and one.total == batch.requests)
        ]
        known = await sync_to_async(_known_ids)([one.id for one in found])
        return [one for one in found if one.id not in known]

    def _is(self, batch: JudgeBatch, candidate: Batch) -> bool:
        ids = self._opened(lambda: self.provider.custom_ids(candidate))
        return any(custom_id.startswith(f"{batch.tag}-") for custom_id in ids or ())

    def _adopt(self, batch: JudgeBatch, found: Batch) -> None:
        batch.provider_id, batch.state, batch.submitted_at = found.id, BatchState.OPEN, timezone.now()
        batch.save(update_fields=("provider_id", "state", "submitted_at"))

    # What came back

    def _collect(self, batch: JudgeBatch, found: Batch) -> None:
        """Store every result. Killed in between, all are read again, and those that are stored are left alone."""
        if found.failed:
            self._end(batch, BatchState.FAILED, ServerFailed(found.failed))
        else:
            self._opened(lambda: self._store_all(batch))
            self._end(batch, BatchState.COLLECTED, ServerFailed("The batch ended without a word on this."))

    async def _store_all(self, batch: JudgeBatch) -> None:
        group: list[BatchResult] = []
        async for result in self.provider.results(batch.provider_id):
            group.append(result)
            if len(group) == GROUP:
                await sync_to_async(self._store)(batch, group)
                group = []
        await sync_to_async(self._store)(batch, group)

    def _store(self, batch: JudgeBatch, results: Sequence[BatchResult]) -> None:
        outcomes = dict(_by_row(batch, results))
        with transaction.atomic():
            found = [(row, outcomes[row.pk]) for row in _open_rows(batch).filter(pk__in=outcomes)]
            for row, outcome in found:
                if isinstance(outcome, Failure):
                    self._failed(row, outcome)
            replies = [
                (_unsaved(row), outcome, row.reserved) for row, outcome in found if isinstance(outcome, Reply)
            ]
            self.ledger.answered(replies, batch=True)

    def _end(self, batch: JudgeBatch, state: BatchState, failure: Failure) -> None:
        """End the batch. What of it has no reply was not done, and may go into another."""
        lost = state == BatchState.LOST
        while rows := list(_open_rows(batch)[:GROUP]):
            with transaction.atomic():
                for row in rows:
                    self._failed(row, failure, counts=not lost)
        batch.state, batch.ended_at = state, timezone.now()
        batch.message = "" if state == BatchState.COLLECTED else str(failure)
        batch.save(update_fields=("state", "message", "ended_at"))

    def _failed(self, row: JudgeCall, failure: Failure, *, counts: bool = True) -> None:
        final = counts and (not failure.retry or row.times_batched >= MOST_TIMES)
        self.ledger.unanswered(row.request_sha256, failure, row.reserved, final=final)
        JudgeCall.objects.filter(pk=row.pk).update(
            batch=None, times_batched=F("times_batched") - int(not counts)
        )

    # What is handed in

    def _judge(self) -> Iterator[Call]:
        """Store the verdicts of what has all its replies; the calls that are missing."""
        for cases in cases_left(self.run, self.questions):
            whole = [case for case in cases if not case.missing and not case.has_failed]
            with transaction.atomic():
                store_judged(self.run, [Judged(case.verdict(), case.paid_before()) for case in whole])
            self.done += len(whole)
            self.failed += sum(case.has_failed for case in cases)
            self.lease.renew(self.done, self.total)
            for case in cases:
                yield from () if case.has_failed else case.missing

    def _hand_in(self, calls: Iterator[Call]) -> None:
        handed_in, room = 0, True
        for slice_ in self._slices(calls):
            # Even where there is no room, the verdicts of the rest are stored: the slices are read to the end.
            fitting = self._submit(slice_) if room else 0
            handed_in, room = handed_in + fitting, room and fitting == len(slice_)
        if not room and not handed_in:
            raise BudgetReached

    def _slices(self, calls: Iterator[Call]) -> Iterator[list[Call]]:
        most = min(MOST_REQUESTS, self.provider.most_requests)
        most_bytes = min(MOST_BYTES, self.provider.most_bytes)
        found: dict[str, Call] = {}
        size = 0
        for call in calls:
            if call.sha256 in found:
                continue
            more = self.provider.batch_size("f" * 52, call.request)
            if found and (len(found) == most or size + more > most_bytes):
                yield list(found.values())
                found, size = {}, 0
            found[call.sha256], size = call, size + more
        if found:
            yield list(found.values())

    def _submit(self, calls: Sequence[Call]) -> int:
        """Hand in as many as the budgets have room for; how many they are."""
        batch = JudgeBatch.objects.create(run=self.run, tag=uuid.uuid4().hex)
        entries, fitting = self._fill(batch, calls)
        if not entries:
            batch.delete()
            return fitting
        batch.requests, batch.state = len(entries), BatchState.SUBMITTING
        batch.save(update_fields=("requests", "state"))
        try:
            found = self._opened(lambda: self.provider.submit(entries, tag=batch.tag))
        except Failure as failure:
            if not failure.may_be_billed:
                self._end(batch, BatchState.LOST, failure)
            raise
        self._adopt(batch, found)
        return fitting

    def _fill(self, batch: JudgeBatch, calls: Sequence[Call]) -> tuple[Mapping[str, Request], int]:
        """Mark the calls as sent in this batch, a group at a time; the entries, and how many calls had room."""
        entries: dict[str, Request] = {}
        fitting = 0
        for start in range(0, len(calls), GROUP):
            group = calls[start : start + GROUP]
            with transaction.atomic():
                sent = self.ledger.sent(group, batch=batch.pk)
            self.lease.renew()
            fitting += sum(outcome is not None for outcome in sent)
            entries |= {
                f"{batch.tag}-{outcome.pk}": call.request
                for call, outcome in zip(group, sent, strict=True)
                if isinstance(outcome, Sent)
            }
            if None in sent:
                break
        return entries, fitting

    def _opened(self, ask: Callable[[], Awaitable[T]]) -> T:
        """Ask the provider something, and keep the lease meanwhile."""
        return async_to_sync(self._kept)(ask)

    async def _kept(self, ask: Callable[[], Awaitable[T]]) -> T:
        async with self.provider:
            asking = asyncio.ensure_future(ask())
            while not asking.done():
                done, _ = await asyncio.wait({asking}, timeout=BEAT_SECONDS)
                if not done:
                    await sync_to_async(self.lease.renew)()
            return asking.result()


def _known_ids(ids: Sequence[str]) -> set[str]:
    return set(JudgeBatch.objects.filter(provider_id__in=ids).values_list("provider_id", flat=True))


def _open_rows(batch: JudgeBatch) -> QuerySet[JudgeCall]:
    return JudgeCall.objects.filter(batch=batch, answered_at=None).order_by("pk")


def _by_row(batch: JudgeBatch, results: Sequence[BatchResult]) -> Iterator[tuple[int, Reply | Failure]]:
    """Each result with the key of the row that it is of."""
    for result in results:
        match = _CUSTOM_ID.fullmatch(result.custom_id)
        if match and match[1] == batch.tag:
            yield int(match[2]), result.outcome


def _unsaved(row: JudgeCall) -> JudgeCall:
    """The row as one to be written over itself."""
    row.pk = None
    return row
