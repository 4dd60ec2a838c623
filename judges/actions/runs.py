"""Judge runs: one judge is asked about many comparisons, and its verdicts go into the store.

What is left is read from the judgments, what was answered from the calls, so a run can die anywhere and go
on.
"""

from collections import Counter
from decimal import Decimal
from typing import Any, cast

from django.db import transaction

from feedback.actions.audit import record
from feedback.actions.jobs import (
    JobCancelled,
    JobInterrupted,
    Lease,
    cancel_job,
    pause_job,
    queue_job,
    resume_job,
)
from feedback.errors import Refused
from feedback.models import Purpose, Tag
from feedback.people import Person
from judges.actions.asking import BudgetReached, ProviderStopped
from judges.actions.batches import BatchRun
from judges.actions.budgets import check_budget, why_no_room
from judges.actions.calls import ledger_of
from judges.actions.keys import limits_of, provider_of
from judges.actions.live import LiveRun
from judges.actions.questions import Questions
from judges.actions.rereading import reread
from judges.core.providers import BatchProvider, Failure, Provider
from judges.models import CallPurpose, Judge, JudgeCall, JudgeRun, RunMode, Stopped
from judges.queries import comparisons_left, selected_comparisons, unfinished_run


def start_judge_run(
    *,
    judge: Judge,
    by: Person,
    tag: Tag | None = None,
    purpose: str = Purpose.TRAIN,
    mode: str = RunMode.LIVE,
    budget: Decimal | None = None,
    estimate: dict[str, Any] | None = None,
) -> JudgeRun:
    """Queue a run over the project's comparisons with this purpose, those of one tag or all of them.

    Comparisons that the judge has judged are left out as the run goes. ``budget`` is in dollars; ``estimate`` what
    was expected of the run, as JSON, to be shown beside what came. Refused: nothing to judge, a run of this judge
    that is under way, since two at once would ask the same twice, or a budget on a price that is not known.
    """
    run = JudgeRun(
        judge=judge, tag=tag, purpose=purpose, mode=mode, budget=budget, estimate=estimate, created_by=by
    )
    _check(run)
    with transaction.atomic():
        _refuse_a_second(judge)
        run.job = queue_job(
            project=judge.project, task="judges.tasks.perform_judge_run", queue="judge", by=by
        )
        run.save()
        record(
            by=by,
            verb="start",
            target=run,
            project=judge.project,
            judge=str(judge),
            tag=str(tag or ""),
            mode=mode,
            budget=None if budget is None else str(budget),
        )
    return run


def cancel_judge_run(*, run: JudgeRun, by: Person) -> None:
    """Ask the run to stop for good; batches are cancelled too. What it has stored stays."""
    cancel_job(job=run.job, by=by)


def pause_judge_run(*, run: JudgeRun, by: Person) -> None:
    """Ask the run to stop sending; batches that are at the provider go on there, and are read when it is resumed."""
    pause_job(job=run.job, by=by)


def resume_judge_run(*, run: JudgeRun, by: Person) -> None:
    """Go on with a run that did not end well. Refused while another run of the judge is under way."""
    with transaction.atomic():
        _refuse_a_second(run.judge)
        resume_job(job=run.job, by=by)


def retry_failures(*, run: JudgeRun, by: Person) -> None:
    """Go on, and ask again what had failed. Refused where nothing has."""
    with transaction.atomic():
        failed = JudgeCall.objects.filter(run=run, answered_at=None).exclude(failure="")
        if not failed.exists():
            raise Refused("No call of this run has failed, so there is nothing to ask again.")
        failed.update(failure="", failure_message="", times_batched=0)
        resume_judge_run(run=run, by=by)


def carry_out_judge_run(lease: Lease) -> None:
    """Ask about every comparison that is left, and store the verdicts; see RunMode for how."""
    run = JudgeRun.objects.select_related("judge__rater", "judge__rubric", "judge__project").get(
        job_id=lease.job_id
    )
    JudgeRun.objects.filter(pk=run.pk).exclude(stopped="").update(stopped="")
    total = selected_comparisons(run).count()
    if run.mode == RunMode.STORED:
        reread(run, lease, total)
        return
    done = total - comparisons_left(run).count()
    # A stop of batches is more than an end: what is under way at the provider is put an end to, and read.
    if lease.renew(done, total, "") and run.mode != RunMode.BATCH:
        raise JobCancelled
    failed = _ask(run, lease, done, total)
    if failed:
        _stop(run, Stopped.FAILURES, _what_failed(run, failed))


def _ask(run: JudgeRun, lease: Lease, done: int, total: int) -> int:
    """Ask about what is left; how many comparisons have no verdict, since a call of theirs failed."""
    provider = provider_of(run.judge)
    ledger = ledger_of(run.judge, run, provider, CallPurpose.RUN)
    questions = Questions.of(run.judge)
    work: LiveRun | BatchRun
    if run.mode == RunMode.BATCH and not provider.free:
        work = BatchRun(run, lease, cast(BatchProvider, provider), ledger, questions, done, total)
    else:
        work = LiveRun(run, lease, provider, ledger, questions, limits_of(run.judge, provider), done, total)
    try:
        work.carry_out()
    except BudgetReached:
        priced = ledger.prices.price is not None
        _stop(run, Stopped.BUDGET, why_no_room(run.judge, run, priced=priced))
    except (ProviderStopped, Failure) as stopped:
        raise Refused(str(stopped)) from None
    finally:
        lease.renew(work.done, total)
    return work.failed


def _stop(run: JudgeRun, why: Stopped, message: str) -> None:
    JudgeRun.objects.filter(pk=run.pk).update(stopped=why)
    raise JobInterrupted(message)


def _what_failed(run: JudgeRun, comparisons: int) -> str:
    calls = JudgeCall.objects.filter(run=run, answered_at=None).exclude(failure="")
    kinds = Counter(calls.values_list("failure", flat=True))
    said = ", ".join(f"{count:,} × {kind}" for kind, count in kinds.most_common())
    return (
        f"{comparisons:,} comparisons have no verdict, since calls failed: {said}. Retry them to ask again."
    )


def _check(run: JudgeRun) -> None:
    if run.purpose not in Purpose.values:
        raise Refused(
            f"{run.purpose!r} is no purpose; use one of {', '.join(Purpose.values)}.", field="purpose"
        )
    if run.mode not in RunMode.values:
        raise Refused(f"{run.mode!r} is no mode; use one of {', '.join(RunMode.values)}.", field="mode")
    if not selected_comparisons(run).exists():
        what = f"with the tag {run.tag.name!r}" if run.tag else "in the project"
        raise Refused(f"There is no comparison to {run.purpose} {what}; import some first.", field="tag")
    check_budget(run.budget)
    if run.mode != RunMode.STORED:
        provider = provider_of(run.judge)
        ledger_of(run.judge, run, provider, CallPurpose.RUN)
        if run.mode == RunMode.BATCH:
            _check_batches(provider)


def _check_batches(provider: Provider) -> None:
    if not provider.free and not hasattr(provider, "submit"):
        raise Refused("This judge's provider has no batches; use live.", field="mode")
    if getattr(provider, "logprobs", False):
        raise Refused("A judge with logprobs is asked live: they are not read from batches.", field="mode")


def _refuse_a_second(judge: Judge) -> None:
    Judge.objects.select_for_update().get(pk=judge.pk)
    other = unfinished_run(judge)
    if other is not None:
        raise Refused(f"{judge} has a run under way (run {other.pk}); wait for its end, or cancel it first.")
