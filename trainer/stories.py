"""A run's state in plain words: what has happened, and what a person can do next."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import NamedTuple

from django.utils import timezone
from django.utils.translation import gettext
from django.utils.translation import gettext as _

from feedback.models import Job, JobState
from trainer.alarms import ALARMS, stalled
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
    return duration(((job.ended_at or timezone.now()) - job.started_at).total_seconds())


def duration(seconds: float) -> str:
    """Seconds in words, as short as a table wants them."""
    seconds = int(seconds)
    if seconds < 60:
        return f"{seconds} s"
    minutes, seconds = divmod(seconds, 60)
    return f"{minutes} min {seconds} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"


class ShownAlarm(NamedTuple):
    kind: str
    title: str
    meaning: str
    advice: str
    evidence: str
    step: int | None


def shown_alarms(events: Iterable[RunEvent], silent: str) -> list[ShownAlarm]:
    """A run's alarms in words; ``silent`` is the evidence that its runner has stalled, or nothing."""
    raised = [(event.data["alarm"], event.data["evidence"], event.step) for event in events]
    if silent:
        raised.append(("stalled", silent, None))
    return [
        ShownAlarm(kind, gettext(known.title), gettext(known.meaning), gettext(known.advice), evidence, step)
        for kind, evidence, step in raised
        if (known := ALARMS.get(kind))
    ]


def silence(run: Run, moments: Sequence[datetime]) -> str:
    """The evidence that a running run says nothing any more, by when its newest events were written."""
    if run.total_steps is None or run.spec.get("search"):  # loading a model, or a trial, may take its time
        return ""
    return stalled([moment.timestamp() for moment in moments], timezone.now().timestamp())


def last_checkpoint(run: Run) -> int | None:
    """The step of the newest checkpoint that the log tells of."""
    return run.events.filter(kind="checkpoint").order_by("-seq").values_list("step", flat=True).first()


def _queued(run: Run) -> Story:
    return Story(
        run.job.message or _("It waits for a worker."),
        _("A worker for training takes it up by itself; if none is running, start one with `make worker`."),
    )


def _running(run: Run) -> Story:
    if run.job.lease_until and run.job.lease_until < timezone.now():
        return Story(
            _("Its worker has gone silent; if it has died, the run will be marked interrupted shortly.")
        )
    if run.job.message:  # the machine that runs it does not answer
        return Story(run.job.message)
    if run.job.pause_requested:
        return Story(_("It is pausing: it saves a checkpoint first."))
    if run.job.cancel_requested:
        return Story(_("It is stopping: it saves a checkpoint first."))
    last = _last_event(run)
    searched = run.spec.get("search")
    if searched and last is not None and run.step < searched["trials"]:
        known = {"number": run.step + 1, "trials": searched["trials"]}
        return Story(_("It is searching: trial %(number)s of at most %(trials)s.") % known)
    if last is None or last.kind == "started":
        return Story(_("It is loading the model and the rows."))
    if run.total_steps is not None and run.step >= run.total_steps:
        return Story(_("All steps are done; it measures the held-out rows and saves the model."))
    return Story(_("It is training: %(steps)s.") % {"steps": _steps(run)})


def _succeeded(run: Run) -> Story:
    known = {"steps": run.step, "model": run.name, "seconds": f"{run.seconds:.0f}"}
    version = getattr(run, "model_version", None)
    policy = version is not None and version.kind == ModelKind.POLICY
    best = (run.result or {}).get("best")
    if best:
        known |= {"number": best["number"], "value": f"{best['value']:.4g}"}
    return Story(
        _(
            "It finished: %(steps)s trials in %(seconds)s seconds. The best is trial %(number)s with %(value)s, "
            "and its model is %(model)s."
        )
        % known
        if best
        else _("It finished: %(steps)s steps in %(seconds)s seconds. Its model is %(model)s.") % known,
        _("Evaluate the model against its base on prompts that were held out.") if policy else "",
    )


def _failed(run: Run) -> Story:
    advice = _("Mend the cause and resume. %(going_on)s With other parameters, start a new run.")
    return Story(run.job.message, advice % {"going_on": _going_on(run)})


def _cancelled(run: Run) -> Story:
    if run.total_steps is None:
        return Story(_("It was cancelled before its first step."), _("Resume starts it from the beginning."))
    return Story(_("It was cancelled at %(steps)s.") % {"steps": _steps(run)}, _going_on(run))


def _interrupted(run: Run) -> Story:
    """The job knows why its worker stopped; what the runner then did is in the events read afterwards."""
    last = _last_event(run)
    if last is not None and last.kind == "finished":
        return Story(run.job.message, _("The runner finished all the same: resume to pick up its result."))
    if run.job.pause_requested and run.total_steps is not None:
        return Story(_("It was paused at %(steps)s.") % {"steps": _steps(run)}, _going_on(run))
    parts = [run.job.message]
    if last is not None and last.kind == "cancelled" and last.data["reason"] not in run.job.message:
        noticed = _("The runner noticed at %(steps)s: %(reason)s. It saved what it had and stopped.")
        parts.append(noticed % {"steps": _steps(run), "reason": last.data["reason"]})
    # What the job says of a killed runner names its checkpoint; a worker that died could say nothing.
    advice = "" if "checkpoint" in run.job.message else _going_on(run)
    return Story(" ".join(parts), advice)


def _last_event(run: Run) -> RunEvent | None:
    return run.events.order_by("-seq").first()


def _steps(run: Run) -> str:
    if run.total_steps is None:
        return _("its start")
    known = {"step": run.step, "total": run.total_steps}
    return (
        _("trial %(step)s of %(total)s") if run.spec.get("search") else _("step %(step)s of %(total)s")
    ) % known


def _going_on(run: Run) -> str:
    if run.spec.get("search"):
        return _("Resumed, it goes on with the trial that it was in.")
    step = last_checkpoint(run)
    if step is None:
        return _("It has no checkpoint yet: resumed, it starts from the beginning.")
    return _("Resumed, it goes on from its last checkpoint, step %(step)s.") % {"step": step}
