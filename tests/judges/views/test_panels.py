"""Panels and attacks, as their pages show them."""

import pytest

from feedback.models import Role
from judges.actions.attacks import start_attack_run
from judges.actions.runs import start_judge_run
from judges.models import AttackRun, Panel
from judges.tasks import perform_attack_run, perform_panel_run


@pytest.fixture
def engineer(as_role):
    return as_role(Role.ENGINEER)


def test_a_panel_is_made_of_judges_and_says_what_they_say(
    project, make_comparisons, make_judge, carry_out, engineer, address
):
    make_comparisons(project, 2)
    judges = [
        make_judge(name, family=family) for name, family in (("one", "x"), ("two", "x"), ("three", "y"))
    ]
    for judge in judges:
        carry_out(start_judge_run(judge=judge, by=None))
    members = {f"member_{judge.pk}": "on" for judge in judges}
    weights = {f"weight_{judge.pk}": str(weight) for judge, weight in zip(judges, (2, 1, 1), strict=True)}
    form = {"name": "trio", "rule": "weighted", "cap_families": "on", "quorum": "2"}
    answer = engineer.post(address("panel-new"), form | members | weights)
    panel = Panel.objects.get()
    assert answer.url == address("panel", panel.pk)
    assert [member.weight for member in panel.members.all()] == [2.0, 1.0, 1.0]
    perform_panel_run(panel.runs.get().job_id)
    shown = engineer.get(address("panel", panel.pk))
    assert shown.context["summary"].coverage["value"] == 1.0
    assert sum(share for _member, share in shown.context["members"]) == pytest.approx(1)
    assert "Bring it up to date" in shown.content.decode()
    assert "trio v1" in engineer.get(address("panels")).content.decode()


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"name": ""}, "required"),
        ({"rule": "luck"}, "valid choice"),
        ({}, "2 to 20 members"),
        ({"quorum": "0"}, "greater"),
    ],
)
def test_a_panel_that_can_not_be_made_is_told(project, make_judge, engineer, address, changes, told):
    judge = make_judge()
    form = {"name": "alone", "rule": "majority", f"member_{judge.pk}": "on"} | changes
    assert told in engineer.post(address("panel-new"), form).content.decode()
    assert not Panel.objects.exists()


def test_attacks_are_started_watched_and_told_by_kind(make_judge, engineer, address):
    judge = make_judge(settings={"rules": []})
    page = engineer.get(address("attacks", judge.pk)).content.decode()
    assert "It has not been attacked yet." in page
    engineer.post(address("attack-start", judge.pk))
    run = AttackRun.objects.get()
    assert 'hx-trigger="every 2s"' in engineer.get(address("attacks", judge.pk)).content.decode()
    perform_attack_run(run.job_id)
    answer = engineer.get(address("attacks", judge.pk))
    summary = answer.context["summary"]
    assert summary.asked > 40
    page = answer.content.decode()
    for kind in summary.by_kind:
        assert f'<th scope="row">{kind}</th>' in page


def test_a_run_of_attacks_is_cancelled_and_resumed(make_judge, engineer, address):
    run = start_attack_run(judge=make_judge(), by=None)
    for deed, state in (("cancel", "cancelled"), ("resume", "queued")):
        engineer.post(address("attack-deed", run.pk, deed))
        run.job.refresh_from_db()
        assert run.job.state == state
