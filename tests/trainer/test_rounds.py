"""A round: responses, comparisons, judges, labels, people; once each, whoever was killed in between."""

import pytest
from django.core.management import call_command
from django.urls import reverse

from alignment.actions.labels import apply_policy, carry_out_labelling
from alignment.actions.policies import create_policy
from feedback.actions.jobs import cancel_job, perform_job
from feedback.errors import Refused
from feedback.models import Job, JobState, QueueItem
from feedback.records import JudgmentRecord
from judges.actions.runs import carry_out_judge_run
from trainer.actions.generating import carry_out_generation
from trainer.actions.rounds import carry_out_round, start_round
from trainer.models import Round
from trainer.queries import next_policy
from trainer.rounds import round_rows

from .evaluating import word_judge
from .test_generating import leave_samples


@pytest.fixture
def policy(project, make_comparisons):
    """It trusts nobody yet, so that what judges say of new comparisons goes to people."""
    make_comparisons(project, 4, [JudgmentRecord("ana", ranking={"a": 1, "b": 2})])
    policy = create_policy(project=project, name="people", document={}, by=None)
    perform_job(apply_policy(policy=policy, by=None).job_id, carry_out_labelling)
    return policy


@pytest.fixture
def judge(project):
    return word_judge(project, "kind", "good")


def go(current: Round) -> Round:
    """Its job's next attempt, as when the sweep finds that it is time."""
    Job.objects.filter(pk=current.job_id).update(not_before=None)
    perform_job(current.job_id, carry_out_round)
    return Round.objects.select_related("job", "generation__job", "labelling__job").get(pk=current.pk)


def test_a_round_goes_all_the_way_and_people_get_what_the_policy_routes(
    project, policy, judge, policy_model, client, make_user
):
    current = start_round(project=project, by=None, judges=[judge])
    assert (current.number, current.policy, current.generation.source) == (1, policy, "tiny")
    with pytest.raises(Refused, match="A round is under way"):
        start_round(project=project, by=None, judges=[judge])

    current = go(current)
    assert (current.job.state, current.job.message) == (JobState.QUEUED, "The responses are being written.")
    leave_samples(current.generation, [f"{word} {n}" for n in range(4) for word in ("good", "bad")])
    perform_job(current.generation.job_id, carry_out_generation)
    new = current.generation.comparisons.all()
    assert not QueueItem.objects.filter(pk__in=new, slots_free__gt=0).exists()

    current = go(current)
    assert current.job.message == "The judges are judging."
    (run,) = current.judge_runs.all()
    perform_job(run.job_id, carry_out_judge_run)
    current = go(current)
    assert current.job.message == "The policy is labelling."
    perform_job(current.labelling.job_id, carry_out_labelling)
    current = go(current)

    assert current.job.state == JobState.SUCCEEDED, current.job.message
    asked = QueueItem.objects.filter(pk__in=new, slots_free__gt=0).count()
    assert asked == 4
    assert current.routed >= asked
    (row,) = round_rows(project)
    assert (row.comparisons, row.labels["routed"], row.human_labels) == (4, 4, 0)
    assert current.judge_runs.count() == 1

    client.force_login(make_user("rita", project=project, role="reviewer"))
    assert client.get(reverse("trainer:rounds", args=[project.slug])).status_code == 200
    table = client.get(reverse("trainer:rounds-csv", args=[project.slug])).content.decode()
    assert table.splitlines()[1].split(",")[2:4] == ["tiny", "4"]
    assert client.post(reverse("trainer:rounds", args=[project.slug]), {}).status_code == 404


def test_a_round_stops_where_its_responses_did_and_goes_on(project, policy, judge, policy_model):
    current = start_round(project=project, by=None, judges=[judge])
    cancel_job(job=current.generation.job, by=None)
    current = go(current)
    assert current.job.state == JobState.INTERRUPTED
    assert "Resume that first" in current.job.message


def test_what_is_missing_is_named(project, make_comparisons, policy_model, judge):
    def field_of(**asked) -> str | None:
        with pytest.raises(Refused) as refused:
            start_round(project=project, by=None, **asked)
        return refused.value.field

    assert field_of() == "policy"
    policy = create_policy(project=project, name="people", document={}, by=None)
    assert next_policy(project) == policy
    assert field_of() == "judges"
    assert field_of(judges=[judge]) == "tag"


def test_a_command_starts_one(project, policy, judge, policy_model, capsys):
    call_command("round", "--project", project.name, "--judge", "kind", "--people", "2", "--prompts", "3")
    assert "Round 1 has begun: tiny answers, people v1 decides." in capsys.readouterr().out
    current = Round.objects.get()
    assert (current.most_routed, current.generation.most_prompts) == (2, 3)


def test_one_click_starts_one(project, policy, judge, policy_model, client, make_user, monkeypatch):
    monkeypatch.setattr("trainer.actions.rounds.trusted_judges", lambda project: [judge])
    client.force_login(make_user("erin", project=project, role="engineer"))
    given = {"model_version": policy_model.pk, "max_tokens": 8, "temperature": 1, "samples": 2}
    answer = client.post(reverse("trainer:rounds", args=[project.slug]), given)
    assert answer.status_code == 302
    assert Round.objects.get().generation.model_version == policy_model
