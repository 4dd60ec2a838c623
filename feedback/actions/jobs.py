"""Background work: jobs are queued, claimed under a lease, kept alive, ended, and repaired by the sweep.

Rows are the truth. A lost message is sent again, a dead worker's job is started again until its attempts are spent,
and a worker that lost its lease finds out at its next heartbeat, because every write names its attempt.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from celery import current_app
from django.conf import settings
from django.db import transaction
from django.db.models import Case, F, Q, When
from django.utils import timezone
from kombu.exceptions import OperationalError

from feedback.actions.audit import record
from feedback.errors import Refused
from feedback.models import RESUMABLE, Job, JobState, Project
from feedback.people import Person

logger = logging.getLogger(__name__)
PAUSED = "Paused. Resume to go on."


class JobLost(Exception):
    """Another worker holds the job now, or it was ended: this attempt must write nothing more."""


class JobCancelled(Exception):
    """Somebody asked for the job to stop; raised by the work itself once what it holds is safe."""


class JobWaits(Exception):
    """What the work waits for happens elsewhere: the sweep starts it again ``until`` then, and no worker sleeps."""

    def __init__(self, until: datetime, message: str) -> None:
        super().__init__(message)
        self.until = until


class JobInterrupted(Exception):
    """The work stopped before its end through no fault of its own and can be resumed. Carries one sentence."""


@dataclass(frozen=True)
class Lease:
    """One attempt at one job. ``attempt`` is the fencing token."""

    job_id: int
    attempt: int

    def report(self, done: int | None = None, total: int | None = None, message: str | None = None) -> None:
        """Renew the lease and note progress. Raises JobLost or JobCancelled where the work must stop."""
        if self.renew(done, total, message):
            raise JobCancelled

    def renew(self, done: int | None = None, total: int | None = None, message: str | None = None) -> bool:
        """Renew the lease and note progress; True when somebody asked for a stop. Raises JobLost."""
        changes = {"done": done, "total": total, "message": message}
        held = Job.objects.filter(pk=self.job_id, state=JobState.RUNNING, attempts=self.attempt)
        with transaction.atomic():
            updated = held.update(
                lease_until=_lease_end(),
                **{name: value for name, value in changes.items() if value is not None},
            )
        if not updated:
            raise JobLost
        return Job.objects.values_list("cancel_requested", flat=True).get(pk=self.job_id)

    def pause_requested(self) -> bool:
        """Whether the stop that was asked for is to leave what is under way elsewhere as it is."""
        return Job.objects.values_list("pause_requested", flat=True).get(pk=self.job_id)


def queue_job(*, project: Project, task: str, queue: str, by: Person, max_attempts: int = 3) -> Job:
    """Store a job and send its message once the transaction is committed."""
    job = Job.objects.create(
        project=project, task=task, queue=queue, created_by=by, max_attempts=max_attempts
    )
    transaction.on_commit(lambda: send_message(job))
    return job


def send_message(job: Job) -> None:
    """Tell a worker that the job waits. A broker that is away costs nothing: the sweep sends it again."""
    Job.objects.filter(pk=job.pk, state=JobState.QUEUED).update(sent_at=timezone.now())
    try:
        current_app.send_task(job.task, args=[job.pk], queue=job.queue)
    except (OperationalError, OSError) as error:
        logger.warning(
            "The broker took no message for job %s (%s); the sweep will send it again.", job.pk, error
        )


def perform_job(job_id: int, work: Callable[[Lease], None]) -> None:
    """Claim the job, do the work under its lease, and write how it ended. Does nothing if the job is not free."""
    lease = claim_job(job_id)
    if lease is None:
        return
    try:
        work(lease)
    except JobLost:
        logger.warning("Job %s went to another worker; this attempt ends without a trace.", job_id)
    except JobCancelled:
        _stop(lease)
    except JobWaits as wait:
        _wait(lease, wait)
    except JobInterrupted as stop:
        _end(lease, JobState.INTERRUPTED, str(stop))
    except Refused as refusal:
        _end(lease, JobState.FAILED, refusal.sentence)
    except Exception as error:
        logger.exception("Job %s failed", job_id)
        cause = f"{type(error).__name__}: {error}"
        _end(lease, JobState.FAILED, f"It failed with {cause}. The worker's log has the details.")
    else:
        _end(lease, JobState.SUCCEEDED, None)


def claim_job(job_id: int) -> Lease | None:
    """Take the job if it waits or its lease has run out, else None. One statement, so two workers can not both."""
    now = timezone.now()
    free = Q(state=JobState.QUEUED) | Q(state=JobState.RUNNING, lease_until__lt=now)
    with transaction.atomic():
        due = Q(not_before=None) | Q(not_before__lte=now)
        claimed = Job.objects.filter(free, due, pk=job_id, attempts__lt=F("max_attempts")).update(
            state=JobState.RUNNING,
            not_before=None,
            attempts=F("attempts") + 1,
            lease_until=_lease_end(),
            started_at=now,
            ended_at=None,
        )
        job = Job.objects.get(pk=job_id) if claimed else None
    return Lease(job.pk, job.attempts) if job else None


def cancel_job(*, job: Job, by: Person) -> None:
    """Ask for a stop. A job that no worker has begun ends at once; another when its work has made itself safe."""
    with transaction.atomic():
        mine = Job.objects.filter(pk=job.pk)
        # Under way elsewhere: the work is woken, so that it can put an end to that.
        woken = mine.filter(state=JobState.QUEUED, not_before__isnull=False).update(
            not_before=None, cancel_requested=True, pause_requested=False
        )
        waiting = mine.filter(state=JobState.QUEUED, cancel_requested=False).update(
            state=JobState.CANCELLED, cancel_requested=True, message="Cancelled.", ended_at=timezone.now()
        )
        running = mine.filter(state=JobState.RUNNING).update(cancel_requested=True, pause_requested=False)
        if not woken + waiting + running:
            raise Refused("It has already ended, so there is nothing to cancel.")
        record(by=by, verb="cancel", target=job, project=job.project)
    if woken:
        transaction.on_commit(lambda: send_message(job))


def pause_job(*, job: Job, by: Person) -> None:
    """Ask for a stop that leaves everything as it is, also what is under way elsewhere, until it is resumed."""
    with transaction.atomic():
        mine = Job.objects.filter(pk=job.pk)
        waiting = mine.filter(state=JobState.QUEUED, cancel_requested=False).update(
            state=JobState.INTERRUPTED,
            pause_requested=True,
            not_before=None,
            message=PAUSED,
            ended_at=timezone.now(),
        )
        running = mine.filter(state=JobState.RUNNING, cancel_requested=False).update(
            cancel_requested=True, pause_requested=True
        )
        if not waiting + running:
            raise Refused("It has already ended or is stopping, so there is nothing to pause.")
        record(by=by, verb="pause", target=job, project=job.project)


def resume_job(*, job: Job, by: Person) -> None:
    """Queue an ended, unsuccessful job again; its work goes on from what is stored."""
    with transaction.atomic():
        queued = Job.objects.filter(pk=job.pk, state__in=RESUMABLE).update(
            state=JobState.QUEUED,
            cancel_requested=False,
            pause_requested=False,
            message="",
            ended_at=None,
            max_attempts=F("attempts") + 1,
        )
        if not queued:
            raise Refused("Only a job that failed, was cancelled or was interrupted can be resumed.")
        record(by=by, verb="resume", target=job, project=job.project)
    job.refresh_from_db()
    transaction.on_commit(lambda: send_message(job))


def sweep_jobs() -> None:
    """Send again what no worker took up; start again, or mark interrupted, what a dead worker held."""
    now = timezone.now()
    lost = Q(state=JobState.RUNNING, lease_until__lt=now)
    with transaction.atomic():
        Job.objects.filter(lost, pause_requested=True).update(
            state=JobState.INTERRUPTED, message=PAUSED, ended_at=now
        )
        Job.objects.filter(lost, cancel_requested=True).update(
            state=JobState.CANCELLED, message="Cancelled; its worker had died.", ended_at=now
        )
        Job.objects.filter(lost, attempts__gte=F("max_attempts")).update(
            state=JobState.INTERRUPTED,
            message="Its worker died without a word. Resume to go on.",
            ended_at=now,
        )
        Job.objects.filter(lost).update(
            state=JobState.QUEUED, sent_at=None, message="Its worker died; waiting."
        )
    unsent = Q(sent_at=None) | Q(sent_at__lt=now - timedelta(seconds=settings.JOB_LEASE_SECONDS))
    due = Q(not_before=None) | Q(not_before__lte=now)
    for job in Job.objects.filter(unsent, due, state=JobState.QUEUED):
        send_message(job)


def _lease_end() -> datetime:
    return timezone.now() + timedelta(seconds=settings.JOB_LEASE_SECONDS)


def _stop(lease: Lease) -> None:
    """End what was asked to stop: cancelled, or paused."""
    if lease.pause_requested():
        _end(lease, JobState.INTERRUPTED, PAUSED)
    else:
        _end(lease, JobState.CANCELLED, "Cancelled.")


def _wait(lease: Lease, wait: JobWaits) -> None:
    """Back into the queue until then. An attempt that ended well does not count against the work's attempts."""
    if lease.pause_requested():
        _stop(lease)
        return
    Job.objects.filter(pk=lease.job_id, state=JobState.RUNNING, attempts=lease.attempt).update(
        state=JobState.QUEUED,
        # A stop that was asked for in the meantime is not slept over.
        not_before=Case(When(cancel_requested=True, then=None), default=wait.until),
        sent_at=None,
        message=str(wait),
        max_attempts=F("max_attempts") + 1,
    )


def _end(lease: Lease, state: JobState, message: str | None) -> None:
    ended: dict[str, object] = {"state": state, "ended_at": timezone.now()}
    if message is not None:
        ended["message"] = message
    Job.objects.filter(pk=lease.job_id, state=JobState.RUNNING, attempts=lease.attempt).update(**ended)
