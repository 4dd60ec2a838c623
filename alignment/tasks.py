"""What this room's workers do: measure agreement and apply policies. A task takes a job's id and is short."""

from celery import shared_task

from alignment.actions.labels import carry_out_labelling
from alignment.actions.reports import carry_out_report
from feedback.actions.jobs import perform_job


@shared_task(ignore_result=True)
def perform_report(job_id: int) -> None:
    perform_job(job_id, carry_out_report)


@shared_task(ignore_result=True)
def perform_labelling(job_id: int) -> None:
    perform_job(job_id, carry_out_labelling)
