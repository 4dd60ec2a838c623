"""Runs store every reply before it is read, ask nothing twice that was answered, and go on after a crash."""

import json
from decimal import Decimal

import pytest
from django.utils import timezone

from feedback.actions.imports import store_records
from feedback.actions.jobs import cancel_job
from feedback.errors import Refused
from feedback.models import Comparison, JobState, Judgment, Outcome, Purpose
from feedback.records import ComparisonRecord, JudgmentRecord, ResponseRecord
from judges.actions.cases import BATCH
from judges.actions.rubrics import create_rubric
from judges.actions.runs import cancel_judge_run, resume_judge_run, start_judge_run
from judges.core.rubric import CriterionText
from judges.models import JudgeCall, JudgeRun
from judges.queries import judge_summary


def verdict(label: str) -> str:
    return f'{{"rationale": "{label} is better.", "verdict": "{label}"}}'


@pytest.fixture
def judge(make_judge, scripted):
    return make_judge("scripted", provider="scripted", model="claude-opus-5-5", settings={})


@pytest.fixture
def one_by_one(monkeypatch):
    """At most two calls in flight, and a look at the lease between any two."""
    monkeypatch.setattr("judges.actions.asking.MOST_IN_FLIGHT", 2)
    monkeypatch.setattr("judges.actions.asking.HEARTBEAT_SECONDS", 0)


def test_every_comparison_gets_a_verdict_and_its_calls(project, make_comparisons, make_judge, carry_out):
    make_comparisons(project, BATCH + 20)
    run = carry_out(start_judge_run(judge=make_judge(), by=None))
    assert (run.job.state, run.job.done, run.job.total) == (JobState.SUCCEEDED, BATCH + 20, BATCH + 20)
    stored = Judgment.objects.filter(rater=run.judge.rater, current=True)
    assert set(stored.values_list("outcome", "ranking")) == {(Outcome.RANKED, (1, 2))}
    assert stored.count() == BATCH + 20
    calls = JudgeCall.objects.filter(run=run, answered_at__isnull=False)
    assert calls.count() == 2 * (BATCH + 20)
    assert set(calls.values_list("shown", "cost", "times_sent")) == {((0, 1), 0, 1), ((1, 0), 0, 1)}


def test_a_run_leaves_the_peoples_queue_alone(project, make_comparisons, make_judge, carry_out):
    comparison = make_comparisons(project, 1)[0]
    carry_out(start_judge_run(judge=make_judge(), by=None))
    comparison.queue_item.refresh_from_db()
    assert comparison.queue_item.slots_free == project.overlap


def test_a_second_run_asks_nothing(project, make_comparisons, judge, scripted, carry_out):
    make_comparisons(project, 5)
    carry_out(start_judge_run(judge=judge, by=None))
    again = carry_out(start_judge_run(judge=judge, by=None))
    assert (again.job.state, again.job.done) == (JobState.SUCCEEDED, 5)
    assert len(scripted.asked) == 10
    assert Judgment.objects.count() == 5


def test_a_crash_in_the_middle_pays_for_nothing_twice(project, make_comparisons, judge, scripted, carry_out):
    make_comparisons(project, 20)
    answer = scripted.answer

    def fail_halfway(request):
        if len(scripted.asked) == 15:
            raise ConnectionError("the line went dead")
        return answer(request)

    scripted.answer = fail_halfway
    run = carry_out(start_judge_run(judge=judge, by=None))
    assert run.job.state == JobState.FAILED
    assert "the line went dead" in run.job.message
    # What was in flight at the crash was still stored.
    assert JudgeCall.objects.filter(answered_at__isnull=False).count() == len(scripted.answered) >= 14
    assert judge_summary(judge).unanswered == 1

    resume_judge_run(run=run, by=None)
    run = carry_out(run)
    assert run.job.state == JobState.SUCCEEDED
    assert len(scripted.answered) == len(set(scripted.answered)) == 40
    assert len(scripted.asked) == 41
    assert Judgment.objects.filter(outcome=Outcome.RANKED).count() == 20
    assert judge_summary(judge).unanswered == 1


def test_replies_that_were_stored_before_a_kill_are_read_for_free(
    project, make_comparisons, judge, scripted, carry_out
):
    make_comparisons(project, 3)
    carry_out(start_judge_run(judge=judge, by=None))
    before = list(Judgment.objects.order_by("pk").values_list("comparison", "ranking", "submission_id"))
    Judgment.objects.all().delete()
    carry_out(start_judge_run(judge=judge, by=None))
    assert len(scripted.asked) == 6
    assert (
        list(Judgment.objects.order_by("pk").values_list("comparison", "ranking", "submission_id")) == before
    )


def test_a_call_is_stored_as_sent_before_the_provider_is_asked(
    project, make_comparisons, judge, scripted, carry_out
):
    make_comparisons(project, 1)
    seen = []

    def look(request):
        seen.append(JudgeCall.objects.get(request_sha256=request.sha256()))
        return verdict("tie")

    scripted.answer = look
    carry_out(start_judge_run(judge=judge, by=None))
    assert [(call.answered_at, call.reply) for call in seen] == [(None, ""), (None, "")]


def test_the_raw_reply_is_kept_with_its_usage_and_cost(project, make_comparisons, judge, scripted, carry_out):
    make_comparisons(project, 1)
    scripted.answer = lambda request: "I prefer \x00 neither \ud800."
    carry_out(start_judge_run(judge=judge, by=None))
    call = JudgeCall.objects.order_by("pk").first()
    assert call.reply == "I prefer \ufffd neither ?."
    assert (call.input_tokens, call.output_tokens, call.request_id) == (1000, 100, "req_1")
    assert call.cost == Decimal("0.006")
    assert Judgment.objects.get().outcome == Outcome.UNPARSEABLE


def test_an_unknown_price_is_counted_and_not_added(
    project, make_comparisons, make_judge, scripted, carry_out
):
    make_comparisons(project, 1)
    scripted.served_model = "our-own-model"
    judge = make_judge("scripted", provider="scripted", model="m", settings={})
    carry_out(start_judge_run(judge=judge, by=None))
    summary = judge_summary(judge)
    assert (summary.calls, summary.unpriced, summary.cost) == (2, 2, 0)


@pytest.mark.parametrize(
    ("answer", "stop_reason", "outcome"),
    [
        (lambda request: verdict("XK"), "end_turn", Outcome.INCONSISTENT),
        (lambda request: verdict("XK"), "refusal", Outcome.REFUSED),
        (lambda request: "XK is better.", "end_turn", Outcome.UNPARSEABLE),
    ],
)
def test_what_is_no_verdict_stays_missing(
    project, make_comparisons, judge, scripted, carry_out, answer, stop_reason, outcome
):
    make_comparisons(project, 4)
    scripted.answer, scripted.stop_reason = answer, stop_reason
    carry_out(start_judge_run(judge=judge, by=None))
    assert set(Judgment.objects.values_list("outcome", "ranking")) == {(outcome, ())}
    summary = judge_summary(judge)
    assert (summary.asked, summary.ranked, getattr(summary, outcome)) == (4, 0, 4)
    assert summary.coverage["value"] == 0


def test_counts_and_shares_of_a_mixed_judge(project, make_comparisons, judge, scripted, carry_out):
    make_comparisons(project, 10)
    favours = scripted.answer
    scripted.answer = lambda request: (
        verdict("XK") if "Question 3?" in str(request.messages) else favours(request)
    )
    carry_out(start_judge_run(judge=judge, by=None))
    summary = judge_summary(judge)
    assert (summary.asked, summary.ranked, summary.inconsistent) == (10, 9, 1)
    assert (summary.consistency["value"], summary.consistency["n"]) == (0.9, 10)
    assert summary.consistency["low"] < 0.9 < summary.consistency["high"]
    assert summary.cost == Decimal("0.12")


def test_one_order_is_drawn_for_each_comparison_and_stored(project, make_comparisons, make_judge, carry_out):
    make_comparisons(project, 40)
    judge = make_judge(both_orders=False)
    carry_out(start_judge_run(judge=judge, by=None))
    assert set(Judgment.objects.values_list("ranking", "shown")) == {((1, 2), (0, 1)), ((1, 2), (1, 0))}
    assert JudgeCall.objects.count() == 40
    assert judge_summary(judge).consistency["value"] is None


def test_samples_are_asked_apart_and_their_majority_counts(
    project, make_comparisons, make_judge, scripted, carry_out
):
    make_comparisons(project, 1)
    judge = make_judge("scripted", provider="scripted", model="m", settings={}, samples=3)
    favours = scripted.answer
    scripted.answer = lambda request: verdict("tie") if request.sample == 1 else favours(request)
    carry_out(start_judge_run(judge=judge, by=None))
    assert len(set(scripted.asked)) == 6
    assert Judgment.objects.get().ranking == (1, 2)


def test_comparisons_with_the_same_texts_share_their_calls(project, judge, scripted, carry_out):
    responses = [ResponseRecord("a", "x", "Yes."), ResponseRecord("b", "y", "No.")]
    prompt = [{"role": "user", "content": "Well?"}]
    records = [ComparisonRecord(prompt, responses, key=f"twin {number}", line=number) for number in (1, 2)]
    store_records(project=project, records=records, by=None)
    carry_out(start_judge_run(judge=judge, by=None))
    assert len(scripted.asked) == 2
    assert Judgment.objects.filter(ranking=(1, 2)).count() == 2


def test_scores_are_stored_against_the_canonical_position(
    project, make_comparisons, make_judge, scripted, carry_out
):
    make_comparisons(project, 1)
    rubric = create_rubric(
        project=project, name="T", instructions="", criteria=[CriterionText("tone")], by=None
    )
    judge = make_judge(
        "scripted", provider="scripted", model="m", settings={}, rubric=rubric, both_orders=False
    )
    scripted.answer = lambda request: json.dumps(
        {
            "rationale": "",
            "scores": {request.ids[0]: {"tone": 5}, request.ids[1]: {"tone": 1}},
            "verdict": request.ids[0],
        }
    )
    carry_out(start_judge_run(judge=judge, by=None))
    judgment = Judgment.objects.get()
    levels = dict(judgment.scores.values_list("position", "value"))
    assert levels == {judgment.shown[0]: 5, judgment.shown[1]: 1}


def test_a_tag_and_a_purpose_select(project, make_comparisons, judge, scripted, carry_out):
    comparisons = make_comparisons(project, 6)
    Comparison.objects.filter(pk=comparisons[0].pk).update(purpose=Purpose.EVALUATE)
    run = carry_out(start_judge_run(judge=judge, tag=project.tags.get(name="even"), by=None))
    assert run.job.total == 2
    run = carry_out(start_judge_run(judge=judge, purpose=Purpose.EVALUATE, by=None))
    assert run.job.total == 1
    judged = Judgment.objects.values_list("comparison", flat=True)
    assert sorted(judged) == [comparisons[index].pk for index in (0, 2, 4)]


def test_judgments_of_others_do_not_count_as_this_judges(
    project, make_comparisons, judge, scripted, carry_out
):
    make_comparisons(project, 2, [JudgmentRecord("gpt", kind="judge", ranking={"a": 1, "b": 2})])
    run = carry_out(start_judge_run(judge=judge, by=None))
    assert run.job.total == 2
    assert Judgment.objects.filter(rater=judge.rater).count() == 2


def test_a_cancelled_run_keeps_what_it_has_and_can_be_resumed(
    project, make_comparisons, judge, scripted, carry_out, one_by_one
):
    make_comparisons(project, 20)
    run = start_judge_run(judge=judge, by=None)
    favours = scripted.answer

    def cancel_at_first(request):
        if len(scripted.asked) == 1:
            cancel_job(job=run.job, by=None)
        return favours(request)

    scripted.answer = cancel_at_first
    run = carry_out(run)
    assert run.job.state == JobState.CANCELLED
    assert 0 < len(scripted.answered) < 40
    resume_judge_run(run=run, by=None)
    assert carry_out(run).job.state == JobState.SUCCEEDED
    assert len(scripted.asked) == len(set(scripted.asked)) == 40


def test_a_slow_provider_is_stopped_between_two_requests(
    project, make_comparisons, judge, scripted, carry_out, one_by_one
):
    make_comparisons(project, 5)
    run = start_judge_run(judge=judge, by=None)
    favours = scripted.answer

    def cancel_at_third(request):
        if len(scripted.asked) == 3:
            cancel_judge_run(run=run, by=None)
        return favours(request)

    scripted.answer = cancel_at_third
    assert carry_out(run).job.state == JobState.CANCELLED
    assert 3 <= JudgeCall.objects.filter(answered_at__isnull=False).count() == len(scripted.asked) < 10


def test_a_worker_that_lost_its_lease_stops_asking(
    project, make_comparisons, judge, scripted, carry_out, one_by_one
):
    make_comparisons(project, 20)
    run = start_judge_run(judge=judge, by=None)
    favours = scripted.answer

    def lose_the_lease(request):
        type(run.job).objects.filter(pk=run.job_id).update(attempts=2, lease_until=timezone.now())
        return favours(request)

    scripted.answer = lose_the_lease
    assert carry_out(run).job.state == JobState.RUNNING
    assert len(scripted.asked) < 40


def test_a_second_run_of_a_judge_at_once_is_refused(project, make_comparisons, make_judge):
    make_comparisons(project, 1)
    judge = make_judge()
    first = start_judge_run(judge=judge, by=None)
    with pytest.raises(Refused, match=rf"run under way \(run {first.pk}\)"):
        start_judge_run(judge=judge, by=None)
    cancel_judge_run(run=first, by=None)
    start_judge_run(judge=judge, by=None)
    with pytest.raises(Refused, match="run under way"):
        resume_judge_run(run=first, by=None)
    assert JudgeRun.objects.count() == 2


def test_a_run_over_nothing_is_refused(project, make_judge):
    with pytest.raises(Refused, match="no comparison to train in the project"):
        start_judge_run(judge=make_judge(), by=None)


def test_an_unknown_purpose_is_refused(project, make_comparisons, make_judge):
    make_comparisons(project, 1)
    with pytest.raises(Refused, match="is no purpose"):
        start_judge_run(judge=make_judge(), purpose="play", by=None)


def test_a_provider_that_is_gone_fails_with_one_sentence(
    project, make_comparisons, judge, carry_out, monkeypatch
):
    make_comparisons(project, 1)
    run = start_judge_run(judge=judge, by=None)
    monkeypatch.undo()
    run = carry_out(run)
    assert run.job.state == JobState.FAILED
    assert (
        run.job.message
        == "The judge's provider 'scripted' is not known; use one of anthropic, grader, openai, rules."
    )


def test_a_judge_with_a_price_of_its_own_is_billed_by_it(
    project, make_comparisons, make_judge, scripted, carry_out
):
    make_comparisons(project, 1)
    scripted.served_model = "our-own-model"
    price = {"input": "2", "output": "10"}
    judge = make_judge("scripted", provider="scripted", model="m", settings={}, price=price)
    carry_out(start_judge_run(judge=judge, by=None))
    summary = judge_summary(judge)
    assert (summary.cost, summary.unpriced) == (Decimal("0.006"), 0)  # two calls of 1,000 and 100 tokens


@pytest.mark.parametrize(
    ("mode", "ranking", "calls"),
    [
        ("pairwise", (1, 2, 3), 6),
        ("best_of_n", (1, 2, 2), 2),
        ("scores", (1, 2, 3), 2),
        ("pass_fail", (1, 1, 2), 3),
    ],
)
def test_the_offline_judge_answers_in_every_mode(project, make_judge, toned, carry_out, mode, ranking, calls):
    texts = ["please, thank you", "please", "no"]
    responses = [ResponseRecord(key, key, text) for key, text in zip("abc", texts, strict=True)]
    record = ComparisonRecord([{"role": "user", "content": "Well?"}], responses, key="three")
    store_records(project=project, records=[record], by=None)
    rules = [
        {"pattern": "thank", "weight": 5},
        {"pattern": "please", "weight": 1},
        {"pattern": "no", "weight": -5},
    ]
    judge = make_judge(mode=mode, rubric=toned, settings={"rules": rules})
    carry_out(start_judge_run(judge=judge, by=None))
    judgment = Judgment.objects.get()
    assert (judgment.outcome, judgment.ranking) == (Outcome.RANKED, ranking)
    assert judgment.scores.count() == 3
    assert JudgeCall.objects.count() == calls


def test_a_reply_that_does_not_parse_is_asked_again_as_often_as_the_judge_allows(
    project, make_comparisons, make_judge, scripted, carry_out
):
    make_comparisons(project, 1)
    favours = scripted.answer
    scripted.answer = lambda request: favours(request) if request.sample == 2 else "Well."
    judge = make_judge("scripted", provider="scripted", model="m", settings={}, parse_retries=2)
    carry_out(start_judge_run(judge=judge, by=None))
    assert Judgment.objects.get().ranking == (1, 2)
    assert len(scripted.asked) == 6
    strict = make_judge("scripted", provider="scripted", model="m", settings={}, parse_retries=1)
    carry_out(start_judge_run(judge=strict, by=None))
    assert Judgment.objects.get(rater=strict.rater).outcome == Outcome.UNPARSEABLE
