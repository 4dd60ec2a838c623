"""A run of a judge over real HTTP: what the server billed is what the store holds, and nothing is asked twice."""

from decimal import Decimal

import pytest

from feedback.models import JobState, Judgment, Outcome
from judges.actions.runs import resume_judge_run, start_judge_run
from judges.models import JudgeCall
from judges.queries import judge_summary

MODELS = {"anthropic": "claude-opus-5-5", "openai": "gpt-5.6-luna"}


@pytest.fixture
def make_api_judge(fake_api, make_judge):
    def make(name: str, **changes):
        url = fake_api.openai_url if name == "openai" else fake_api.url
        return make_judge(name, provider=name, model=MODELS[name], settings={"base_url": url}, **changes)

    return make


@pytest.mark.parametrize("name", ["anthropic", "openai"])
def test_what_was_billed_is_what_is_stored(
    fake_api, project, make_comparisons, make_api_judge, carry_out, name
):
    make_comparisons(project, 3)
    run = carry_out(start_judge_run(judge=make_api_judge(name), by=None))
    assert (run.job.state, run.job.done) == (JobState.SUCCEEDED, 3)
    assert Judgment.objects.filter(outcome=Outcome.RANKED).count() == 3
    bill, calls = fake_api.bill(), JudgeCall.objects.all()
    assert bill["requests"] == bill["delivered"] == bill["distinct"] == calls.count() == 6
    assert bill["tokens"]["input"] == sum(call.input_tokens for call in calls)
    assert abs(Decimal(bill["dollars"]) - sum(call.cost for call in calls)) < Decimal("0.00001")
    assert all(call.request_id.startswith("req_") for call in calls)


def test_a_run_that_broke_off_goes_on_without_asking_again(
    fake_api, project, make_comparisons, make_api_judge, carry_out
):
    make_comparisons(project, 3)
    judge = make_api_judge("anthropic")
    fake_api.script({"name": "out_of_credit", "skip": 4})
    run = carry_out(start_judge_run(judge=judge, by=None))
    assert run.job.state == JobState.FAILED
    resume_judge_run(run=run, by=None)
    assert carry_out(run).job.state == JobState.SUCCEEDED
    assert (fake_api.bill()["requests"], fake_api.bill()["paid_twice"]) == (6, 0)
    assert judge_summary(judge).unanswered == 0


def test_a_refusal_is_stored_as_one(fake_api, project, make_comparisons, make_api_judge, carry_out):
    make_comparisons(project, 1)
    fake_api.script({"name": "refusal", "category": "frontier_llm", "times": None})
    carry_out(start_judge_run(judge=make_api_judge("anthropic"), by=None))
    assert Judgment.objects.get().outcome == Outcome.REFUSED
