"""The one task of this room: a judge run, carried out under its job's lease."""

from celery import shared_task

from feedback.actions.jobs import perform_job
from judges.actions.runs import carry_out_judge_run


@shared_task(ignore_result=True)
def perform_judge_run(job_id: int) -> None:
    perform_job(job_id, carry_out_judge_run)
