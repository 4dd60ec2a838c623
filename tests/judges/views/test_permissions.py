"""Who may open which page of the judges' room, and that nobody reaches another project's objects by their numbers."""

import pytest

from feedback.models import JobState, Role
from judges.actions.attacks import start_attack_run
from judges.actions.keys import store_key
from judges.actions.panels import create_panel, start_panel_run
from judges.actions.runs import start_judge_run
from judges.models import AttackRun, Budget, Judge, JudgeCall, JudgeRun, Panel, PanelRun, ProviderKey

# address within the room: who sees it
SEEN = {
    "": Role.REVIEWER,
    "new/": Role.ENGINEER,
    "{judge}/": Role.REVIEWER,
    "{judge}/edit/": Role.ENGINEER,
    "{judge}/changes/": Role.REVIEWER,
    "{judge}/judge.yaml": Role.REVIEWER,
    "{judge}/verdicts/": Role.REVIEWER,
    "{judge}/verdicts/{comparison}/": Role.REVIEWER,
    "{judge}/attacks/": Role.REVIEWER,
    "{judge}/run/": Role.ENGINEER,
    "runs/{run}/": Role.REVIEWER,
    "playground/": Role.REVIEWER,
    "panels/": Role.REVIEWER,
    "panels/new/": Role.ENGINEER,
    "panels/{panel}/": Role.REVIEWER,
    "keys/": Role.ENGINEER,
}
DONE = {
    "{judge}/start/": Role.ENGINEER,
    "runs/{run}/cancel/": Role.ENGINEER,
    "runs/{run}/pause/": Role.ENGINEER,
    "runs/{run}/resume/": Role.ENGINEER,
    "runs/{run}/retry/": Role.ENGINEER,
    "runs/{run}/reparse/": Role.ENGINEER,
    "runs/{run}/budget/": Role.ENGINEER,
    "playground/ask/": Role.ENGINEER,
    "{judge}/attacks/start/": Role.ENGINEER,
    "attacks/{attack}/cancel/": Role.ENGINEER,
    "panels/{panel}/start/": Role.ENGINEER,
    "keys/store/": Role.OWNER,
    "keys/{key}/delete/": Role.OWNER,
    "budgets/": Role.OWNER,
}
ORDER = [Role.ANNOTATOR, Role.REVIEWER, Role.ENGINEER, Role.OWNER]
OF_AN_OBJECT = [path for path in (*SEEN, *DONE) if "{" in path]


def below(role: Role) -> Role:
    return ORDER[ORDER.index(role) - 1]


@pytest.fixture
def numbers(project, make_comparisons, make_judge) -> dict[str, int]:
    """One of everything in the project, by what it is."""
    comparison = make_comparisons(project, 2)[0]
    judge, other = make_judge(), make_judge("other", family="ours")
    panel = create_panel(project=project, name="both", members=[(judge, 1.0), (other, 1.0)], by=None)
    start_panel_run(panel=panel, by=None)
    return {
        "judge": judge.pk,
        "comparison": comparison.pk,
        "panel": panel.pk,
        "run": start_judge_run(judge=judge, by=None).pk,
        "attack": start_attack_run(judge=other, by=None).pk,
        "key": store_key(project=project, provider="anthropic", secret="sk-ant-0123456789", by=None).pk,
    }


def everything() -> list[object]:
    states = [run.job.state for model in (JudgeRun, AttackRun, PanelRun) for run in model.objects.all()]
    counts = [model.objects.count() for model in (Judge, JudgeRun, AttackRun, Panel, PanelRun, ProviderKey)]
    return [*states, *counts, list(Budget.objects.values_list("judge_name", "limit"))]


@pytest.mark.parametrize("path", SEEN)
def test_a_page_opens_for_its_role_and_not_for_the_one_below(project, numbers, as_role, path):
    address = f"/p/{project.slug}/judges/{path.format(**numbers)}"
    assert as_role(SEEN[path]).get(address).status_code == 200
    assert as_role(below(SEEN[path])).get(address).status_code == 404


@pytest.mark.parametrize("path", DONE)
def test_a_deed_is_not_for_the_role_below_and_takes_a_post(project, numbers, as_role, path):
    address, before = f"/p/{project.slug}/judges/{path.format(**numbers)}", everything()
    assert as_role(below(DONE[path])).post(address).status_code == 404
    assert as_role(DONE[path]).get(address).status_code == 405
    assert everything() == before


@pytest.mark.parametrize("path", OF_AN_OBJECT)
def test_another_projects_object_is_not_found(numbers, elsewhere, path):
    before = everything()
    address = f"/p/elsewhere/judges/{path.format(**numbers)}"
    answer = elsewhere.get(address) if path in SEEN else elsewhere.post(address)
    assert answer.status_code == 404
    assert everything() == before


def test_a_reviewer_sees_no_button_that_changes_anything(project, numbers, as_role):
    client = as_role(Role.REVIEWER)
    for path in (
        "",
        "{judge}/",
        "runs/{run}/",
        "{judge}/attacks/",
        "panels/",
        "panels/{panel}/",
        "playground/",
    ):
        page = client.get(f"/p/{project.slug}/judges/{path.format(**numbers)}").content.decode()
        main = page[page.index("<main") :]
        assert 'method="post"' not in main, path
        assert "is-primary" not in main or path == "playground/", path


def test_the_playground_asks_another_projects_judge_nothing(project, numbers, elsewhere, make_user):
    elsewhere.post(
        "/p/elsewhere/judges/playground/ask/", {"judge": numbers["judge"], "pk": numbers["comparison"]}
    )
    page = elsewhere.get(
        f"/p/elsewhere/judges/playground/?judge={numbers['judge']}&pk={numbers['comparison']}"
    )
    assert "Question 0" not in page.content.decode()
    assert not JudgeCall.objects.exists()


def test_a_queued_run_is_stopped_by_those_who_may(project, numbers, as_role):
    client, base = as_role(Role.ENGINEER), f"/p/{project.slug}/judges/runs/{numbers['run']}"
    run = JudgeRun.objects.select_related("job").get(pk=numbers["run"])
    for deed, state in (
        ("pause", JobState.INTERRUPTED),
        ("resume", JobState.QUEUED),
        ("cancel", JobState.CANCELLED),
    ):
        assert client.post(f"{base}/{deed}/").url == f"{base}/"
        run.job.refresh_from_db()
        assert run.job.state == state
