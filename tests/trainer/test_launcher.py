"""The local launcher: a real process, in a group of its own, that is told nothing it need not know."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from feedback.actions.jobs import claim_job, queue_job
from feedback.errors import Refused
from feedback.models import Job
from trainer.actions import following
from trainer.events import read_events
from trainer.launchers import local
from trainer.launchers.launcher import Handle, NoFreeSlot
from trainer.launchers.registry import launcher_named

pytestmark = pytest.mark.training


@pytest.fixture
def bad_spec(tmp_path: Path) -> Path:
    """A spec that every runner refuses at once, so that a start costs a moment."""
    path = tmp_path / "spec.json"
    path.write_text("{}")
    return path


def end_of(handle: Handle) -> int | None:
    deadline = time.monotonic() + 30
    while handle.poll() is None and time.monotonic() < deadline:
        os.sched_yield()
    return handle.poll()


def test_a_runner_reports_its_exit_status_and_its_reason(bad_spec):
    handle = launcher_named("local").start(bad_spec)

    assert end_of(handle) == 1
    events, _ = read_events(bad_spec.parent / "events.jsonl")
    assert [event["kind"] for event in events] == ["failed"]


def test_what_the_runner_prints_is_in_its_log(bad_spec):
    end_of(launcher_named("local").start(bad_spec))

    assert "method: is missing" in (bad_spec.parent / "runner.log").read_text()


def test_cancelling_an_ended_runner_does_nothing(bad_spec):
    handle = launcher_named("local").start(bad_spec)
    status = end_of(handle)

    handle.cancel()

    assert handle.poll() == status


def test_a_runner_has_a_process_group_of_its_own(bad_spec):
    handle = launcher_named("local").start(bad_spec)
    process = handle.process  # type: ignore[attr-defined]

    assert os.getpgid(process.pid) == process.pid != os.getpgid(0)
    end_of(handle)


def test_a_cancel_reaches_the_runner_as_sigterm(bad_spec):
    handle = launcher_named("local").start(bad_spec)
    handle.cancel()  # before the runner has taken over its signals

    assert end_of(handle) in (-signal.SIGTERM, 1)


def test_no_secret_of_the_server_reaches_the_runner_but_what_is_named(bad_spec, monkeypatch, settings):
    secrets = ("DATABASE_URL", "SECRET_KEY", "CELERY_BROKER_URL", "ANTHROPIC_API_KEY", "HF_TOKEN")
    for name in secrets:
        monkeypatch.setenv(name, "hidden")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")
    monkeypatch.setenv("WANDB_API_KEY", "for the runs")
    settings.LAUNCHERS = {"local": {"pass_on": ["WANDB_API_KEY", "NOT_SET"]}}

    handle = launcher_named("local").start(bad_spec)
    environment = Path(f"/proc/{handle.process.pid}/environ").read_bytes()  # type: ignore[attr-defined]
    end_of(handle)

    names = {entry.partition(b"=")[0].decode() for entry in environment.split(b"\0")}
    assert not names & set(secrets)
    assert {"PATH", "HF_HUB_OFFLINE", "CUDA_VISIBLE_DEVICES"} <= names
    assert b"WANDB_API_KEY=for the runs" in environment.split(b"\0")


@pytest.fixture
def take(settings, tmp_path) -> Iterator[Callable[..., str]]:
    """Takes a free one of these slots, as a runner would hold it."""
    settings.VAR = tmp_path
    held: list[int] = []

    def take(*slots: str) -> str:
        slot, locks = local._free_slot(slots)
        held.extend(locks)
        return slot

    yield take
    local._close(held)


def test_no_card_is_given_twice_whatever_the_launchers_call_their_slots(take):
    assert take("0", "1") == "0"
    with pytest.raises(NoFreeSlot):
        take("1,0", "0")
    assert take("1", "2,3") == "1"  # which was let go of, as the other of the two was taken
    assert take("1", "3, 2") == "3, 2"
    with pytest.raises(NoFreeSlot):
        take("2", "3")


def test_a_slot_named_twice_is_shared_on_purpose(take):
    assert take("cpu", "cpu") == take("cpu", "cpu") == "cpu"
    with pytest.raises(NoFreeSlot):
        take("cpu", "cpu")


def test_an_unknown_launcher_is_refused():
    with pytest.raises(Refused, match="'cloud' is no launcher; use one of local"):
        launcher_named("cloud")


def test_what_was_said_while_a_run_waited_is_gone_once_it_runs(project, monkeypatch):
    monkeypatch.setattr(following, "HEARTBEAT_SECONDS", 0.0)
    monkeypatch.setattr(following, "POLL_SECONDS", 0.01)
    lease = claim_job(queue_job(project=project, task="none", queue="gpu", by=None).pk)
    lease.report(message="It waits for a free place: other runs hold every card.")
    process = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(0.5)"])
    said = []

    def read():
        said.append(Job.objects.get(pk=lease.job_id).message)
        return following.Progress(step=len(said), total=9)

    handle = SimpleNamespace(poll=process.poll, cancel=process.kill)
    stopped = following._follow(handle, launcher_named("local"), lease, read)

    assert (stopped, process.returncode) == (False, 0)
    assert said[0] != "" == said[1]
