"""How a run is doing: how far it is, what it has cost, how quick it is, and what went wrong."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal

from django.db.models import Count, F, Q, Sum
from django.utils import timezone

from feedback.models import JobState
from judges.models import JudgeBatch, JudgeCall, JudgeRun, RunMode

RATE_SECONDS = 60.0


@dataclass(frozen=True)
class RunProgress:
    """Of one run, its job's row as it was when the run was read.

    ``done`` of ``total`` comparisons are judged. ``answered`` replies were paid for with ``cost`` dollars, of which
    ``unpriced`` have no known price; ``reused`` were there before. ``unanswered`` sends may have been billed without a
    reply, and are ``held`` on the budgets at their worst; ``in_flight`` are under way. ``failures`` counts calls that
    the run does not ask again by itself, by kind. ``rate``: replies in the last minute; ``seconds_left`` at that rate.
    """

    run: JudgeRun
    state: str
    done: int
    total: int
    answered: int
    reused: int
    cost: Decimal
    unpriced: int
    unanswered: int
    held: Decimal
    in_flight: int
    failures: Mapping[str, int]
    input_tokens: int
    cache_read_tokens: int
    output_tokens: int
    rate: int
    seconds_left: float | None
    batches: list[JudgeBatch]


def run_progress(run: JudgeRun) -> RunProgress:
    calls = JudgeCall.objects.filter(run=run)
    paid = Q(answered_at__isnull=False)
    recently = timezone.now() - timedelta(seconds=RATE_SECONDS)
    # Without a worker on it, nothing but a batch is under way.
    under_way = Q(answered_at=None, reserved__gt=0, failure="")
    if run.job.state != JobState.RUNNING:
        under_way &= Q(batch__isnull=False)
    sums = calls.aggregate(
        answered=Count("pk", filter=paid),
        spent=Sum("cost"),
        unpriced=Count("pk", filter=paid & Q(cost=None)),
        sent=Sum(F("times_sent") - F("times_unpaid")),
        kept=Sum("held"),
        in_flight=Count("pk", filter=under_way),
        read=Sum("input_tokens"),
        cached=Sum("cache_read_tokens"),
        written=Sum("output_tokens"),
        rate=Count("pk", filter=Q(answered_at__gt=recently)),
    )
    failed = calls.filter(answered_at=None).exclude(failure="").values_list("failure")
    known = {name: sums[name] or 0 for name in ("answered", "unpriced", "in_flight", "rate")}
    return RunProgress(
        run=run,
        state=run_state(run),
        done=run.job.done,
        total=run.job.total or 0,
        reused=run.reused,
        cost=sums["spent"] or Decimal(0),
        unanswered=max(0, (sums["sent"] or 0) - known["answered"] - known["in_flight"]),
        held=sums["kept"] or Decimal(0),
        failures=dict(failed.annotate(Count("pk")).order_by()),
        seconds_left=_seconds_left(run, known["answered"] + run.reused, known["rate"]),
        batches=list(run.batches.all()),
        **known,
        input_tokens=sums["read"] or 0,
        cache_read_tokens=sums["cached"] or 0,
        output_tokens=sums["written"] or 0,
    )


def run_state(run: JudgeRun) -> str:
    """The job's state, or what says more: ``waiting`` for batches, ``paused``, ``budget`` or ``failures``."""
    job = run.job
    if job.state == JobState.QUEUED and job.not_before is not None:
        return "waiting"
    if job.state == JobState.INTERRUPTED:
        return run.stopped or ("paused" if job.pause_requested else job.state)
    return job.state


def _seconds_left(run: JudgeRun, replies: int, rate: int) -> float | None:
    done, total = run.job.done, run.job.total
    if run.mode == RunMode.BATCH or run.job.state != JobState.RUNNING or not (rate and done and total):
        return None
    return (total - done) * (replies / done) * RATE_SECONDS / rate
