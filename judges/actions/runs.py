"""Judge runs: one judge is asked about many comparisons, and its verdicts go into the store.

What is left is read from the judgments, what was answered from the calls, so a run can die anywhere and go
on.
"""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from django.db import transaction

from feedback.actions.audit import record
from feedback.actions.jobs import Lease, cancel_job, queue_job, resume_job
from feedback.actions.judgments import store_verdicts
from feedback.errors import Refused
from feedback.models import Comparison, Purpose, Tag
from feedback.people import Person
from judges.actions.calls import replies_to
from judges.actions.judges import configured_provider
from judges.actions.questions import Questions
from judges.core.providers import Provider
from judges.models import Judge, JudgeRun
from judges.queries import comparisons_left, selected_comparisons, unfinished_run

BATCH = 100  # comparisons a transaction: people at work on SQLite wait for one batch at most
HEARTBEAT_SECONDS = 1.0


def start_judge_run(
    *, judge: Judge, by: Person, tag: Tag | None = None, purpose: str = Purpose.TRAIN
) -> JudgeRun:
    """Queue a run over the project's comparisons with this purpose, those of one tag or all of them.

    Comparisons that the judge has judged are left out as the run goes. Refused: nothing to judge, or a run
    of this judge that is under way, since two at once would ask the same twice.
    """
    run = JudgeRun(judge=judge, tag=tag, purpose=purpose, created_by=by)
    if purpose not in Purpose.values:
        raise Refused(f"{purpose!r} is no purpose; use one of {', '.join(Purpose.values)}.", field="purpose")
    if not selected_comparisons(run).exists():
        what = f"with the tag {tag.name!r}" if tag else "in the project"
        raise Refused(f"There is no comparison to {purpose} {what}; import some first.", field="tag")
    with transaction.atomic():
        _refuse_a_second(judge)
        run.job = queue_job(
            project=judge.project, task="judges.tasks.perform_judge_run", queue="judge", by=by
        )
        run.save()
        record(by=by, verb="start", target=run, project=judge.project, judge=str(judge), tag=str(tag or ""))
    return run


def cancel_judge_run(*, run: JudgeRun, by: Person) -> None:
    """Ask the run to stop; it does so after the request it is at. What it has stored stays."""
    cancel_job(job=run.job, by=by)


def resume_judge_run(*, run: JudgeRun, by: Person) -> None:
    """Go on with a run that did not end well. Refused while another run of the judge is under way."""
    with transaction.atomic():
        _refuse_a_second(run.judge)
        resume_job(job=run.job, by=by)


def carry_out_judge_run(lease: Lease) -> None:
    """Ask about every comparison that is left, batch by batch, and store the verdicts."""
    run = JudgeRun.objects.select_related("judge__rater", "judge__rubric").get(job_id=lease.job_id)
    work = _Work.of(run, lease)
    total = selected_comparisons(run).count()
    done = total - comparisons_left(run).count()
    lease.report(done, total, "")
    for batch in _batches(run):
        work.judge(batch)
        done += len(batch)
        lease.report(done, total)


def _refuse_a_second(judge: Judge) -> None:
    Judge.objects.select_for_update().get(pk=judge.pk)
    other = unfinished_run(judge)
    if other is not None:
        raise Refused(f"{judge} has a run under way (run {other.pk}); wait for its end, or cancel it first.")


def _batches(run: JudgeRun) -> Iterator[list[Comparison]]:
    """What is left, in order of primary key, each comparison once."""
    left = comparisons_left(run).select_related("prompt").prefetch_related("slots__response")
    last = 0
    while batch := list(left.filter(pk__gt=last)[:BATCH]):
        yield batch
        last = batch[-1].pk


@dataclass
class _Work:
    """One attempt at a run: what every request needs, and when the lease was last renewed."""

    run: JudgeRun
    lease: Lease
    provider: Provider
    questions: Questions
    renewed: float

    @classmethod
    def of(cls, run: JudgeRun, lease: Lease) -> "_Work":
        return cls(
            run=run,
            lease=lease,
            provider=configured_provider(run.judge.provider, run.judge.settings),
            questions=Questions.of(run.judge),
            renewed=time.monotonic(),
        )

    def judge(self, batch: Sequence[Comparison]) -> None:
        """Ask about each comparison of the batch, then store all its verdicts at once."""
        calls = {comparison.pk: self.questions.calls(comparison) for comparison in batch}
        replies = replies_to(
            [call for group in calls.values() for call in group],
            run=self.run,
            provider=self.provider,
            heartbeat=self._heartbeat,
        )
        store_verdicts(
            rater=self.run.judge.rater,
            verdicts=[
                self.questions.verdict(comparison, calls[comparison.pk], replies) for comparison in batch
            ],
        )

    def _heartbeat(self) -> None:
        if time.monotonic() - self.renewed >= HEARTBEAT_SECONDS:
            self.lease.report()
            self.renewed = time.monotonic()
