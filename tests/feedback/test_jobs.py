"""Jobs: claimed once, fenced, cancelled, resumed, and repaired by the sweep."""

from datetime import timedelta

import pytest
from django.utils import timezone

from feedback.actions.jobs import (
    JobCancelled,
    JobInterrupted,
    JobLost,
    JobWaits,
    cancel_job,
    claim_job,
    pause_job,
    perform_job,
    queue_job,
    resume_job,
    sweep_jobs,
)
from feedback.errors import Refused
from feedback.models import AuditEntry, Job, JobState


@pytest.fixture
def job(project):
    return queue_job(project=project, task="feedback.tasks.sweep", queue="default", by=None, max_attempts=2)


def lapse(job):
    """Let the job's lease run out, as if its worker had died a while ago."""
    Job.objects.filter(pk=job.pk).update(lease_until=timezone.now() - timedelta(seconds=1))


def test_a_job_that_is_claimed_can_not_be_claimed_again(job):
    assert claim_job(job.pk).attempt == 1
    assert claim_job(job.pk) is None


def test_work_that_ends_well_succeeds_and_keeps_its_progress(job):
    perform_job(job.pk, lambda lease: lease.report(done=3, total=4, message="Third of four."))
    job.refresh_from_db()
    assert (job.state, job.done, job.total, job.message) == (JobState.SUCCEEDED, 3, 4, "Third of four.")
    assert job.ended_at is not None


@pytest.mark.parametrize(
    ("error", "state", "message"),
    [
        (
            Refused("The folder is gone; make it again."),
            JobState.FAILED,
            "The folder is gone; make it again.",
        ),
        (JobInterrupted("Stopped at step 3."), JobState.INTERRUPTED, "Stopped at step 3."),
        (JobCancelled(), JobState.CANCELLED, "Cancelled."),
        (KeyError("x"), JobState.FAILED, "KeyError"),
    ],
)
def test_how_the_work_ended_is_what_the_row_says(job, error, state, message):
    def work(lease):
        raise error

    perform_job(job.pk, work)
    job.refresh_from_db()
    assert job.state == state
    assert message in job.message


def test_a_worker_that_lost_its_lease_can_write_nothing_more(job):
    first = claim_job(job.pk)
    lapse(job)
    second = claim_job(job.pk)
    with pytest.raises(JobLost):
        first.report(done=99)
    second.report(done=1)
    job.refresh_from_db()
    assert (job.done, job.attempts) == (1, 2)


def test_an_attempt_that_lost_its_lease_does_not_end_the_other_ones_job(job):
    def work(lease):
        lapse(job)
        claim_job(job.pk)

    perform_job(job.pk, work)
    job.refresh_from_db()
    assert (job.state, job.attempts) == (JobState.RUNNING, 2)


def test_the_sweep_queues_a_dead_workers_job_again_until_its_attempts_are_spent(job):
    claim_job(job.pk)
    lapse(job)
    sweep_jobs()
    job.refresh_from_db()
    assert job.state == JobState.QUEUED
    claim_job(job.pk)
    lapse(job)
    sweep_jobs()
    job.refresh_from_db()
    assert (job.state, job.attempts) == (JobState.INTERRUPTED, 2)
    assert "Resume" in job.message


def test_the_sweep_sends_a_lost_message_again(job):
    long_ago = timezone.now() - timedelta(hours=1)
    Job.objects.filter(pk=job.pk).update(sent_at=long_ago)
    sweep_jobs()
    job.refresh_from_db()
    assert job.sent_at > long_ago


def test_the_sweep_leaves_a_living_job_alone(job):
    claim_job(job.pk)
    sweep_jobs()
    job.refresh_from_db()
    assert (job.state, job.attempts) == (JobState.RUNNING, 1)


def test_cancelling_a_waiting_job_ends_it_at_once(job):
    cancel_job(job=job, by=None)
    job.refresh_from_db()
    assert job.state == JobState.CANCELLED
    assert claim_job(job.pk) is None


def test_cancelling_a_running_job_reaches_its_next_report(job):
    def work(lease):
        cancel_job(job=job, by=None)
        lease.report(done=1)
        raise AssertionError("the report must have stopped the work")

    perform_job(job.pk, work)
    job.refresh_from_db()
    assert job.state == JobState.CANCELLED


def test_a_cancelled_job_whose_worker_died_is_not_started_again(job):
    claim_job(job.pk)
    cancel_job(job=job, by=None)
    lapse(job)
    sweep_jobs()
    job.refresh_from_db()
    assert job.state == JobState.CANCELLED


def test_a_job_that_ended_badly_can_be_resumed_and_one_that_succeeded_can_not(job):
    perform_job(job.pk, lambda lease: (_ for _ in ()).throw(JobInterrupted("Stopped.")))
    resume_job(job=job, by=None)
    perform_job(job.pk, lambda lease: None)
    job.refresh_from_db()
    assert (job.state, job.attempts) == (JobState.SUCCEEDED, 2)
    with pytest.raises(Refused):
        resume_job(job=job, by=None)
    with pytest.raises(Refused):
        cancel_job(job=job, by=None)


def test_cancel_and_resume_leave_a_line_in_the_audit_trail(job, make_user):
    owner = make_user("olga")
    cancel_job(job=job, by=owner)
    resume_job(job=job, by=owner)
    lines = AuditEntry.objects.filter(target="job", target_id=job.pk).order_by("pk")
    assert [(line.verb, line.actor) for line in lines] == [("cancel", owner), ("resume", owner)]


def waits(until):
    def work(lease):
        raise JobWaits(until, "Waits for a batch.")

    return work


def test_a_job_that_waits_is_queued_without_a_worker_until_then(job):
    until = timezone.now() + timedelta(hours=1)
    perform_job(job.pk, waits(until))
    job.refresh_from_db()
    assert (job.state, job.not_before, job.message) == (JobState.QUEUED, until, "Waits for a batch.")
    assert claim_job(job.pk) is None
    Job.objects.filter(pk=job.pk).update(not_before=timezone.now())
    lease = claim_job(job.pk)
    job.refresh_from_db()
    assert (lease.attempt, job.not_before) == (2, None)


def test_waiting_uses_up_no_attempt(job):
    for _ in range(5):
        perform_job(job.pk, waits(timezone.now()))
    job.refresh_from_db()
    assert (job.state, job.attempts, job.max_attempts) == (JobState.QUEUED, 5, 7)


def test_the_sweep_sends_a_waiting_job_when_it_is_due_and_not_before(job, monkeypatch):
    sent = []
    monkeypatch.setattr("feedback.actions.jobs.send_message", lambda job: sent.append(job.pk))
    perform_job(job.pk, waits(timezone.now() + timedelta(hours=1)))
    sweep_jobs()
    assert sent == []
    Job.objects.filter(pk=job.pk).update(not_before=timezone.now())
    sweep_jobs()
    assert sent == [job.pk]


def test_a_waiting_job_that_is_cancelled_is_woken_to_make_itself_safe(job):
    perform_job(job.pk, waits(timezone.now() + timedelta(hours=1)))
    cancel_job(job=job, by=None)
    job.refresh_from_db()
    assert (job.state, job.not_before, job.cancel_requested) == (JobState.QUEUED, None, True)
    perform_job(job.pk, lambda lease: lease.report())
    job.refresh_from_db()
    assert job.state == JobState.CANCELLED


def test_a_stop_that_is_asked_for_while_work_decides_to_wait_is_not_slept_over(job):
    def work(lease):
        cancel_job(job=job, by=None)
        raise JobWaits(timezone.now() + timedelta(hours=1), "Waits.")

    perform_job(job.pk, work)
    job.refresh_from_db()
    assert (job.state, job.not_before) == (JobState.QUEUED, None)


def test_a_paused_job_is_interrupted_and_can_be_resumed(job):
    def work(lease):
        pause_job(job=job, by=None)
        lease.report()

    perform_job(job.pk, work)
    job.refresh_from_db()
    assert (job.state, job.message, job.pause_requested) == (
        JobState.INTERRUPTED,
        "Paused. Resume to go on.",
        True,
    )
    resume_job(job=job, by=None)
    perform_job(job.pk, lambda lease: lease.report())
    job.refresh_from_db()
    assert (job.state, job.pause_requested) == (JobState.SUCCEEDED, False)


@pytest.mark.parametrize("begun", [False, True])
def test_a_job_that_waits_is_paused_at_once(job, begun):
    if begun:
        perform_job(job.pk, waits(timezone.now() + timedelta(hours=1)))
    pause_job(job=job, by=None)
    job.refresh_from_db()
    assert (job.state, job.pause_requested, job.not_before) == (JobState.INTERRUPTED, True, None)
    with pytest.raises(Refused, match="nothing to pause"):
        pause_job(job=job, by=None)


def test_a_dead_workers_job_that_was_to_pause_is_paused(job):
    claim_job(job.pk)
    pause_job(job=job, by=None)
    lapse(job)
    sweep_jobs()
    job.refresh_from_db()
    assert (job.state, job.message) == (JobState.INTERRUPTED, "Paused. Resume to go on.")
