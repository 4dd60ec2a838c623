"""Calls as rows: a request is stored as sent before it is sent, and its reply before anybody reads it.

Everything here runs within a transaction of the caller's, which may hold many calls at once. What is stored as sent
and never as answered may have been billed, whatever killed the process in between.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import NamedTuple

from django.db.models import F
from django.utils import timezone

from judges.actions.budgets import Account
from judges.actions.pricing import NOTHING, Prices
from judges.core.providers import Failure, Reply
from judges.core.request import Request
from judges.models import Judge, JudgeCall, JudgeRun

ANSWER = (
    "reply",
    "stop_reason",
    "refusal",
    "served_model",
    "request_id",
    "latency",
    "probabilities",
    "input_tokens",
    "output_tokens",
    "cache_read_tokens",
    "cache_write_tokens",
    "cache_write_1h_tokens",
    "cost",
    "reserved",
    "failure",
    "failure_message",
    "answered_at",
)


class Call(NamedTuple):
    """A request to be made, with its hash, about one comparison or none."""

    comparison_id: int | None
    request: Request
    sha256: str


class StoredReply(NamedTuple):
    text: str
    stop_reason: str


Going = Mapping[str, tuple[Call, Decimal]]  # calls to be sent by their hash, each with what it costs at worst


@dataclass(frozen=True)
class Sent:
    """Stored as sent. ``worst``: dollars reserved for this send; ``pk`` the row's."""

    worst: Decimal
    pk: int = 0


@dataclass(frozen=True)
class Ledger:
    """One judge's calls, on an account. ``run`` is None for what is asked outside of runs."""

    judge: Judge
    run: JudgeRun | None
    purpose: str
    account: Account
    prices: Prices

    def sent(self, calls: Sequence[Call], *, batch: int | None = None) -> list[Sent | StoredReply | None]:
        """Store calls as sent as far as the budgets have room: None where there is none.

        A call that was answered in the meantime is not to be sent: its reply is given back.
        """
        known = self._known([call.sha256 for call in calls])
        asked = [call for call in calls if not _answered(known.get(call.sha256))]
        worst = [self.prices.worst(call.request, batch=batch is not None) for call in asked]
        fitting = self.account.reserve(worst)
        going = {
            call.sha256: (call, amount or NOTHING)
            for call, amount in zip(asked[:fitting], worst, strict=False)
        }
        pks = self._store_sent(going, known, batch)
        return [self._outcome(call.sha256, known, going, pks) for call in calls]

    def answered(
        self, replies: Sequence[tuple[JudgeCall, Reply, Decimal]], *, batch: bool = False
    ) -> list[StoredReply]:
        """Store replies, whatever is in them; each with its row (see ``row``) and what was reserved for it.

        One that came twice is paid twice, and kept once.
        """
        known = self._known([row.request_sha256 for row, _, _ in replies])
        costs = [self.prices.cost(reply, batch=batch) for _, reply, _ in replies]
        rows = [
            _filled(row, reply, cost, worst)
            for (row, reply, worst), cost in zip(replies, costs, strict=True)
            if not _answered(known.get(row.request_sha256))
        ]
        JudgeCall.objects.bulk_create(
            rows, update_conflicts=True, unique_fields=("judge", "request_sha256"), update_fields=ANSWER
        )
        # What has no known price stays reserved at its worst.
        priced = [
            (worst, cost) for (_, _, worst), cost in zip(replies, costs, strict=True) if cost is not None
        ]
        self.account.settle(
            released=sum((worst for worst, _ in priced), NOTHING),
            spent=sum((cost for _, cost in priced), NOTHING),
        )
        return [
            StoredReply(_short(reply.text, None), _short(reply.stop_reason, 40)) for _, reply, _ in replies
        ]

    def unanswered(self, sha256: str, failure: Failure, worst: Decimal, *, final: bool) -> None:
        """Note what went wrong. What surely was not billed is given back to the budgets."""
        changes: dict[str, object] = {"reserved": NOTHING}
        if failure.may_be_billed:
            changes["held"] = F("held") + worst
        else:
            changes["times_unpaid"] = F("times_unpaid") + 1
            self.account.settle(released=worst, spent=NOTHING)
        if final:
            changes |= {"failure": failure.kind, "failure_message": _short(str(failure), 500)}
        rows = JudgeCall.objects.filter(judge=self.judge.pk, request_sha256=sha256, answered_at=None)
        rows.update(**changes)

    def row(self, call: Call, *, batch: int | None = None, worst: Decimal = NOTHING) -> JudgeCall:
        """A row that is not stored yet."""
        return JudgeCall(
            judge_id=self.judge.pk,
            run=self.run,
            batch_id=batch,
            comparison_id=call.comparison_id,
            purpose=self.purpose,
            request_sha256=call.sha256,
            shown=call.request.shown,
            sample=call.request.sample,
            reserved=worst,
            times_batched=0 if batch is None else 1,
        )

    def _known(self, hashes: Sequence[str]) -> dict[str, JudgeCall]:
        rows = JudgeCall.objects.filter(judge=self.judge.pk, request_sha256__in=hashes)
        return {
            row.request_sha256: row
            for row in rows.only("request_sha256", "answered_at", "reply", "stop_reason")
        }

    def _store_sent(self, going: Going, known: Mapping[str, JudgeCall], batch: int | None) -> dict[str, int]:
        """New rows for new requests; one more time sent for those whose reply never came. Their keys, by hash."""
        made = JudgeCall.objects.bulk_create(
            self.row(call, batch=batch, worst=worst)
            for call, worst in going.values()
            if call.sha256 not in known
        )
        for call, worst in going.values():
            if call.sha256 in known:
                JudgeCall.objects.filter(pk=known[call.sha256].pk).update(
                    run=self.run,
                    batch_id=batch,
                    times_sent=F("times_sent") + 1,
                    times_batched=F("times_batched") + int(batch is not None),
                    # What was under way when a process was killed may have been billed.
                    held=F("held") + F("reserved"),
                    reserved=worst,
                    sent_at=timezone.now(),
                    failure="",
                    failure_message="",
                )
        return {row.request_sha256: row.pk for row in (*made, *known.values())}

    def _outcome(
        self, sha256: str, known: Mapping[str, JudgeCall], going: Going, pks: Mapping[str, int]
    ) -> Sent | StoredReply | None:
        if _answered(known.get(sha256)):
            return StoredReply(known[sha256].reply, known[sha256].stop_reason)
        return Sent(going[sha256][1], pks[sha256]) if sha256 in going else None


def _answered(row: JudgeCall | None) -> bool:
    return row is not None and row.answered_at is not None


def _filled(row: JudgeCall, reply: Reply, cost: Decimal | None, worst: Decimal) -> JudgeCall:
    row.reply = _short(reply.text, None)
    row.stop_reason = _short(reply.stop_reason, 40)
    row.refusal = _short(reply.refusal, 100)
    row.served_model = _short(reply.served_model, 100)
    row.request_id = _short(reply.request_id, 100)
    row.latency = reply.latency
    row.probabilities = {place: dict(shares) for place, shares in reply.probabilities.items()}
    row.input_tokens, row.output_tokens = reply.usage.prompt, reply.usage.output
    row.cache_read_tokens, row.cache_write_tokens = reply.usage.cache_read, reply.usage.cache_write
    row.cache_write_1h_tokens = reply.usage.cache_write_1h
    row.cost, row.reserved = cost, worst if cost is None else NOTHING
    row.failure = row.failure_message = ""
    row.answered_at = timezone.now()
    return row


def _short(text: str, longest: int | None) -> str:
    """The text without what no database stores: NUL characters and halves of surrogate pairs."""
    return text.replace("\x00", "\ufffd").encode("utf-8", "replace").decode()[:longest]
