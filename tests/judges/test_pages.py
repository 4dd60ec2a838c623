"""The judges' pages: who may see and do what, and what they show."""

import pytest
from django.contrib.auth.models import User
from django.urls import reverse

from feedback.actions.projects import create_project, set_member
from feedback.models import JobState, Role
from judges.actions.runs import cancel_judge_run, start_judge_run
from judges.models import Judge, JudgeRun


@pytest.fixture
def judge(project, make_comparisons, make_judge):
    make_comparisons(project, 3)
    return make_judge()


@pytest.fixture
def as_role(client, project, make_user):
    def log_in(role):
        client.force_login(make_user(f"{role}-person", project=project, role=role))
        return client

    return log_in


def address(name, project, *args):
    return reverse(f"judges:{name}", args=[project.slug, *args])


PAGES = ("judges", "judge", "run-progress")
DEEDS = ("run-start", "run-cancel", "run-resume")


def arguments(name, judge, run):
    return {"judges": (), "judge-new": ()}.get(
        name, (run.pk,) if name in ("run-progress", "run-cancel", "run-resume") else (judge.pk,)
    )


@pytest.mark.parametrize("name", [*PAGES, "judge-new"])
def test_an_annotator_finds_no_page_of_judges(project, judge, as_role, name):
    run = start_judge_run(judge=judge, by=None)
    assert (
        as_role(Role.ANNOTATOR).get(address(name, project, *arguments(name, judge, run))).status_code == 404
    )


@pytest.mark.parametrize("role", [Role.ANNOTATOR, Role.REVIEWER])
@pytest.mark.parametrize("name", DEEDS)
def test_only_an_engineer_changes_runs(project, judge, as_role, name, role):
    run = start_judge_run(judge=judge, by=None)
    assert as_role(role).post(address(name, project, *arguments(name, judge, run))).status_code == 404
    run.job.refresh_from_db()
    assert (JudgeRun.objects.count(), run.job.state) == (1, JobState.QUEUED)


@pytest.mark.parametrize("name", DEEDS)
def test_a_deed_takes_a_post(project, judge, as_role, name):
    run = start_judge_run(judge=judge, by=None)
    assert as_role(Role.ENGINEER).get(address(name, project, *arguments(name, judge, run))).status_code == 405


def test_a_reviewer_sees_the_judges_but_no_buttons(project, judge, as_role, carry_out):
    carry_out(start_judge_run(judge=judge, by=None))
    client = as_role(Role.REVIEWER)
    listed = client.get(address("judges", project)).content.decode()
    assert "careful v1" in listed
    assert "New offline judge" not in listed
    page = client.get(address("judge", project, judge.pk)).content.decode()
    assert "Scores by rule: response " in page
    assert "response 1" in page
    assert "Start a run" not in page


def test_an_engineer_starts_cancels_and_resumes_a_run(project, judge, as_role):
    client = as_role(Role.ENGINEER)
    tag = project.tags.get(name="even")
    assert client.post(address("run-start", project, judge.pk), {"tag": tag.pk}).status_code == 302
    run = JudgeRun.objects.get()
    assert (run.tag, run.created_by.username) == (tag, "engineer-person")
    for name, state in (("run-cancel", JobState.CANCELLED), ("run-resume", JobState.QUEUED)):
        assert client.post(address(name, project, run.pk)).status_code == 302
        run.job.refresh_from_db()
        assert run.job.state == state


def test_a_refusal_is_told_on_the_page(project, judge, as_role):
    client = as_role(Role.ENGINEER)
    run = start_judge_run(judge=judge, by=None)
    again = client.post(address("run-start", project, judge.pk), follow=True)
    assert f"has a run under way (run {run.pk})" in again.content.decode()
    cancel_judge_run(run=run, by=None)
    twice = client.post(address("run-cancel", project, run.pk), follow=True)
    assert "nothing to cancel" in twice.content.decode()


def test_another_projects_tag_starts_nothing(project, judge, as_role):
    answer = as_role(Role.ENGINEER).post(address("run-start", project, judge.pk), {"tag": 12345}, follow=True)
    assert "no such tag" in answer.content.decode()
    assert not JudgeRun.objects.exists()


def test_the_progress_asks_for_itself_until_the_run_ends(project, judge, as_role, carry_out):
    client = as_role(Role.REVIEWER)
    run = start_judge_run(judge=judge, by=None)
    here = address("run-progress", project, run.pk)
    assert f'hx-get="{here}"' in client.get(here).content.decode()
    carry_out(run)
    assert client.get(here).headers["HX-Refresh"] == "true"
    assert "hx-get" not in client.get(address("judge", project, judge.pk)).content.decode()


def test_a_judge_of_another_project_is_not_found(project, judge, as_role, make_user, client):
    other = create_project(name="Other", by=None)
    client = as_role(Role.ENGINEER)
    set_member(project=other, user=User.objects.get(), role=Role.ENGINEER, by=None)
    assert client.get(f"/p/other/judges/{judge.pk}/").status_code == 404


def test_an_engineer_makes_a_judge_by_rules(project, as_role):
    client = as_role(Role.ENGINEER)
    form = {
        "name": "short",
        "instructions": "Prefer the short.",
        "settings": '{"rules": [], "length_weight": -1}',
    }
    answer = client.post(address("judge-new", project), form)
    judge = Judge.objects.get()
    assert answer.url == address("judge", project, judge.pk)
    assert (judge.settings["length_weight"], judge.both_orders, judge.rubric.instructions) == (
        -1,
        False,
        "Prefer the short.",
    )


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ("{", "Enter a valid JSON."),
        ("[1]", "Write one JSON object"),
        ("[" * 100_000, "Enter a valid JSON."),
        ('{"rules": [], "seed": ' + "9" * 5000 + "}", "Enter a valid JSON."),
        ('{"\\ud800": []}', "Enter a valid JSON."),
        ('{"rules": [{"pattern": "\\u0000", "weight": 1}]}', "contains a NUL"),
        ('{"rules": [{"pattern": "(", "weight": 1}]}', "rules[0].pattern is no regular expression"),
    ],
)
def test_bad_rules_are_told_at_their_field(project, as_role, given, told):
    form = {"name": "bad", "instructions": "x", "settings": given}
    answer = as_role(Role.ENGINEER).post(address("judge-new", project), form)
    assert told in answer.content.decode()
    assert "settings" in answer.context["form"].errors
    assert not Judge.objects.exists()
