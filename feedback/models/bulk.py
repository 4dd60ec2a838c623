"""Changes of many comparisons at once: what is to be done to which, and how far a worker has come."""

from django.conf import settings
from django.db import models

from feedback.models.job import Job
from feedback.models.project import Project


class BulkChange(models.Model):
    """One change of all comparisons that a filter keeps, as a job.

    ``verb`` and ``value`` are what ``feedback.actions.bulk`` does; ``wanted`` is the filter as its URL parameters.
    Comparisons above ``last`` came later and are none of it; those up to ``reached`` are done, ``changed`` of them
    otherwise than before.
    """

    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="bulk_changes")
    job = models.OneToOneField(Job, on_delete=models.CASCADE, related_name="bulk_change")
    verb = models.CharField(max_length=20)
    value = models.CharField(max_length=100, blank=True)
    wanted = models.JSONField(default=dict, blank=True)
    last = models.BigIntegerField()
    reached = models.BigIntegerField(default=0)
    changed = models.BigIntegerField(default=0)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="bulk_changes"
    )
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ("-id",)

    def __str__(self) -> str:
        return f"{self.verb} {self.value}".strip()
