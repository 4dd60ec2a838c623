"""How a run is doing: what it cost, what failed, what may have been billed, and how long it takes."""

from datetime import timedelta
from decimal import Decimal

import pytest
from django.utils import timezone

from feedback.models import Job, JobState
from judges.actions.runs import start_judge_run
from judges.models import JudgeCall, JudgeRun
from judges.progress import run_progress, run_state


@pytest.fixture
def run(project, make_comparisons, make_judge) -> JudgeRun:
    make_comparisons(project, 4)
    return start_judge_run(judge=make_judge(), by=None)


def call(run, number, **changes) -> JudgeCall:
    values = {"judge": run.judge, "run": run, "request_sha256": f"{number:064d}", "shown": (0, 1)} | changes
    return JudgeCall.objects.create(**values)


def fresh(run, **job) -> JudgeRun:
    Job.objects.filter(pk=run.job_id).update(**job)
    return JudgeRun.objects.select_related("judge", "job").get(pk=run.pk)


def test_everything_is_counted_once(run):
    now = timezone.now()
    paid = {"answered_at": now, "cost": Decimal("0.01"), "input_tokens": 100, "output_tokens": 10}
    call(run, 1, **paid)
    call(run, 2, **paid | {"times_sent": 3, "times_unpaid": 1, "held": Decimal("0.05")})
    call(run, 3, **paid | {"cost": None, "answered_at": now - timedelta(hours=1)})
    call(run, 4, failure="rejected", times_unpaid=1)
    call(run, 5, failure="rejected", times_unpaid=1)
    call(run, 6, failure="no reply", held=Decimal("0.05"))
    call(run, 7, reserved=Decimal("0.05"))
    working = fresh(run, state=JobState.RUNNING, lease_until=now, done=1, total=4)
    told = run_progress(working)
    assert (told.answered, told.cost, told.unpriced) == (3, Decimal("0.02"), 1)
    assert told.failures == {"rejected": 2, "no reply": 1}
    assert (told.in_flight, told.unanswered, round(told.held, 6)) == (1, 2, Decimal("0.1"))
    assert (told.input_tokens, told.output_tokens, told.rate) == (300, 30, 2)
    assert told.seconds_left == 3 * 3 * 60 / 2
    # The worker is gone: what was in flight may have been billed.
    told = run_progress(fresh(run, state=JobState.INTERRUPTED))
    assert (told.in_flight, told.unanswered, told.seconds_left) == (0, 3, None)


def test_a_state_says_what_is_waited_for(run):
    assert run_state(fresh(run)) == "queued"
    assert run_state(fresh(run, not_before=timezone.now())) == "waiting"
    assert run_state(fresh(run, state=JobState.INTERRUPTED, not_before=None)) == "interrupted"
    assert run_state(fresh(run, pause_requested=True)) == "paused"
    JudgeRun.objects.update(stopped="budget")
    assert run_state(fresh(run, pause_requested=False)) == "budget"
