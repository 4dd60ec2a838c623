"""Real runs that stop: paused by a person, by an alarm they were to stop on, and at the end of their budget."""

from collections.abc import Callable

import pytest
from django.urls import reverse

from feedback.actions.jobs import pause_job, perform_job
from feedback.errors import Refused
from feedback.models import AuditEntry, JobState, Notice
from trainer.actions.runs import carry_out_run, resume_run, start_run
from trainer.models import Run
from trainer.queries import alarms_of
from trainer.stories import last_checkpoint, tell

from .conftest import BAD, GOOD, PROMPTS, preference_row, write_rows
from .test_kills import training

pytestmark = [pytest.mark.training, pytest.mark.django_db(transaction=True)]
FAST = {"max_steps": 24, "save_steps": 100, "logging_steps": 1, "max_length": 128, "batch_size": 4}

Start = Callable[..., Run]


@pytest.fixture
def start(project, policy_model, tmp_path) -> Start:
    """Start a reward run whose held-out rows say the opposite of its training rows."""
    write_rows(tmp_path / "rows" / "train.parquet", [preference_row(prompt) for prompt in PROMPTS[:16]])
    turned = [preference_row(prompt, chosen=BAD, rejected=GOOD) for prompt in PROMPTS[16:]]
    write_rows(tmp_path / "rows" / "test.parquet", turned)

    def start(parameters: dict[str, object], **fields: object) -> Run:
        return start_run(
            project=project,
            method="reward",
            base=policy_model,
            dataset=tmp_path / "rows",
            by=None,
            parameters=FAST | parameters,
            **fields,
        )

    return start


def performed(run: Run) -> Run:
    perform_job(run.job_id, carry_out_run)
    return Run.objects.get(pk=run.pk)


def test_a_run_stops_on_an_alarm_with_a_checkpoint_and_goes_on_when_a_person_says_so(
    start, client, make_user, project
):
    run = performed(start({"eval_steps": 2, "learning_rate": 1e-3}, stop_on=["overfitting"]))

    assert run.job.state == JobState.INTERRUPTED
    assert 0 < run.step < 24
    assert last_checkpoint(run) == run.step
    (alarm,) = alarms_of([run])[run.pk]
    assert alarm.data["alarm"] == "overfitting"
    assert run.job.message == (
        f"It stopped by itself at step {run.step} of 24: alarm: Overfitting. {alarm.data['evidence']} "
        f"Its last checkpoint is step {run.step}. Resume continues from there."
    )
    assert Notice.objects.get().text == f"{run.name}: Overfitting. {alarm.data['evidence']}"
    client.force_login(make_user("olga", project=project, role="owner"))
    page = client.get(reverse("trainer:run", args=[project.slug, run.pk])).content.decode()
    assert "it learns by heart" in page
    assert "Overfitting" in client.get(reverse("trainer:runs", args=[project.slug])).content.decode()

    resume_run(run=run, by=None)
    run.job.refresh_from_db()
    assert run.job.state == JobState.QUEUED


@pytest.mark.slow
def test_a_run_stops_at_its_cap_and_goes_on_with_a_larger_one(start):
    hours = 6 / 3600
    run = performed(start({"max_steps": 100_000}, budget={"hours": hours}, confirm=True))

    assert run.job.state == JobState.INTERRUPTED
    assert "its budget is spent" in run.job.message
    assert last_checkpoint(run) == run.step > 0
    assert run.seconds == pytest.approx(6, abs=3)
    with pytest.raises(Refused, match="Its budget is spent"):
        resume_run(run=run, by=None)

    resume_run(run=run, by=None, hours=1)
    run.refresh_from_db()
    assert (run.job.state, run.spec["budget"]["hours"]) == (JobState.QUEUED, 1)
    assert AuditEntry.objects.filter(verb="raise budget").exists()


@pytest.mark.slow
def test_a_paused_run_keeps_its_step_and_says_that_it_is_paused(start, running_jobs):
    run = start({"max_steps": 60})
    with training(run, running_jobs, step=3):
        pause_job(job=run.job, by=None)

    assert run.job.state == JobState.INTERRUPTED
    assert tell(run).happened == f"It was paused at step {run.step} of 60."
    assert tell(run).advice == f"Resumed, it goes on from its last checkpoint, step {run.step}."
    run.job.state = JobState.CANCELLED  # a cancelled run stops in the same way
    assert tell(run).happened == f"It was cancelled at step {run.step} of 60."
