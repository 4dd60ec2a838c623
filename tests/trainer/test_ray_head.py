"""A real run on a real Ray head on loopback: token, log, stop, a lost head and its restart. Needs RAY_BIN.

RAY_BIN is the path of the `ray` command of an environment of its own (pip install "ray[default]==2.60.0"), which
this one does not depend on. Without it these are left out; test_far_launchers.py holds the launcher to what was seen.
"""

import math
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx2
import pytest

from feedback.actions.jobs import perform_job, resume_job
from feedback.errors import Refused
from feedback.models import JobState
from trainer.actions.runs import cancel_run, carry_out_run, start_run
from trainer.events import read_events
from trainer.folders import run_folder
from trainer.launchers.launcher import LauncherAway
from trainer.launchers.registry import launcher_named
from trainer.models import Run

from .conftest import ROOT
from .test_kills import logged, wait

RAY = os.environ.get("RAY_BIN", "")
TOKEN = "a-token-of-at-least-thirty-two-characters"
pytestmark = [
    pytest.mark.training,
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(not RAY, reason="RAY_BIN names no ray command"),
]
STEPS = 40


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Head:
    """One head with a token; started, killed with all it started, and started anew on the same ports."""

    def __init__(self) -> None:
        self.port, self.dashboard = free_port(), free_port()
        self.folder = tempfile.mkdtemp(prefix="ray", dir="/tmp")  # its sockets' paths must be short
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        options = (
            *("--head", "--block", "--disable-usage-stats", "--num-cpus=2", f"--temp-dir={self.folder}"),
            *(f"--port={self.port}", f"--dashboard-port={self.dashboard}"),
            *("--node-ip-address=127.0.0.1", "--dashboard-host=127.0.0.1"),
        )
        self.process = subprocess.Popen(
            [RAY, "start", *options],
            env=os.environ | {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": TOKEN},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        for _ in range(300):
            try:
                if httpx2.get(f"http://127.0.0.1:{self.dashboard}/api/jobs/").status_code == 401:
                    return
            except httpx2.HTTPError:
                pass
            time.sleep(0.2)
        raise AssertionError("the head did not start")

    def kill(self) -> None:
        """Everything of this head and of what it runs, as when the machine is cut off."""
        import psutil

        if self.process is None:
            return
        family = [
            psutil.Process(self.process.pid),
            *psutil.Process(self.process.pid).children(recursive=True),
        ]
        for each in family:
            try:
                each.kill()
            except psutil.NoSuchProcess:
                continue
        self.process.wait()
        self.process = None


@pytest.fixture(scope="module")
def head() -> Iterator[Head]:
    head = Head()
    head.start()
    yield head
    head.kill()


@pytest.fixture
def cluster(head, settings, monkeypatch) -> None:
    monkeypatch.setenv("CONCORD_RAY_TOKEN", TOKEN)
    settings.LAUNCHERS = {
        "cluster": {
            "kind": "ray",
            "url": f"http://127.0.0.1:{head.dashboard}",
            "token_env": "CONCORD_RAY_TOKEN",
            "cards": 0,
            "python": sys.executable,
            "root": str(ROOT),
        }
    }


@pytest.fixture
def machines(head, tmp_path) -> Iterator[None]:
    """Two more machines of the cluster, on loopback and with a CPU each, beside the head."""
    environment = os.environ | {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": TOKEN}
    options = ("--block", "--disable-usage-stats", "--num-cpus=1", f"--address=127.0.0.1:{head.port}")
    started = [
        subprocess.Popen(
            [RAY, "start", *options, f"--node-ip-address=127.0.0.{number}"],
            env=environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        for number in (2, 3)
    ]
    yield
    for machine in started:
        machine.terminate()
        machine.wait(30)


@pytest.fixture
def start(cluster, running_jobs, project, snapshot, policy_model) -> Callable[..., Run]:
    parameters = {"save_steps": 5, "logging_steps": 1, "max_length": 128, "batch_size": 4}

    def start(seed: int, steps: int = STEPS) -> Run:
        return start_run(
            project=project,
            method="reward",
            base=policy_model,
            snapshot=snapshot,
            by=None,
            seed=seed,
            launcher="cluster",
            parameters=parameters | {"max_steps": steps},
        )

    return start


def test_a_run_ends_well_and_a_wrong_token_is_refused(start, monkeypatch):
    run = start(1)
    perform_job(run.job_id, carry_out_run)
    run = Run.objects.get(pk=run.pk)

    assert run.job.state == JobState.SUCCEEDED, run.job.message
    assert (run.step, run.model_version.name) == (STEPS, run.name)
    monkeypatch.setenv("CONCORD_RAY_TOKEN", "wrong")
    with pytest.raises(Refused, match="does not take our token"):
        launcher_named("cluster").start(run_folder(run) / "spec.json")


def test_a_run_is_spread_over_machines(start, machines, settings):
    """The jobs' interpreter is that of Ray, which must have the training libraries as well."""
    settings.LAUNCHERS["cluster"] |= {"nodes": 2, "python": str(Path(RAY).with_name("python"))}
    run = start(4, steps=6)
    perform_job(run.job_id, carry_out_run)
    run = Run.objects.get(pk=run.pk)

    assert run.job.state == JobState.SUCCEEDED, run.job.message
    events, _ = read_events(run_folder(run) / "events.jsonl")
    assert [event["kind"] for event in events].count("started") == 1  # the first rank's
    used = next(event["rows"]["train"]["used"] for event in events if event["kind"] == "started")
    first = next(event for event in events if event["kind"] == "metric")
    assert first["epoch"] == pytest.approx(1 / math.ceil(used / (2 * 4)))  # a batch of each of two ranks


def test_a_killed_worker_loses_nothing_and_the_next_takes_the_job_up(start, running_jobs):
    run = start(2, steps=400)
    worker = running_jobs(run.job_id)
    wait(worker, lambda: any(step >= 5 for step in logged(run, "metric")))
    worker.kill()
    worker.wait()
    type(run.job).objects.filter(pk=run.job_id).update(state=JobState.QUEUED, lease_until=None)
    second = running_jobs(run.job_id)
    before = len(logged(run, "metric"))
    wait(second, lambda: Run.objects.get(pk=run.pk).job.state == JobState.RUNNING)
    wait(second, lambda: len(logged(run, "metric")) > before + 2)
    cancel_run(job=run.job, by=None)
    second.wait(60)

    run = Run.objects.get(pk=run.pk)
    assert run.job.state == JobState.CANCELLED, run.job.message
    assert len(logged(run, "started")) == 1  # the same runner all the time
    assert logged(run, "cancelled") == [run.step]


def test_a_lost_head_is_said_and_after_its_restart_the_run_resumes(start, running_jobs, head):
    run = start(3, steps=300)
    worker = running_jobs(run.job_id)
    wait(worker, lambda: any(step >= 6 for step in logged(run, "metric")))
    head.kill()

    def said() -> str:
        run.job.refresh_from_db()
        return str(run.job.message)

    wait(worker, lambda: "does not answer" in said())
    assert run.job.state == JobState.RUNNING
    with pytest.raises(LauncherAway):
        launcher_named("cluster").start(run_folder(run) / "spec.json")
    head.start()
    worker.wait(90)
    assert "no longer knows of it" in said()
    assert run.job.state == JobState.INTERRUPTED

    resume_job(job=run.job, by=None)
    perform_job(run.job_id, carry_out_run)
    run = Run.objects.get(pk=run.pk)
    assert run.job.state == JobState.SUCCEEDED, run.job.message
    events, _ = read_events(run_folder(run) / "events.jsonl")
    resumed = [event["resumed_step"] for event in events if event["kind"] == "started"]
    assert resumed[0] == 0
    assert resumed[-1] >= 5
