"""A run's pages: what it would take before it starts, its course, its failures, and reading replies again."""

from decimal import Decimal

import pytest

from feedback.models import JobState, Role
from judges.actions.runs import start_judge_run
from judges.models import JudgeRun, RunMode

pytestmark = pytest.mark.django_db


@pytest.fixture
def engineer(as_role):
    return as_role(Role.ENGINEER)


@pytest.fixture
def on_the_api(settings, fake_api, make_judge):
    """A judge that asks the API which is played locally."""
    settings.JUDGE_HOSTS = [fake_api.url.removeprefix("http://")]

    def make(**changes):
        said = {"provider": "anthropic", "model": "claude-sonnet-5-5", "settings": {"base_url": fake_api.url}}
        return make_judge(**(said | changes))

    return make


def estimate(client, address, judge, **wanted):
    return client.get(
        address("run-new", judge.pk), {"estimate": "1", "purpose": "train", "mode": "live"} | wanted
    )


def test_nothing_starts_before_its_estimate_was_shown(
    project, make_comparisons, make_judge, engineer, address
):
    make_comparisons(project, 2)
    judge = make_judge()
    first = engineer.post(address("run-start", judge.pk), {"purpose": "train", "mode": "live"})
    assert not JudgeRun.objects.exists()
    assert "Start the run" in first.content.decode()
    agreed = first.context["agreed"]
    second = engineer.post(
        address("run-start", judge.pk), {"purpose": "train", "mode": "live", "agreed": agreed}
    )
    run = JudgeRun.objects.get()
    assert second.url == address("run", run.pk)
    assert (run.estimate["calls"], run.estimate["cost"]["value"]) == (4, 0)


def test_an_estimate_of_something_else_is_not_agreed_to(
    project, make_comparisons, make_judge, engineer, address
):
    make_comparisons(project, 2)
    judge = make_judge()
    agreed = estimate(engineer, address, judge).context["agreed"]
    tag = project.tags.get(name="even")
    for sent in (agreed + "x", agreed):
        wanted = {"purpose": "train", "mode": "live", "tag": tag.pk, "agreed": sent}
        engineer.post(address("run-start", judge.pk), wanted)
    assert not JudgeRun.objects.exists()


def test_live_and_batches_are_estimated_side_by_side(
    project, make_comparisons, on_the_api, engineer, address
):
    make_comparisons(project, 3)
    judge = on_the_api()
    live, batch = estimate(engineer, address, judge).context["estimates"]
    assert (live["mode"], batch["mode"], live["calls"], live["exact"]) == ("live", "batch", 6, True)
    assert 0 < batch["cost"]["value"] < live["cost"]["value"]


def test_an_unknown_price_is_said_to_be_unknown(project, make_comparisons, on_the_api, engineer, address):
    make_comparisons(project, 1)
    page = estimate(engineer, address, on_the_api(model="made-up")).content.decode()
    assert page.count('<span class="badge is-warn">unknown</span>') == 2
    assert "$0" not in page


def test_a_refusal_is_told_in_the_form(project, make_comparisons, on_the_api, engineer, address):
    make_comparisons(project, 1)
    judge = on_the_api(model="made-up")
    agreed = estimate(engineer, address, judge).context["agreed"]
    wanted = {"purpose": "train", "mode": "live", "budget": "1", "agreed": agreed}
    answer = engineer.post(address("run-start", judge.pk), wanted)
    assert "price" in str(answer.context["form"].errors)
    assert not JudgeRun.objects.exists()


def test_a_run_shows_what_it_cost_beside_what_was_expected(
    project, make_comparisons, on_the_api, engineer, address, carry_out
):
    make_comparisons(project, 2)
    judge = on_the_api()
    agreed = estimate(engineer, address, judge).context["agreed"]
    wanted = {"purpose": "train", "mode": "live", "budget": "3", "agreed": agreed}
    engineer.post(address("run-start", judge.pk), wanted)
    run = carry_out(JudgeRun.objects.get())
    assert run.job.state == JobState.SUCCEEDED
    answer = engineer.get(address("run", run.pk))
    progress = answer.context["progress"]
    assert (progress.answered, run.budget) == (4, Decimal(3))
    assert progress.cost > 0
    page = answer.content.decode()
    assert "estimated $" in page
    assert "every 2s" not in page
    assert answer.context["course"][-1].calls == 4


def test_failures_are_told_by_kind_and_asked_again(
    project, make_comparisons, on_the_api, engineer, address, carry_out, fake_api
):
    make_comparisons(project, 2)
    fake_api.script("bad_request")
    run = carry_out(start_judge_run(judge=on_the_api(), by=None))
    answer = engineer.get(address("run", run.pk))
    assert dict(answer.context["progress"].failures) == {"rejected": 1}
    assert "Ask again what failed" in answer.content.decode()
    engineer.post(address("run-retry", run.pk))
    run = carry_out(run)
    assert run.job.state == JobState.SUCCEEDED
    assert engineer.get(address("run", run.pk)).context["failed"] == 0


def test_replies_are_read_again_without_asking(
    project, make_comparisons, make_judge, engineer, address, carry_out
):
    make_comparisons(project, 2)
    run = carry_out(start_judge_run(judge=make_judge(), by=None))
    answer = engineer.post(address("run-reparse", run.pk))
    again = JudgeRun.objects.exclude(pk=run.pk).get()
    assert (answer.url, again.mode) == (address("run", again.pk), RunMode.STORED)
    assert carry_out(again).job.state == JobState.SUCCEEDED
    assert not again.calls.exists()


def test_a_page_of_a_run_under_way_asks_for_itself(project, make_comparisons, make_judge, as_role, address):
    make_comparisons(project, 1)
    run = start_judge_run(judge=make_judge(), by=None)
    page = as_role(Role.REVIEWER).get(address("run", run.pk)).content.decode()
    assert 'hx-trigger="every 2s"' in page
    assert "waits for a worker" in page


@pytest.mark.parametrize(
    ("given", "kept"), [("2.5", Decimal("2.5")), ("", None), ("-1", Decimal(1)), ("x", Decimal(1))]
)
def test_a_runs_budget_is_changed(project, make_comparisons, make_judge, engineer, address, given, kept):
    make_comparisons(project, 1)
    run = start_judge_run(judge=make_judge(), budget=Decimal(1), by=None)
    engineer.post(address("run-budget", run.pk), {"budget": given})
    run.refresh_from_db()
    assert run.budget == kept


def test_a_second_run_is_not_started_beside_one(project, make_comparisons, make_judge, engineer, address):
    make_comparisons(project, 1)
    judge = make_judge()
    agreed = estimate(engineer, address, judge).context["agreed"]
    run = start_judge_run(judge=judge, by=None)
    wanted = {"purpose": "train", "mode": "live", "agreed": agreed}
    answer = engineer.post(address("run-start", judge.pk), wanted)
    assert f"has a run under way (run {run.pk})" in answer.content.decode()
