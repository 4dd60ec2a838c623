"""A change of many comparisons, left to a worker: what is asked for, stored with its job. See ``bulk``."""

from django.db import transaction

from feedback.actions.audit import record
from feedback.actions.jobs import queue_job
from feedback.models import BulkChange, Project
from feedback.people import Person
from feedback.queries.search import ComparisonFilter, last_comparison

TASK = "feedback.tasks.perform_bulk_change"
FEW = 300  # comparisons that are changed while one waits for the page


def queue_change(
    *, project: Project, verb: str, value: str, wanted: ComparisonFilter, by: Person
) -> BulkChange:
    """Let a worker do ``verb`` to all that the filter keeps now."""
    last = last_comparison(project)
    with transaction.atomic():
        job = queue_job(project=project, task=TASK, queue="default", by=by)
        asked = BulkChange.objects.create(
            project=project,
            job=job,
            verb=verb,
            value=value,
            wanted=wanted.parameters(),
            last=last,
            created_by=by,
        )
        record(by=by, verb="change many", target=asked, project=project, what=verb, value=value)
    return asked
