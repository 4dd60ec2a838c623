"""What this room's workers do: measure, apply policies, freeze, import files. A task takes a job's id and is short."""

from celery import shared_task

from alignment.actions.freezing import carry_out_freezing
from alignment.actions.health import carry_out_health
from alignment.actions.labels import carry_out_labelling
from alignment.actions.people import carry_out_people
from alignment.actions.reports import carry_out_report
from alignment.actions.uploads import carry_out_import
from feedback.actions.jobs import perform_job


@shared_task(ignore_result=True)
def perform_report(job_id: int) -> None:
    perform_job(job_id, carry_out_report)


@shared_task(ignore_result=True)
def perform_people(job_id: int) -> None:
    perform_job(job_id, carry_out_people)


@shared_task(ignore_result=True)
def perform_labelling(job_id: int) -> None:
    perform_job(job_id, carry_out_labelling)


@shared_task(ignore_result=True)
def perform_import(job_id: int) -> None:
    perform_job(job_id, carry_out_import)


@shared_task(ignore_result=True)
def perform_freezing(job_id: int) -> None:
    perform_job(job_id, carry_out_freezing)


@shared_task(ignore_result=True)
def perform_health(job_id: int) -> None:
    perform_job(job_id, carry_out_health)
