"""The one task of this room: the sweep that repairs what a lost message or a dead worker left behind."""

from celery import shared_task

from feedback.actions.assignments import expire_assignments
from feedback.actions.jobs import sweep_jobs


@shared_task(ignore_result=True)
def sweep() -> None:
    sweep_jobs()
    expire_assignments()
