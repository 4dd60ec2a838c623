"""Jobs: the one mechanism for background work. The row is the truth; a message only carries its id.

A worker takes a job by moving its row to running with a lease and one more attempt. The attempt number is the
fencing token: heartbeats and the final write name it, so a worker that lost its lease can not write any more.
"""

from django.conf import settings
from django.db import models
from django.db.models import Q

from feedback.models.project import Project


class JobState(models.TextChoices):
    QUEUED = "queued"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"
    INTERRUPTED = "interrupted"


UNFINISHED = (JobState.QUEUED, JobState.RUNNING)
RESUMABLE = (JobState.FAILED, JobState.CANCELLED, JobState.INTERRUPTED)


class Job(models.Model):
    """One piece of background work. ``task`` is the Celery task that performs it; what it is about points at it.

    ``max_attempts`` bounds how often the sweep starts it again by itself after a worker died. A queued job with
    ``not_before`` is under way and waits, without a worker, for something that happens elsewhere until then.
    """

    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="jobs")
    task = models.CharField(max_length=100)
    queue = models.CharField(max_length=20)
    state = models.CharField(max_length=12, choices=JobState.choices, default=JobState.QUEUED)
    attempts = models.PositiveSmallIntegerField(default=0)
    max_attempts = models.PositiveSmallIntegerField(default=3)
    lease_until = models.DateTimeField(null=True, blank=True)
    sent_at = models.DateTimeField(null=True, blank=True)
    not_before = models.DateTimeField(null=True, blank=True)
    pause_requested = models.BooleanField(default=False)
    cancel_requested = models.BooleanField(default=False)
    done = models.BigIntegerField(default=0)
    total = models.BigIntegerField(null=True, blank=True)
    message = models.TextField(blank=True)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="jobs"
    )
    created_at = models.DateTimeField(auto_now_add=True)
    started_at = models.DateTimeField(null=True, blank=True)
    ended_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ("-id",)
        constraints = (
            models.CheckConstraint(condition=Q(state__in=JobState.values), name="job_state_known"),
            models.CheckConstraint(
                condition=~Q(state="running") | Q(lease_until__isnull=False), name="job_running_has_a_lease"
            ),
        )
        indexes = (
            models.Index(fields=("state", "lease_until"), condition=Q(state="running"), name="job_leases"),
            models.Index(fields=("sent_at",), condition=Q(state="queued"), name="job_waiting"),
            models.Index(fields=("project", "-id"), name="job_by_project"),
        )

    def __str__(self) -> str:
        return f"{self.task} {self.pk}: {self.state}"
