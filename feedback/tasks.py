"""What this room's workers do: the sweep that repairs what a lost message or a dead worker left, and bulk changes."""

from celery import shared_task

from feedback.actions.assignments import expire_assignments
from feedback.actions.bulk import carry_out_bulk_change
from feedback.actions.jobs import perform_job, sweep_jobs


@shared_task(ignore_result=True)
def sweep() -> None:
    sweep_jobs()
    expire_assignments()


@shared_task(ignore_result=True)
def perform_bulk_change(job_id: int) -> None:
    perform_job(job_id, carry_out_bulk_change)
