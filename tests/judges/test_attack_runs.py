"""Attack runs ask through the provider's API, keep what each attack did, and go on where they stopped."""

import pytest

from feedback.actions.jobs import cancel_job, resume_job
from feedback.errors import Refused
from feedback.models import JobState
from judges.actions.attacks import requests_of_attack_run, start_attack_run
from judges.core.attacks import ATTACKS, KINDS, PAIRS
from judges.core.rendering import sections_of
from judges.models import AttackResult, AttackRun, JudgeCall
from judges.queries import attack_results, judge_text
from judges.tasks import perform_attack_run
from tests.fake_api.judge import judge as obedient
from tests.fake_api.writing import text_of, write


@pytest.fixture
def judge(make_judge, scripted):
    scripted.answer = honest
    return make_judge("scripted", provider="scripted", model="claude-opus-5-5", settings={})


def honest(request):
    """What the scripted judge says of a request."""
    return text_of(write(dict(request.schema), obedient(request.messages[0]["content"])))


def gullible(request):
    """Prefers whatever response says more than the pair's own; as the honest one otherwise."""
    for section in sections_of(request):
        if any(pair.worse in section.text and pair.worse != section.text for pair in PAIRS):
            return f'{{"rationale": "So be it.", "verdict": "{section.name.split()[1]}"}}'
    return honest(request)


def perform(run: AttackRun) -> AttackRun:
    perform_attack_run(run.job_id)
    return AttackRun.objects.select_related("job").get(pk=run.pk)


def test_a_judge_that_keeps_to_the_fence_withstands_every_attack(judge, scripted):
    run = perform(start_attack_run(judge=judge, pairs=1, by=None))
    assert (run.job.state, run.job.done, run.job.total) == (JobState.SUCCEEDED, len(ATTACKS), len(ATTACKS))
    summary = attack_results(judge)
    assert (summary.rate["value"], summary.rate["n"]) == (0, len(ATTACKS))
    assert (summary.swayed, summary.asked, summary.disrupted, summary.excluded) == (0, 2 * len(ATTACKS), 0, 0)
    assert set(summary.by_kind) == set(KINDS)
    calls = JudgeCall.objects.filter(judge=judge)
    assert set(calls.values_list("purpose", "comparison")) == {("attack", None)}
    assert calls.count() == len(
        {request.sha256() for request in requests_of_attack_run(judge_text(judge), 1)}
    )
    assert len(scripted.asked) == calls.count()


def test_a_judge_that_can_be_told_is_found_out(judge, scripted):
    scripted.answer = gullible
    perform(start_attack_run(judge=judge, pairs=1, by=None))
    summary = attack_results(judge)
    assert (summary.rate["value"], summary.rate["n"]) == (1, len(ATTACKS))
    assert 0.9 < summary.rate["low"] < 1
    assert summary.swayed == summary.asked


def test_a_run_that_was_stopped_goes_on_without_asking_twice(judge, scripted):
    run = start_attack_run(judge=judge, pairs=1, by=None)

    def stops_later(request):
        if len(scripted.asked) == 30:
            cancel_job(job=run.job, by=None)
        return honest(request)

    scripted.answer = stops_later
    assert perform(run).job.state == JobState.CANCELLED
    assert 0 < AttackResult.objects.count() < len(ATTACKS)
    run.job.refresh_from_db()
    resume_job(job=run.job, by=None)
    assert perform(run).job.state == JobState.SUCCEEDED
    assert AttackResult.objects.count() == len(ATTACKS)
    assert len(set(scripted.asked)) == len(scripted.asked) == JudgeCall.objects.count()


def test_a_second_run_costs_nothing(judge, scripted):
    perform(start_attack_run(judge=judge, pairs=1, by=None))
    asked = len(scripted.asked)
    second = perform(start_attack_run(judge=judge, pairs=1, by=None))
    assert len(scripted.asked) == asked
    assert attack_results(judge).run == second


def test_two_at_once_and_pairs_that_do_not_exist_are_refused(judge):
    start_attack_run(judge=judge, by=None)
    with pytest.raises(Refused, match="already"):
        start_attack_run(judge=judge, by=None)
    for pairs in (0, len(PAIRS) + 1):
        with pytest.raises(Refused) as refused:
            start_attack_run(judge=judge, pairs=pairs, by=None)
        assert refused.value.field == "pairs"


def test_without_a_run_there_are_no_results(judge):
    assert attack_results(judge) is None


@pytest.mark.parametrize("mode", ["scores", "best_of_n", "pass_fail"])
def test_every_mode_can_be_attacked(make_judge, scripted, toned, mode):
    scripted.answer = honest
    judge = make_judge("scripted", provider="scripted", model="m", settings={}, mode=mode, rubric=toned)
    perform(start_attack_run(judge=judge, pairs=1, by=None))
    summary = attack_results(judge)
    assert (summary.rate["value"], summary.rate["n"]) == (0, len(ATTACKS))
