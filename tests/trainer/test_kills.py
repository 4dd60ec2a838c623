"""What becomes of a run when its runner or its worker is killed, or a person stops it: real processes, real signals."""

import os
import re
import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import psutil
import pytest
from django.utils import timezone

from feedback.actions.jobs import perform_job, resume_job, sweep_jobs
from feedback.models import JobState
from trainer.actions.runs import carry_out_run, read_leftover_events, start_run
from trainer.events import read_events
from trainer.folders import run_folder
from trainer.launchers.registry import launcher_named
from trainer.models import Run
from trainer.stories import last_checkpoint, tell

pytestmark = [pytest.mark.training, pytest.mark.django_db(transaction=True)]

Perform = Callable[[int], subprocess.Popen[bytes]]
STEPS = 60


@pytest.fixture
def run(running_jobs: Perform, project, snapshot, policy_model) -> Run:
    parameters = {"max_steps": STEPS, "save_steps": 6, "logging_steps": 1, "max_length": 128, "batch_size": 4}
    return start_run(
        project=project, method="reward", base=policy_model, snapshot=snapshot, by=None, parameters=parameters
    )


def wait(process: subprocess.Popen[bytes], until: Callable[[], bool]) -> None:
    """Until something is so; fails when the process ends first, or after a minute."""
    for _ in range(3000):
        if until():
            return
        try:
            process.wait(0.02)
        except subprocess.TimeoutExpired:
            continue
        break
    assert until(), f"the process ended with {process.poll()} first"


def logged(run: Run, kind: str) -> list[int]:
    """The steps of the events of this kind in the run's log."""
    events, _ = read_events(run_folder(run) / "events.jsonl")
    return [event.get("step", 0) for event in events if event["kind"] == kind]


def runner_of(worker: subprocess.Popen[bytes]) -> psutil.Process:
    (runner,) = psutil.Process(worker.pid).children()
    assert "trainer.runner" in runner.cmdline()
    return runner


@contextmanager
def training(run: Run, perform: Perform, step: int) -> Iterator[subprocess.Popen[bytes]]:
    """A worker in the middle of the run, past this step; on leaving, the worker has ended."""
    worker = perform(run.job_id)
    wait(worker, lambda: any(each >= step for each in logged(run, "metric")))
    yield worker
    worker.wait(60)
    run.refresh_from_db()
    run.job.refresh_from_db()


def finish_resumed(run: Run, checkpoint: int) -> None:
    """Resume the run: it goes on from the checkpoint and reaches its last step."""
    before = len(logged(run, "started"))
    resume_job(job=run.job, by=None)
    perform_job(run.job_id, carry_out_run)
    run = Run.objects.get(pk=run.pk)
    assert run.job.state == JobState.SUCCEEDED, run.job.message
    started = run.events.filter(kind="started").order_by("seq")
    assert [event.data["resumed_step"] for event in started][before:] == [checkpoint]
    assert (run.step, run.total_steps) == (STEPS, STEPS)
    steps = run.events.filter(kind="metric", seq__gt=started.last().seq).values_list("step", flat=True)
    assert list(steps) == list(range(checkpoint + 1, STEPS + 1))
    assert run.model_version.name == run.name


@pytest.mark.every_database
@pytest.mark.slow
def test_a_killed_runner_interrupts_the_run_which_resumes_from_its_checkpoint(run, running_jobs):
    with training(run, running_jobs, step=7) as worker:
        runner_of(worker).kill()

    assert run.job.state == JobState.INTERRUPTED
    checkpoint = last_checkpoint(run)
    assert checkpoint is not None
    assert run.job.message == (
        f"The runner was killed (signal 9) at step {run.step} of {STEPS}; its last checkpoint is step "
        f"{checkpoint}. Resume continues from there."
    )
    assert tell(run).happened == run.job.message
    half_written = run_folder(run) / f"checkpoint-{STEPS - 1}"
    half_written.mkdir()
    (half_written / "model.safetensors").write_bytes(b"half of a")
    finish_resumed(run, checkpoint)
    assert not half_written.exists()


@pytest.mark.slow
def test_a_runner_stopped_from_outside_keeps_the_step_it_was_at(run, running_jobs):
    with training(run, running_jobs, step=7) as worker:
        os.kill(runner_of(worker).pid, signal.SIGTERM)

    assert run.job.state == JobState.INTERRUPTED
    pattern = (
        rf"The runner was stopped from outside at step (\d+) of {STEPS} \(SIGTERM was received\); "
        r"its last checkpoint is step \1. Resume continues from there\."
    )
    assert re.fullmatch(pattern, run.job.message), run.job.message


@pytest.mark.every_database
def test_a_killed_worker_leaves_an_orphan_that_stops_and_a_run_that_resumes(run, running_jobs):
    with training(run, running_jobs, step=7) as worker:
        runner = runner_of(worker)
        worker.kill()
    gone, _ = psutil.wait_procs([runner], timeout=60)
    assert gone, "the orphan did not stop by itself"
    assert run.job.state == JobState.RUNNING  # nobody has noticed yet

    run.job.lease_until = timezone.now() - timedelta(seconds=1)
    run.job.save(update_fields=["lease_until"])
    sweep_jobs()
    read_leftover_events()

    run = Run.objects.get(pk=run.pk)
    assert run.job.state == JobState.INTERRUPTED
    assert run.job.message == "Its worker died without a word. Resume to go on."
    (checkpoint,) = logged(run, "cancelled")
    story = tell(run)
    assert f"The runner noticed at step {checkpoint} of {STEPS}" in story.happened
    assert "the process that started the run has died" in story.happened
    assert story.advice == f"Resumed, it goes on from its last checkpoint, step {checkpoint}."
    finish_resumed(run, checkpoint)


@pytest.mark.slow
def test_a_runs_place_is_free_when_its_runner_has_ended_and_not_before(
    run, running_jobs, project, snapshot, policy_model
):
    """The worker is killed; its runner, in a long step, still has the card."""
    other = start_run(project=project, method="reward", base=policy_model, snapshot=snapshot, by=None, seed=1)
    with training(run, running_jobs, step=1) as worker:
        orphan = runner_of(worker)
        orphan.suspend()
        worker.kill()
    perform_job(other.job_id, carry_out_run)
    other.job.refresh_from_db()
    assert other.job.state == JobState.QUEUED
    assert tell(other).happened == "It waits for a free place: other runs hold every card."

    orphan.resume()
    psutil.wait_procs([orphan], timeout=60)
    assert launcher_named("local").start(bad_spec(run_folder(other))).poll() is None


def bad_spec(folder: Path) -> Path:
    """A spec that every runner refuses at once."""
    (folder / "spec.json").write_text("{}")
    return folder / "spec.json"


@pytest.mark.slow
def test_a_resumed_run_waits_for_the_runner_of_the_dead_worker(run, running_jobs, settings):
    settings.LAUNCHERS = {"local": {"slots": ["cpu", "cpu"]}}
    with training(run, running_jobs, step=7) as worker:
        orphan = runner_of(worker)
        orphan.suspend()  # as if it were in a long step
        worker.kill()
    run.job.state, run.job.lease_until = JobState.INTERRUPTED, None
    run.job.save(update_fields=["state", "lease_until"])
    resume_job(job=run.job, by=None)

    second = running_jobs(run.job_id)
    wait(second, lambda: "Another runner is at work" in (run_folder(run) / "runner.log").read_text())
    orphan.resume()
    second.wait(120)

    run = Run.objects.get(pk=run.pk)
    assert run.job.state == JobState.SUCCEEDED, run.job.message
    assert logged(run, "cancelled") != []
