"""``manage.py judge`` queues a run or carries it out, and says in one sentence what is wrong."""

from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from feedback.models import JobState, Judgment
from judges.models import JudgeRun


def judge(*arguments) -> str:
    out = StringIO()
    call_command("judge", *arguments, stdout=out)
    return out.getvalue()


@pytest.fixture
def careful(project, make_comparisons, make_judge):
    make_comparisons(project, 4)
    return make_judge()


def test_without_wait_the_run_waits_for_a_worker(careful):
    assert "careful v1 waits for a worker" in judge("--project", "Help desk", "--judge", "careful")
    assert JudgeRun.objects.get().job.state == JobState.QUEUED


def test_with_wait_the_work_is_done_here(careful):
    said = judge("--project", "help-desk", "--judge", "careful", "--tag", "odd", "--wait")
    assert "careful v1: 2 comparisons judged, 2 with a verdict" in said
    assert Judgment.objects.count() == 2


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("--project", "Nowhere", "--judge", "careful"), "no project 'Nowhere'"),
        (("--project", "Help desk", "--judge", "nobody"), "no judge 'nobody'; it has: careful"),
        (("--project", "Help desk", "--judge", "careful", "--tag", "x"), "no tag 'x'; it has: even, odd"),
    ],
)
def test_what_is_not_there_is_named_with_what_is(careful, arguments, told):
    with pytest.raises(CommandError, match=told):
        judge(*arguments)


def test_a_refusal_is_told(careful):
    judge("--project", "Help desk", "--judge", "careful")
    with pytest.raises(CommandError, match="run under way"):
        judge("--project", "Help desk", "--judge", "careful")


def test_a_run_that_fails_fails_the_command(project, make_comparisons, make_judge, scripted):
    make_comparisons(project, 1)
    make_judge("scripted", provider="scripted", model="m", settings={})

    def fail(request):
        raise ConnectionError("the line went dead")

    scripted.answer = fail
    with pytest.raises(CommandError, match="the line went dead"):
        judge("--project", "Help desk", "--judge", "scripted", "--wait")
