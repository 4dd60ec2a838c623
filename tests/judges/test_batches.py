"""Runs in batches: handed in once, found again, collected in any order, and waited for without a worker."""

from datetime import timedelta
from decimal import Decimal

import pytest
from django.utils import timezone

from feedback.actions.jobs import sweep_jobs
from feedback.errors import Refused
from feedback.models import Job, JobState, Judgment
from judges.actions import batches
from judges.actions.batches import BatchRun
from judges.actions.budgets import set_run_budget
from judges.actions.runs import cancel_judge_run, pause_judge_run, resume_judge_run, start_judge_run
from judges.models import BatchState, JudgeBatch, JudgeCall, JudgeRun, RunMode, Stopped

MODELS = {"anthropic": "claude-opus-5-5", "openai": "gpt-5.6-luna"}


class Killed(BaseException):
    """What stands in for a kill -9: nothing catches it."""


@pytest.fixture(autouse=True)
def at_once(monkeypatch):
    monkeypatch.setattr(batches, "SHORTEST_WAIT", 0.0)


@pytest.fixture(params=sorted(MODELS))
def batch_judge(request, make_judge, fake_api, monkeypatch):
    url = fake_api.url if request.param == "anthropic" else fake_api.openai_url
    monkeypatch.setenv("ANTHROPIC_API_KEY", "sk-test-0123456789")
    monkeypatch.setenv("ANTHROPIC_BASE_URL", fake_api.url)
    monkeypatch.setenv("OPENAI_API_KEY", "sk-test-0123456789")
    monkeypatch.setenv("OPENAI_BASE_URL", fake_api.openai_url)
    return make_judge(
        "batched",
        provider=request.param,
        model=MODELS[request.param],
        settings={"base_url": url, "max_tokens": 300},
    )


@pytest.fixture
def step(carry_out):
    """One attempt, whenever the job wanted the next one."""

    def attempt(run) -> JudgeRun:
        Job.objects.filter(pk=run.job_id).update(not_before=None, lease_until=timezone.now())
        return carry_out(run)

    return attempt


@pytest.fixture
def to_the_end(step):
    def carry_on(run, most: int = 12) -> JudgeRun:
        for _ in range(most):
            run = step(run)
            if run.job.state != JobState.QUEUED:
                return run
        raise AssertionError(f"still waiting: {run.job.message}")

    return carry_on


def assert_spent(run, bill) -> None:
    """What the server billed, each call rounded up to the millionth of a dollar."""
    more = round(run.spent, 6) - Decimal(bill["dollars"])
    assert 0 <= more <= bill["requests"] * Decimal("0.000001")


def kill_after(monkeypatch, name: str, *, before: bool = False) -> None:
    """The next call of this method of BatchRun is the process's last."""
    whole = getattr(BatchRun, name)

    def dies(self, *args, **kwargs):
        monkeypatch.setattr(BatchRun, name, whole)
        if not before:
            whole(self, *args, **kwargs)
        raise Killed

    monkeypatch.setattr(BatchRun, name, dies)


def test_a_batch_is_waited_for_in_the_queue_and_then_read(
    project, make_comparisons, batch_judge, fake_api, step, to_the_end
):
    fake_api.reset(batch_seconds=600)
    make_comparisons(project, 10)
    run = step(start_judge_run(judge=batch_judge, mode=RunMode.BATCH, by=None))
    assert run.job.state == JobState.QUEUED
    assert run.job.not_before is not None
    assert run.job.message == "20 requests are at the provider, in 1 batches."
    assert step(run).job.state == JobState.QUEUED
    fake_api.advance(700)
    run = to_the_end(run)
    assert (run.job.state, run.job.done) == (JobState.SUCCEEDED, 10)
    assert Judgment.objects.filter(current=True).count() == 10
    bill = fake_api.bill()
    assert (bill["requests"], bill["paid_twice"]) == (20, 0)
    assert_spent(run, bill)
    assert round(run.reserved, 6) == 0


def test_many_slices_are_handed_in_at_once(
    project, make_comparisons, batch_judge, fake_api, to_the_end, monkeypatch
):
    monkeypatch.setattr(batches, "MOST_REQUESTS", 7)
    make_comparisons(project, 10)
    run = to_the_end(start_judge_run(judge=batch_judge, mode=RunMode.BATCH, by=None))
    assert run.job.state == JobState.SUCCEEDED
    assert sorted(run.batches.values_list("requests", "state")) == [
        (6, BatchState.COLLECTED),
        (7, BatchState.COLLECTED),
        (7, BatchState.COLLECTED),
    ]


def test_slices_keep_to_a_size_in_bytes(
    project, make_comparisons, batch_judge, fake_api, to_the_end, monkeypatch
):
    monkeypatch.setattr(batches, "MOST_BYTES", 8000)
    make_comparisons(project, 4)
    run = to_the_end(start_judge_run(judge=batch_judge, mode=RunMode.BATCH, by=None))
    assert run.batches.count() > 1


@pytest.mark.parametrize(
    ("name", "before"),
    [
        ("_submit", True),
        ("_fill", False),
        ("_adopt", True),
        ("_adopt", False),
        ("_store", True),
        ("_store", False),
        ("_end", True),
        ("_collect", False),
    ],
)
def test_a_kill_anywhere_pays_for_nothing_twice_and_loses_nothing(
    project, make_comparisons, batch_judge, fake_api, step, to_the_end, monkeypatch, name, before
):
    monkeypatch.setattr(batches, "SETTLE_SECONDS", 0.0)
    make_comparisons(project, 6)
    run = start_judge_run(judge=batch_judge, mode=RunMode.BATCH, by=None)
    kill_after(monkeypatch, name, before=before)
    with pytest.raises(Killed):
        to_the_end(run)
    run = to_the_end(run)
    assert run.job.state == JobState.SUCCEEDED
    bill = fake_api.bill()
    assert (bill["requests"], bill["distinct"], bill["paid_twice"]) == (12, 12, 0)
    assert JudgeCall.objects.filter(answered_at__isnull=False).count() == 12
    assert_spent(run, bill)


def test_a_batch_of_somebody_else_of_the_same_size_is_told_apart(
    project, make_comparisons, batch_judge, fake_api, step, to_the_end, monkeypatch
):
    monkeypatch.setattr(batches, "SETTLE_SECONDS", 0.0)
    make_comparisons(project, 3)
    run = start_judge_run(judge=batch_judge, mode=RunMode.BATCH, by=None)
    kill_after(monkeypatch, "_adopt", before=True)
    with pytest.raises(Killed):
        step(run)
    # The row's own batch is taken for another's: what is left has its size, and not its requests.
    JudgeBatch.objects.filter(run=run).update(tag="f" * 32)
    run = to_the_end(run)
    assert run.job.state == JobState.SUCCEEDED
    assert sorted(run.batches.values_list("state", flat=True)) == [BatchState.COLLECTED, BatchState.LOST]


@pytest.mark.parametrize("fault", ["expired", "canceled", "server_error"])
def test_what_a_batch_did_not_do_goes_into_another(
    project, make_comparisons, batch_judge, fake_api, to_the_end, fault
):
    make_comparisons(project, 5)
    fake_api.script({"name": fault, "times": 3})
    run = to_the_end(start_judge_run(judge=batch_judge, mode=RunMode.BATCH, by=None))
    assert run.job.state == JobState.SUCCEEDED
    assert sorted(run.batches.values_list("requests", flat=True)) == [3, 10]
    assert fake_api.bill()["requests"] == 10


def test_what_no_batch_does_fails_after_so_many(project, make_comparisons, batch_judge, fake_api, to_the_end):
    make_comparisons(project, 5)
    fake_api.script({"name": "expired", "contains": "Question 2?", "times": None})
    run = to_the_end(start_judge_run(judge=batch_judge, mode=RunMode.BATCH, by=None))
    assert (run.job.state, run.stopped) == (JobState.INTERRUPTED, Stopped.FAILURES)
    assert "2 × expired" in run.job.message
    assert run.batches.count() == batches.MOST_TIMES
    assert Judgment.objects.count() == 4
    assert round(run.reserved, 6) == 0


def test_a_cancelled_run_cancels_its_batches_and_reads_what_was_done(
    project, make_comparisons, batch_judge, fake_api, step, to_the_end
):
    fake_api.reset(batch_seconds=1000)
    make_comparisons(project, 5)
    run = step(start_judge_run(judge=batch_judge, mode=RunMode.BATCH, by=None))
    fake_api.advance(500)
    cancel_judge_run(run=run, by=None)
    run = to_the_end(run)
    assert run.job.state == JobState.CANCELLED
    paid = fake_api.bill()["requests"]
    assert 0 < paid < 10
    assert JudgeCall.objects.filter(answered_at__isnull=False).count() == paid
    fake_api.advance(5000)
    assert fake_api.bill()["requests"] == paid
    fake_api.set(batch_seconds=0)
    resume_judge_run(run=run, by=None)
    assert to_the_end(run).job.state == JobState.SUCCEEDED
    assert fake_api.bill()["paid_twice"] == 0


def test_a_paused_run_leaves_its_batches_and_reads_them_when_resumed(
    project, make_comparisons, batch_judge, fake_api, step, to_the_end
):
    fake_api.reset(batch_seconds=1000)
    make_comparisons(project, 5)
    run = step(start_judge_run(judge=batch_judge, mode=RunMode.BATCH, by=None))
    pause_judge_run(run=run, by=None)
    run.job.refresh_from_db()
    assert run.job.state == JobState.INTERRUPTED
    fake_api.advance(2000)
    resume_judge_run(run=run, by=None)
    assert to_the_end(run).job.state == JobState.SUCCEEDED
    assert (run.batches.count(), fake_api.bill()["requests"]) == (1, 10)


def test_a_batch_takes_only_what_its_budget_has_room_for(
    project, make_comparisons, batch_judge, fake_api, to_the_end
):
    make_comparisons(project, 20)
    run = start_judge_run(judge=batch_judge, mode=RunMode.BATCH, by=None)
    set_run_budget(
        run=run, budget=Decimal("0.02") if "opus" in batch_judge.model else Decimal("0.001"), by=None
    )
    run = to_the_end(run, most=60)
    assert (run.job.state, run.stopped) == (JobState.INTERRUPTED, Stopped.BUDGET)
    assert_spent(run, fake_api.bill())
    assert 0 < run.spent <= run.budget
    set_run_budget(run=run, budget=None, by=None)
    resume_judge_run(run=run, by=None)
    assert to_the_end(run).job.state == JobState.SUCCEEDED
    assert fake_api.bill()["requests"] == 40


def test_a_provider_that_is_away_is_waited_for(
    project, make_comparisons, batch_judge, fake_api, step, to_the_end
):
    make_comparisons(project, 2)
    run = start_judge_run(judge=batch_judge, mode=RunMode.BATCH, by=None)
    endpoint = "message_batches.create" if batch_judge.provider == "anthropic" else "files.create"
    fake_api.script({"name": "server_error", "endpoint": endpoint, "times": 1})
    run = step(run)
    assert run.job.state == JobState.QUEUED
    assert "The provider gives no answer (Internal server error)" in run.job.message
    assert to_the_end(run).job.state == JobState.SUCCEEDED
    assert fake_api.bill()["requests"] == 4


def test_the_sweep_takes_up_what_is_due(project, make_comparisons, batch_judge, fake_api, step, monkeypatch):
    make_comparisons(project, 1)
    run = step(start_judge_run(judge=batch_judge, mode=RunMode.BATCH, by=None))
    sent = []
    monkeypatch.setattr("feedback.actions.jobs.send_message", lambda job: sent.append(job.pk))
    Job.objects.filter(pk=run.job_id).update(not_before=timezone.now() + timedelta(minutes=1))
    sweep_jobs()
    assert sent == []
    Job.objects.filter(pk=run.job_id).update(not_before=timezone.now())
    sweep_jobs()
    assert sent == [run.job_id]


def test_what_has_no_batches_is_refused(project, make_comparisons, make_judge, batch_judge, scripted):
    make_comparisons(project, 1)
    judge = make_judge("scripted", provider="scripted", model="claude-opus-5-5", settings={})
    with pytest.raises(Refused, match="has no batches"):
        start_judge_run(judge=judge, mode=RunMode.BATCH, by=None)
    if batch_judge.provider == "openai":
        weighted = make_judge(
            "weighted",
            provider="openai",
            model=batch_judge.model,
            settings=batch_judge.settings | {"logprobs": True},
        )
        with pytest.raises(Refused, match="asked live"):
            start_judge_run(judge=weighted, mode=RunMode.BATCH, by=None)
