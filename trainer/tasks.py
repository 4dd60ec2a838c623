"""The tasks of this room: runs, checks, evaluations, scorings on the gpu queue, and the sweep over what was left."""

from celery import shared_task

from feedback.actions.jobs import perform_job
from trainer.actions.evaluations import carry_out_evaluation
from trainer.actions.generating import carry_out_generation
from trainer.actions.measuring import advance_evaluations
from trainer.actions.preflights import carry_out_preflight
from trainer.actions.pushing import carry_out_push
from trainer.actions.reward_checks import carry_out_reward_check
from trainer.actions.rounds import carry_out_round
from trainer.actions.runs import carry_out_run, read_leftover_events
from trainer.actions.scoring import carry_out_scoring


@shared_task(ignore_result=True)
def perform_run(job_id: int) -> None:
    perform_job(job_id, carry_out_run)


@shared_task(ignore_result=True)
def perform_preflight(job_id: int) -> None:
    perform_job(job_id, carry_out_preflight)


@shared_task(ignore_result=True)
def perform_evaluation(job_id: int) -> None:
    perform_job(job_id, carry_out_evaluation)


@shared_task(ignore_result=True)
def perform_scoring(job_id: int) -> None:
    perform_job(job_id, carry_out_scoring)


@shared_task(ignore_result=True)
def perform_reward_check(job_id: int) -> None:
    perform_job(job_id, carry_out_reward_check)


@shared_task(ignore_result=True)
def perform_push(job_id: int) -> None:
    perform_job(job_id, carry_out_push)


@shared_task(ignore_result=True)
def perform_generation(job_id: int) -> None:
    perform_job(job_id, carry_out_generation)


@shared_task(ignore_result=True)
def perform_round(job_id: int) -> None:
    perform_job(job_id, carry_out_round)


@shared_task(ignore_result=True)
def sweep() -> None:
    read_leftover_events()
    advance_evaluations()
