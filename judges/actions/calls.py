"""Calls outside of runs: a few requests are asked now, on the same terms: within budgets, stored, never paid twice."""

import asyncio
from collections.abc import Awaitable, Mapping, Sequence
from contextlib import suppress
from functools import partial

from asgiref.sync import async_to_sync, sync_to_async

from feedback.actions.audit import record
from feedback.errors import Refused
from feedback.people import Person
from judges.actions.asking import BudgetReached, Stop, Stopped, open_asker, store_pieces
from judges.actions.budgets import Account, limits_on, unknown_price, why_no_room
from judges.actions.keys import limits_of, provider_of
from judges.actions.ledger import Call, Ledger, StoredReply
from judges.actions.pricing import Prices
from judges.core.providers import Failure, Provider
from judges.core.request import Request
from judges.models import CallPurpose, Judge, JudgeCall, JudgeRun

__all__ = ["Call", "StoredReply", "ask", "ledger_of", "stored_rows"]
MOST_REQUESTS = 1000  # what takes longer than a person waits is a run


def ask(
    *,
    judge: Judge,
    requests: Sequence[Request],
    by: Person,
    purpose: str = CallPurpose.PLAYGROUND,
    comparison_id: int | None = None,
) -> list[JudgeCall]:
    """Ask these requests now; the stored call of each, in order, its reply raw, with usage and cost.

    What was answered before costs nothing. A call whose ``answered_at`` is None has no reply; its ``failure`` and
    ``failure_message`` say why. Refused: no room in a budget, a price that a budget needs and nobody knows, a key
    that is not accepted.
    """
    if len(requests) > MOST_REQUESTS:
        raise Refused(f"At most {MOST_REQUESTS:,} requests are asked at once; start a run for more.")
    provider = provider_of(judge)
    ledger = ledger_of(judge, None, provider, purpose)
    calls = {(sha256 := request.sha256()): Call(comparison_id, request, sha256) for request in requests}
    missing = [call for sha256, call in calls.items() if sha256 not in stored_rows(judge, list(calls))]
    if missing:
        record(by=by, verb="ask", target=judge, project=judge.project, requests=len(missing), purpose=purpose)
        async_to_sync(_ask)(missing, provider, ledger, limits_of(judge, provider))
    rows = stored_rows(judge, list(calls), answered=False)
    return [rows[request.sha256()] for request in requests]


def ledger_of(judge: Judge, run: JudgeRun | None, provider: Provider, purpose: str) -> Ledger:
    """Where a judge's calls are written. Refused where a budget applies and the price is not known."""
    prices = Prices.of(judge, provider)
    if not prices.free and prices.price is None and limits_on(judge, run):
        raise Refused(unknown_price(judge), field="budget")
    account = Account.of(judge, run, free=prices.free)
    return Ledger(judge=judge, run=run, purpose=purpose, account=account, prices=prices)


def stored_rows(judge: Judge, hashes: Sequence[str], *, answered: bool = True) -> dict[str, JudgeCall]:
    """The calls of the project with these hashes, by hash; the judge's own where several judges asked the same.

    An answered one goes before one that is not; ``answered``: only such.
    """
    found = JudgeCall.objects.filter(judge__project=judge.project_id, request_sha256__in=hashes)
    if answered:
        found = found.filter(answered_at__isnull=False)
    ranked = sorted(found, key=lambda row: (row.answered_at is not None, row.judge_id == judge.pk))
    return {row.request_sha256: row for row in ranked}


async def _ask(
    calls: Sequence[Call], provider: Provider, ledger: Ledger, limits: Mapping[str, float]
) -> None:
    stop = Stop()
    try:
        async with open_asker(provider, stop, partial(store_pieces, ledger), limits) as asker:
            await asyncio.gather(*(_or_stopped(asker.reply_to(call)) for call in calls))
    except Failure as failure:
        raise Refused(str(failure)) from None
    if isinstance(stop.reason, BudgetReached):
        raise Refused(
            await sync_to_async(why_no_room)(ledger.judge, None, priced=ledger.prices.price is not None)
        )
    if stop.reason is not None:
        raise Refused(str(stop.reason))


async def _or_stopped(reply: Awaitable[StoredReply | Failure]) -> None:
    with suppress(Stopped):
        await reply
