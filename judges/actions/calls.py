"""Calls: a request is stored as sent, asked, and stored as answered before anybody reads its reply.

A request that was answered once is never sent again, whoever asks and however the work before it ended.
"""

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from decimal import Decimal
from typing import NamedTuple

from asgiref.sync import async_to_sync, sync_to_async
from django.conf import settings
from django.db import transaction
from django.db.models import F
from django.utils import timezone

from judges.core.prices import price_table
from judges.core.providers import Provider, Reply
from judges.core.request import Request
from judges.models import JudgeCall, JudgeRun

ANSWER = (
    "reply",
    "stop_reason",
    "served_model",
    "request_id",
    "input_tokens",
    "output_tokens",
    "cost",
    "answered_at",
)


class Call(NamedTuple):
    """A request to be made, with its hash, about one comparison."""

    comparison_id: int
    request: Request
    sha256: str


class StoredReply(NamedTuple):
    text: str
    stop_reason: str


def replies_to(
    calls: Sequence[Call], *, run: JudgeRun, provider: Provider, heartbeat: Callable[[], None]
) -> dict[str, StoredReply]:
    """The stored reply to each call by its hash; the provider is asked for the missing ones only.

    ``heartbeat`` runs between the requests and may raise to stop. What a provider raises goes through, with
    all replies before it stored (a free provider's since the last group are asked again for nothing).
    """
    unique = {call.sha256: call for call in calls}
    replies = _stored(run, unique)
    missing = [call for sha256, call in unique.items() if sha256 not in replies]
    for group in _groups(missing, len(missing) if provider.free else 1):
        heartbeat()
        _note_sent(run, group)
        answered = async_to_sync(_asked)(group, provider, heartbeat)
        rows = _note_answered(run, provider, answered)
        replies |= {row.request_sha256: StoredReply(row.reply, row.stop_reason) for row in rows}
    return replies


async def _asked(
    calls: Sequence[Call], provider: Provider, heartbeat: Callable[[], None]
) -> list[tuple[Call, Reply]]:
    answered = []
    async with provider:
        for place, call in enumerate(calls):
            if place:
                await sync_to_async(heartbeat)()
            answered.append((call, await provider.ask(call.request)))
    return answered


def _stored(run: JudgeRun, calls: dict[str, Call]) -> dict[str, StoredReply]:
    found = JudgeCall.objects.filter(
        judge=run.judge_id, request_sha256__in=list(calls), answered_at__isnull=False
    )
    rows = found.values_list("request_sha256", "reply", "stop_reason")
    return {sha256: StoredReply(text, stop_reason) for sha256, text, stop_reason in rows}


def _groups(calls: Sequence[Call], size: int) -> Iterator[Sequence[Call]]:
    for start in range(0, len(calls), size or 1):
        yield calls[start : start + size]


def _note_sent(run: JudgeRun, calls: Sequence[Call]) -> None:
    """New rows for new requests; one more time sent for those whose reply never came."""
    again = JudgeCall.objects.filter(judge=run.judge_id, request_sha256__in=[call.sha256 for call in calls])
    with transaction.atomic():
        known = set(again.values_list("request_sha256", flat=True))
        if known:
            again.update(run=run, times_sent=F("times_sent") + 1, sent_at=timezone.now())
        new = [_row(run, call) for call in calls if call.sha256 not in known]
        JudgeCall.objects.bulk_create(new, ignore_conflicts=True)


def _note_answered(
    run: JudgeRun, provider: Provider, answered: Sequence[tuple[Call, Reply]]
) -> list[JudgeCall]:
    now = timezone.now()
    rows = [_answered_row(_row(run, call), provider, reply, now) for call, reply in answered]
    return JudgeCall.objects.bulk_create(
        rows, update_conflicts=True, unique_fields=("judge", "request_sha256"), update_fields=ANSWER
    )


def _row(run: JudgeRun, call: Call) -> JudgeCall:
    return JudgeCall(
        judge_id=run.judge_id,
        run=run,
        comparison_id=call.comparison_id,
        request_sha256=call.sha256,
        shown=call.request.shown,
        sample=call.request.sample,
    )


def _answered_row(row: JudgeCall, provider: Provider, reply: Reply, now: datetime) -> JudgeCall:
    row.reply = _storable(reply.text)
    row.stop_reason = _storable(reply.stop_reason)[:40]
    row.served_model = _storable(reply.served_model)[:100]
    row.request_id = _storable(reply.request_id)[:100]
    row.input_tokens, row.output_tokens = reply.usage.prompt, reply.usage.output
    row.cost = Decimal(0) if provider.free else _cost(reply, now)
    row.answered_at = now
    return row


def _cost(reply: Reply, now: datetime) -> Decimal | None:
    prices = price_table(settings.VAR / "prices.toml")
    return prices.cost(reply.usage, model=reply.served_model, on=now.date())


def _storable(text: str) -> str:
    """The text without what no database stores: NUL characters and halves of surrogate pairs."""
    return text.replace("\x00", "\ufffd").encode("utf-8", "replace").decode()
