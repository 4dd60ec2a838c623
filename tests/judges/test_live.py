"""Live runs against the API played locally: what is sent, retried, paid for, and what stops a run."""

from decimal import Decimal

import pytest
from django.db.models import F, Sum

from feedback.errors import Refused
from feedback.models import JobState, Judgment
from judges.actions import asking
from judges.actions.budgets import set_budget, set_run_budget
from judges.actions.calls import ask
from judges.actions.questions import Questions
from judges.actions.runs import (
    pause_judge_run,
    resume_judge_run,
    retry_failures,
    start_judge_run,
)
from judges.models import Budget, JudgeCall, RunMode, Stopped

KEY = "sk-ant-test-0123456789"


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(asking, "FIRST_BACKOFF", 0.01)
    monkeypatch.setattr(asking, "LONGEST_BACKOFF", 0.02)
    monkeypatch.setattr("judges.core.pacing.FIRST_WAIT", 0.01)


@pytest.fixture
def paid_judge(make_judge, fake_api, monkeypatch):
    """A judge at the API played locally, asked for short replies, so that what is reserved stays small."""
    monkeypatch.setenv("ANTHROPIC_API_KEY", KEY)
    monkeypatch.setenv("ANTHROPIC_BASE_URL", fake_api.url)
    return make_judge(
        "paid",
        provider="anthropic",
        model="claude-opus-5-5",
        settings={"base_url": fake_api.url, "max_tokens": 300},
    )


def maybe_billed(judge) -> int:
    rows = JudgeCall.objects.filter(judge=judge)
    sent = rows.aggregate(sent=Sum(F("times_sent") - F("times_unpaid")))["sent"]
    return sent - rows.filter(answered_at__isnull=False).count()


def stored_cost(judge) -> Decimal:
    return (
        JudgeCall.objects.filter(judge=judge)
        .aggregate(cost=Sum("cost"))["cost"]
        .quantize(Decimal("0.000001"))
    )


def test_what_the_server_bills_is_what_is_stored(project, make_comparisons, paid_judge, fake_api, carry_out):
    make_comparisons(project, 30)
    run = carry_out(start_judge_run(judge=paid_judge, by=None))
    assert run.job.state == JobState.SUCCEEDED
    bill = fake_api.bill()
    assert (bill["requests"], bill["delivered"], bill["paid_twice"]) == (60, 60, 0)
    assert stored_cost(paid_judge) == round(run.spent, 6) == Decimal(bill["dollars"])
    assert round(run.reserved, 6) == 0
    budget = Budget.objects.get(project=project, judge_name="")
    assert (round(budget.spent, 6), round(budget.reserved, 6)) == (round(run.spent, 6), 0)
    call = JudgeCall.objects.first()
    assert call.latency > 0
    assert call.request_id.startswith("req_")


@pytest.mark.parametrize(
    ("fault", "billed"),
    [
        ({"name": "rate_limited", "times": 3, "retry_after": 0.02}, False),
        ({"name": "overloaded", "times": 3}, False),
        ({"name": "server_error", "times": 3}, False),
        ({"name": "reset_after", "times": 2}, True),
        ({"name": "truncated_json", "times": 2}, True),
    ],
)
def test_what_goes_wrong_for_a_while_is_asked_again_and_counted(
    project, make_comparisons, paid_judge, fake_api, carry_out, fault, billed
):
    fake_api.reset(requests_per_minute=60_000)
    make_comparisons(project, 10)
    fake_api.script(fault)
    run = carry_out(start_judge_run(judge=paid_judge, by=None))
    assert run.job.state == JobState.SUCCEEDED
    assert Judgment.objects.filter(rater=paid_judge.rater, current=True).count() == 10
    lost = fault["times"] if billed else 0
    assert maybe_billed(paid_judge) == lost
    assert fake_api.bill()["requests"] == 20 + lost
    run.refresh_from_db()
    assert (round(run.reserved, 6) > 0) == billed


def test_a_rejected_call_leaves_its_comparison_without_a_judgment_until_it_is_retried(
    project, make_comparisons, paid_judge, fake_api, carry_out
):
    make_comparisons(project, 5)
    fake_api.script({"name": "bad_request", "contains": "Question 3?", "times": None})
    run = carry_out(start_judge_run(judge=paid_judge, by=None))
    assert (run.job.state, run.stopped) == (JobState.INTERRUPTED, Stopped.FAILURES)
    assert "1 comparisons have no verdict" in run.job.message
    assert "2 × rejected" in run.job.message
    assert Judgment.objects.count() == 4
    failed = JudgeCall.objects.filter(failure="rejected")
    assert set(failed.values_list("times_sent", "times_unpaid", "answered_at")) == {(1, 1, None)}

    seen = fake_api.state()["requests_seen"]
    resume_judge_run(run=run, by=None)
    assert carry_out(run).stopped == Stopped.FAILURES
    assert fake_api.state()["requests_seen"] == seen

    fake_api.script()
    retry_failures(run=run, by=None)
    run = carry_out(run)
    assert (run.job.state, run.stopped) == (JobState.SUCCEEDED, "")
    assert Judgment.objects.count() == 5
    assert fake_api.bill()["requests"] == 10
    with pytest.raises(Refused, match="nothing to ask again"):
        retry_failures(run=run, by=None)


def test_a_key_that_is_refused_stops_the_run_and_fails_no_call(
    project, make_comparisons, paid_judge, fake_api, carry_out
):
    make_comparisons(project, 5)
    fake_api.script({"name": "unauthorized", "times": None})
    run = carry_out(start_judge_run(judge=paid_judge, by=None))
    assert run.job.state == JobState.FAILED
    assert "Wrong API key: [key]" in run.job.message
    assert not JudgeCall.objects.exclude(failure="").exists()
    fake_api.script()
    resume_judge_run(run=run, by=None)
    assert carry_out(run).job.state == JobState.SUCCEEDED


def test_a_budget_is_never_passed_and_the_run_says_so(
    project, make_comparisons, paid_judge, fake_api, carry_out
):
    make_comparisons(project, 40)
    run = carry_out(start_judge_run(judge=paid_judge, budget=Decimal("0.05"), by=None))
    assert (run.job.state, run.stopped) == (JobState.INTERRUPTED, Stopped.BUDGET)
    assert "The budget of this run, $0.05, has no room" in run.job.message
    assert 0 < Decimal(fake_api.bill()["dollars"]) == round(run.spent, 6) <= Decimal("0.05")
    paid = fake_api.bill()["requests"]
    assert 0 < paid < 80

    set_run_budget(run=run, budget=Decimal(10), by=None)
    resume_judge_run(run=run, by=None)
    run = carry_out(run)
    assert (run.job.state, run.stopped) == (JobState.SUCCEEDED, "")
    assert fake_api.bill()["requests"] == 80


@pytest.mark.parametrize(("judge_name", "said"), [("", "of the project"), ("paid", "of the judge 'paid'")])
def test_the_budgets_of_project_and_judge_hold_for_runs(
    project, make_comparisons, paid_judge, fake_api, carry_out, judge_name, said
):
    make_comparisons(project, 20)
    set_budget(project=project, judge_name=judge_name, limit=Decimal("0.03"), by=None)
    run = carry_out(start_judge_run(judge=paid_judge, by=None))
    assert run.stopped == Stopped.BUDGET
    assert said in run.job.message
    assert Decimal(fake_api.bill()["dollars"]) <= Decimal("0.03")


def test_a_budget_on_a_price_that_nobody_knows_is_refused(
    project, make_comparisons, make_judge, paid_judge, fake_api
):
    make_comparisons(project, 1)
    unknown = make_judge("own", provider="anthropic", model="our-own", settings={"base_url": fake_api.url})
    with pytest.raises(Refused, match="The price of 'our-own' is not known, so no budget can be kept"):
        start_judge_run(judge=unknown, budget=Decimal(1), by=None)
    start_judge_run(judge=unknown, by=None)


@pytest.mark.parametrize("budget", ["-1", "NaN", "1e9", "0.00000001"])
def test_what_is_no_budget_is_refused(project, make_comparisons, paid_judge, budget):
    make_comparisons(project, 1)
    with pytest.raises(Refused, match="A budget is a number of dollars"):
        start_judge_run(judge=paid_judge, budget=Decimal(budget), by=None)


def test_a_paused_run_says_so_and_goes_on_where_it_was(
    project, make_comparisons, make_judge, scripted, carry_out, monkeypatch
):
    monkeypatch.setattr(asking, "MOST_IN_FLIGHT", 2)
    monkeypatch.setattr("judges.actions.asking.HEARTBEAT_SECONDS", 0)
    make_comparisons(project, 10)
    judge = make_judge("scripted", provider="scripted", model="claude-opus-5-5", settings={})
    run = start_judge_run(judge=judge, by=None)
    favours = scripted.answer

    def pause(request):
        if len(scripted.asked) == 3:
            pause_judge_run(run=run, by=None)
        return favours(request)

    scripted.answer = pause
    paused = carry_out(run)
    assert (paused.job.state, paused.job.message) == (
        JobState.INTERRUPTED,
        "Paused. Resume to go on.",
    )
    assert len(scripted.asked) < 20
    resume_judge_run(run=run, by=None)
    assert carry_out(run).job.state == JobState.SUCCEEDED
    assert len(scripted.asked) == len(set(scripted.asked)) == 20


def test_the_first_call_goes_alone_so_that_the_rest_read_what_it_cached(
    project, make_comparisons, make_judge, paid_judge, rubric, fake_api, carry_out
):
    fake_api.reset(latency=0.05)
    make_comparisons(project, 10)
    long = type(rubric).objects.create(
        project=project, name="Long", version=1, instructions="Prefer kindness. " * 300, sha256="0" * 64
    )
    judge = make_judge(
        "long",
        provider="anthropic",
        model="claude-opus-5-5",
        rubric=long,
        settings={"base_url": fake_api.url},
    )
    carry_out(start_judge_run(judge=judge, by=None))
    tokens = fake_api.bill()["tokens"]
    written = tokens["cache_write"]
    assert tokens["cache_read"] == 19 * written > 0
    stored = JudgeCall.objects.filter(judge=judge).aggregate(
        read=Sum("cache_read_tokens"), written=Sum("cache_write_tokens")
    )
    assert stored == {"read": tokens["cache_read"], "written": written}


def test_judges_that_ask_the_same_share_their_replies(
    project, make_comparisons, make_judge, paid_judge, fake_api, carry_out
):
    make_comparisons(project, 5)
    carry_out(start_judge_run(judge=paid_judge, by=None))
    twin = make_judge(
        "twin", provider="anthropic", model=paid_judge.model, settings=paid_judge.settings, samples=2
    )
    run = carry_out(start_judge_run(judge=twin, by=None))
    assert (run.job.state, run.reused) == (JobState.SUCCEEDED, 10)
    assert fake_api.bill()["requests"] == 20


def test_asking_outside_of_a_run_is_stored_reused_and_on_the_budget(
    project, make_comparisons, paid_judge, fake_api, carry_out
):
    comparison = make_comparisons(project, 1)[0]
    requests = [call.request for call in Questions.of(paid_judge).calls(comparison)]
    first = ask(judge=paid_judge, requests=requests, by=None)
    again = ask(judge=paid_judge, requests=requests[::-1], by=None)
    assert [call.pk for call in again] == [call.pk for call in first[::-1]]
    assert all(call.reply and call.cost and call.purpose == "playground" for call in first)
    assert fake_api.bill()["requests"] == 2
    run = carry_out(start_judge_run(judge=paid_judge, by=None))
    assert (run.job.state, run.reused) == (JobState.SUCCEEDED, 2)
    assert fake_api.bill()["requests"] == 2


def test_asking_outside_of_a_run_tells_what_failed(project, make_comparisons, paid_judge, fake_api):
    comparison = make_comparisons(project, 1)[0]
    requests = [call.request for call in Questions.of(paid_judge).calls(comparison)]
    fake_api.script({"name": "too_long", "times": 1})
    failed, answered = sorted(
        ask(judge=paid_judge, requests=requests, by=None), key=lambda call: call.answered_at is not None
    )
    assert (failed.failure, answered.failure) == ("too large", "")
    assert "too long" in failed.failure_message
    set_budget(project=project, limit=Decimal("0.0001"), by=None)
    with pytest.raises(Refused, match="budget of the project"):
        ask(judge=paid_judge, requests=requests, by=None)


def test_stored_replies_are_read_again_for_nothing(
    project, make_comparisons, paid_judge, fake_api, carry_out, monkeypatch
):
    make_comparisons(project, 4)
    carry_out(start_judge_run(judge=paid_judge, by=None))
    before = list(Judgment.objects.filter(current=True).values_list("pk", flat=True).order_by("pk"))
    run = carry_out(start_judge_run(judge=paid_judge, mode=RunMode.STORED, by=None))
    assert (run.job.state, run.job.done) == (JobState.SUCCEEDED, 4)
    assert list(Judgment.objects.values_list("pk", flat=True).order_by("pk")) == before

    from judges.actions import questions

    read = questions.read_verdict
    monkeypatch.setattr(
        questions, "read_verdict", lambda request, text, stop: read(request, text.replace('"', "“"), stop)
    )
    carry_out(start_judge_run(judge=paid_judge, mode=RunMode.STORED, by=None))
    assert set(Judgment.objects.filter(current=True).values_list("outcome", flat=True)) == {"unparseable"}
    assert Judgment.objects.count() == 8
    assert fake_api.bill()["requests"] == 8


@pytest.fixture
def patient(monkeypatch):
    monkeypatch.setattr(Questions, "parse_retries", 2)


def test_a_reply_that_does_not_parse_is_asked_again_as_another_sample(
    project, make_comparisons, paid_judge, fake_api, carry_out, patient
):
    make_comparisons(project, 3)
    fake_api.script({"name": "wrong_schema", "times": 2})
    run = carry_out(start_judge_run(judge=paid_judge, by=None))
    assert run.job.state == JobState.SUCCEEDED
    assert not Judgment.objects.filter(outcome="unparseable").exists()
    assert sorted(JudgeCall.objects.values_list("sample", flat=True)) in ([0] * 6 + [1, 1], [0] * 6 + [1, 2])
    assert fake_api.bill()["requests"] == 8


def test_a_reply_that_never_parses_is_asked_so_often_and_never_guessed(
    project, make_comparisons, paid_judge, fake_api, carry_out, patient
):
    make_comparisons(project, 1)
    fake_api.script({"name": "truncated_reply", "times": None})
    carry_out(start_judge_run(judge=paid_judge, by=None))
    assert Judgment.objects.get().outcome == "unparseable"
    assert fake_api.bill()["requests"] == 6
    Judgment.objects.all().delete()
    carry_out(start_judge_run(judge=paid_judge, by=None))
    assert fake_api.bill()["requests"] == 6


def test_no_key_is_in_any_row_or_message(project, make_comparisons, paid_judge, fake_api, carry_out, caplog):
    make_comparisons(project, 2)
    fake_api.script({"name": "unauthorized", "times": 1, "skip": 1})
    run = carry_out(start_judge_run(judge=paid_judge, by=None))
    texts = [run.job.message, caplog.text, *JudgeCall.objects.values_list("failure_message", flat=True)]
    assert KEY not in " ".join(texts)
