"""A run's state in plain words: what has happened, and what a person can do next."""

from typing import NamedTuple

from django.utils import timezone

from feedback.models import Job, JobState
from trainer.models import ModelKind, Run, RunEvent


class Story(NamedTuple):
    """``advice`` is empty where there is nothing to do but wait."""

    happened: str
    advice: str = ""


def tell(run: Run) -> Story:
    """The story of a run as it stands; needs ``run.job``."""
    tellers = {
        JobState.QUEUED: _queued,
        JobState.RUNNING: _running,
        JobState.SUCCEEDED: _succeeded,
        JobState.FAILED: _failed,
        JobState.CANCELLED: _cancelled,
        JobState.INTERRUPTED: _interrupted,
    }
    return tellers[JobState(run.job.state)](run)


def lasted(job: Job) -> str:
    """How long the newest attempt has taken, in words; empty before it began."""
    if job.started_at is None:
        return ""
    seconds = int(((job.ended_at or timezone.now()) - job.started_at).total_seconds())
    if seconds < 60:
        return f"{seconds} s"
    minutes, seconds = divmod(seconds, 60)
    return f"{minutes} min {seconds} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"


def last_checkpoint(run: Run) -> int | None:
    """The step of the newest checkpoint that the log tells of."""
    return run.events.filter(kind="checkpoint").order_by("-seq").values_list("step", flat=True).first()


def _queued(_run: Run) -> Story:
    return Story(
        "It waits for a worker.",
        "A worker for training takes it up by itself; if none is running, start one with `make worker`.",
    )


def _running(run: Run) -> Story:
    if run.job.lease_until and run.job.lease_until < timezone.now():
        return Story(
            "Its worker has gone silent; if it has died, the run will be marked interrupted shortly."
        )
    if run.job.cancel_requested:
        return Story("It is stopping: it saves a checkpoint first.")
    last = _last_event(run)
    if last is None or last.kind == "started":
        return Story("It is loading the model and the rows.")
    if run.total_steps is not None and run.step >= run.total_steps:
        return Story("All steps are done; it measures the held-out rows and saves the model.")
    return Story(f"It is training: {_steps(run)}.")


def _succeeded(run: Run) -> Story:
    seconds = (run.result or {}).get("seconds")
    took = f" in {seconds:.0f} seconds" if seconds is not None else ""
    version = getattr(run, "model_version", None)
    policy = version is not None and version.kind == ModelKind.POLICY
    return Story(
        f"It finished: {run.step} steps{took}. Its model is {run.name}.",
        "Evaluate the model against its base on prompts that were held out." if policy else "",
    )


def _failed(run: Run) -> Story:
    return Story(
        run.job.message,
        f"Mend the cause and resume: it {_goes_on(run)}. With other parameters, start a new run.",
    )


def _cancelled(run: Run) -> Story:
    if run.total_steps is None:
        return Story("It was cancelled before its first step.", "Resume starts it from the beginning.")
    return Story(f"It was cancelled at {_steps(run)}.", f"Resume: it {_goes_on(run)}.")


def _interrupted(run: Run) -> Story:
    """The job knows why its worker stopped; what the runner then did is in the events read afterwards."""
    last = _last_event(run)
    if last is not None and last.kind == "finished":
        return Story(run.job.message, "The runner finished all the same: resume to pick up its result.")
    parts = [run.job.message]
    if last is not None and last.kind == "cancelled" and last.data["reason"] not in run.job.message:
        parts.append(
            f"The runner noticed at {_steps(run)}: {last.data['reason']}. It saved what it had and stopped."
        )
    # What the job says of a killed runner names its checkpoint; a worker that died could say nothing.
    advice = "" if "checkpoint" in run.job.message else f"Resume: it {_goes_on(run)}."
    return Story(" ".join(parts), advice)


def _last_event(run: Run) -> RunEvent | None:
    return run.events.order_by("-seq").first()


def _steps(run: Run) -> str:
    return f"step {run.step} of {run.total_steps}" if run.total_steps is not None else "its start"


def _goes_on(run: Run) -> str:
    step = last_checkpoint(run)
    if step is None:
        return "has no checkpoint yet and starts from the beginning"
    return f"goes on from its last checkpoint, step {step}"
