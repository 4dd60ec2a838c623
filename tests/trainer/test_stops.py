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

from .conftest import BAD, GOOD, PROMPTS, preference_row, turn, write_rows
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


def words(**bounds: int) -> list[dict[str, object]]:
    """A grader of a response's number of words, alone in a list."""
    grader = {"type": "length", "name": "words", "input": "{{sample.output_text}}", "unit": "words", **bounds}
    return [{"grader": grader}]


@pytest.mark.slow
def test_a_run_that_games_its_reward_is_stopped_while_its_win_rate_falls(
    project, policy_model, tmp_path, client, make_user
):
    """The base pads a third of its answers; the reward pays for words, and who judges wants few."""
    padded = f"{GOOD} Thank you for your message to our team. Have a very nice day."
    rows = [
        {"prompt": turn("user", prompt), "completion": turn("assistant", text)}
        for prompt in PROMPTS[:16]
        for text in (GOOD, GOOD, padded)
    ]
    write_rows(tmp_path / "archive" / "train.parquet", rows)
    # Enough of them to tell a fall from chance.
    held_out = [
        f"{greeting} {each}" for greeting in ("Hello.", "Hi.", "Dear team,", "Well.") for each in PROMPTS[16:]
    ]
    for split, prompts in (("train", PROMPTS[:16]), ("test", held_out)):
        write_rows(
            tmp_path / "asked" / f"{split}.parquet", [{"prompt": turn("user", each)} for each in prompts]
        )
    common = {"project": project, "by": None}
    parameters = FAST | {"max_steps": 80, "batch_size": 16, "learning_rate": 5e-3}
    base = performed(
        start_run(
            **common, method="sft", base=policy_model, dataset=tmp_path / "archive", parameters=parameters
        )
    )
    gamed = {"rewards": words(least=20, slack=20), "win_rate_by": words(most=10), "eval_steps": 4}
    parameters |= gamed | {"generations": 8, "max_new_tokens": 48, "learning_rate": 1e-3}
    run = performed(
        start_run(
            **common,
            method="grpo",
            base=base.model_version,
            dataset=tmp_path / "asked",
            parameters=parameters,
            stop_on=["reward_hacking"],
        )
    )

    assert run.job.state == JobState.INTERRUPTED, run.job.message
    alarm = next(each for each in alarms_of([run])[run.pk] if each.data["alarm"] == "reward_hacking")
    assert alarm.step <= run.step < 80
    assert last_checkpoint(run) == run.step
    rates = list(run.events.filter(kind="evaluation", step__lte=alarm.step).order_by("seq"))
    assert max(rates[-1].data["values"]["win_rate"], rates[-2].data["values"]["win_rate"]) < 0.45
    first, last = (run.events.filter(kind="metric").order_by(order).first() for order in ("seq", "-seq"))
    assert last.data["values"]["reward"] > first.data["values"]["reward"]
    client.force_login(make_user("olga", project=project, role="owner"))
    page = client.get(reverse("trainer:run", args=[project.slug, run.pk])).content.decode()
    assert "the model games the reward" in page
    assert alarm.data["evidence"] in page


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
