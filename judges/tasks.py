"""The work of this room that takes long, each carried out under its job's lease."""

from celery import shared_task

from feedback.actions.jobs import perform_job
from judges.actions.attacks import carry_out_attack_run
from judges.actions.panels import carry_out_panel_run
from judges.actions.runs import carry_out_judge_run


@shared_task(ignore_result=True)
def perform_judge_run(job_id: int) -> None:
    perform_job(job_id, carry_out_judge_run)


@shared_task(ignore_result=True)
def perform_attack_run(job_id: int) -> None:
    perform_job(job_id, carry_out_attack_run)


@shared_task(ignore_result=True)
def perform_panel_run(job_id: int) -> None:
    perform_job(job_id, carry_out_panel_run)
