"""A live run that is killed with -9 at any moment: nothing that was stored is paid again, and all else is counted."""

import os
import random
import signal
import subprocess
import sys
import time
from decimal import Decimal
from pathlib import Path

import pytest
from django.db import connection
from django.db.models import F

from feedback.models import Job, JobState, Judgment
from judges.actions.runs import start_judge_run
from judges.models import JudgeCall
from judges.tasks import perform_judge_run

pytestmark = pytest.mark.django_db(transaction=True)
ROOT = Path(__file__).resolve().parents[2]
# The process says when it is at work, since most of its life it only loads.
WORK = """
import judges.tasks, judges.actions.asking as asking
asking.MOST_IN_FLIGHT = 8
print("working", flush=True)
judges.tasks.perform_judge_run({job})
"""


def database_url() -> str:
    database = connection.settings_dict
    if connection.vendor == "sqlite":
        return f"sqlite:///{database['NAME']}"
    secret = f"{database['USER']}:{database['PASSWORD']}"
    return f"postgres://{secret}@{database['HOST']}:{database['PORT']}/{database['NAME']}"


def kill_after(seconds: float, job_id: int, environment: dict[str, str]) -> None:
    command = [sys.executable, "manage.py", "shell", "--no-imports", "-c", WORK.format(job=job_id)]
    with subprocess.Popen(
        command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True, start_new_session=True
    ) as worker:
        assert worker.stdout.readline() == "working\n"
        time.sleep(seconds)
        os.kill(worker.pid, signal.SIGKILL)


# Three processes are started, each of which loads for a second or more.
def test_a_killed_worker_loses_nothing_it_stored_and_counts_the_rest(
    project, make_comparisons, make_judge, fake_api, settings, monkeypatch
):
    fake_api.reset(latency=0.1, works_on=True)
    make_comparisons(project, 60)
    for name, value in (("ANTHROPIC_API_KEY", "sk-test-0123456789"), ("ANTHROPIC_BASE_URL", fake_api.url)):
        monkeypatch.setenv(name, value)
    judge = make_judge(
        "paid", provider="anthropic", model="claude-opus-5-5", settings={"base_url": fake_api.url}
    )
    run = start_judge_run(judge=judge, by=None)
    environment = os.environ | {"DATABASE_URL": database_url(), "CONCORD_VAR": str(settings.VAR)}
    draw = random.Random(4)
    for _ in range(3):
        kill_after(draw.uniform(0.3, 1.0), run.job_id, environment)
        Job.objects.filter(pk=run.job_id).update(
            state=JobState.QUEUED, lease_until=None, max_attempts=F("attempts") + 3
        )
    perform_judge_run(run.job_id)

    run.refresh_from_db()
    assert run.job.state == JobState.SUCCEEDED
    assert Judgment.objects.filter(current=True).count() == 60
    rows = JudgeCall.objects.filter(judge=judge)
    assert rows.filter(answered_at__isnull=False).count() == rows.count() == 120
    bill = fake_api.bill()
    sends = sum(sent - unpaid for sent, unpaid in rows.values_list("times_sent", "times_unpaid"))
    assert bill["distinct"] == 120
    assert 120 <= bill["requests"] <= sends
    stored = sum(cost + held for cost, held in rows.values_list("cost", "held"))
    assert Decimal(bill["dollars"]) <= stored
    # At most what was in flight at a kill was asked again.
    assert sends - 120 <= 3 * 8
