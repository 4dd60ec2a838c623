"""A run on somebody's own machine: the real script against a real server, and what the API takes from it."""

import io
import json
import os
import resource
import shutil
import signal
import subprocess
import sys

import pytest
from django.http import UnreadablePostError

from feedback.actions.jobs import claim_job
from feedback.actions.tokens import create_token
from feedback.errors import Refused
from feedback.models import JobState, TokenScope
from trainer.actions.model_versions import register_result
from trainer.actions.remote import receive_events, receive_file
from trainer.actions.runs import cancel_run, start_run
from trainer.folders import model_folder, run_folder
from trainer.models import ModelVersion, Run

from .conftest import ROOT
from .test_kills import wait

pytestmark = pytest.mark.django_db(transaction=True)
FAST = {"max_steps": 6, "save_steps": 3, "logging_steps": 1, "max_length": 128, "batch_size": 4}


@pytest.fixture
def run(settings, project, snapshot, policy_model) -> Run:
    settings.LAUNCHERS = {"rented": {"kind": "remote", "hour_price": 2.0}}
    fields = {"project": project, "method": "reward", "base": policy_model, "snapshot": snapshot, "by": None}
    return start_run(**fields, launcher="rented", parameters=FAST)


@pytest.fixture
def waiting(run) -> Run:
    claim_job(run.job_id)
    run_folder(run).mkdir(parents=True)
    return Run.objects.select_related("job").get(pk=run.pk)


def warning(seq: int) -> dict[str, object]:
    return {"seq": seq, "at": "2026-01-01T00:00:00+00:00", "kind": "warning", "message": f"number {seq}"}


@pytest.mark.training
@pytest.mark.slow
def test_the_script_trains_elsewhere_and_brings_events_and_weights_home(
    run, running_jobs, live_server, make_user, project, tiny_model, tmp_path
):
    engineer = make_user("eve", project=project, role="engineer")
    _token, secret = create_token(user=engineer, name="rented", scope=TokenScope.WRITE)
    worker = running_jobs(run.job_id)
    wait(worker, lambda: (run_folder(run) / "launched.json").exists())
    where = ("--server", live_server.url, "--project", project.slug, "--run", str(run.pk))

    done = subprocess.run(
        [sys.executable, str(ROOT / "deploy/remote/run_remote.py"), *where, "--model", str(tiny_model)],
        cwd=tmp_path,
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "CONCORD_TOKEN": secret},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    worker.wait(60)

    run = Run.objects.get(pk=run.pk)
    assert run.job.state == JobState.SUCCEEDED, run.job.message
    assert (run.step, run.result["steps"]) == (6, 6)
    assert (model_folder(run.model_version) / "model.safetensors").is_file()
    assert run.model_version.base == run.base
    assert run.curves["lines"]["cost"][-1][1] == pytest.approx(run.seconds * 2 / 3600, rel=0.5)


def test_an_event_sent_twice_is_kept_once_and_none_is_missed(waiting):
    assert receive_events(run=waiting, events=[warning(1), warning(2)]) == (2, False)
    (run_folder(waiting) / "CANCEL").touch()
    assert receive_events(run=waiting, events=[warning(2), warning(3)]) == (3, True)

    with pytest.raises(Refused, match="Event 4 is missing"):
        receive_events(run=waiting, events=[warning(5)])
    assert len((run_folder(waiting) / "events.jsonl").read_text().splitlines()) == 3


METRIC = {"kind": "metric", "step": 1, "total_steps": 6, "epoch": 0.5, "values": {"loss": 0.5}}


def test_what_is_no_event_is_refused_with_its_row_and_field(waiting):
    with pytest.raises(Refused, match=r"^events\[1\]\.at: it is no ISO time") as refused:
        receive_events(run=waiting, events=[warning(1), warning(2) | {"at": "now"}])
    assert refused.value.field == "events[1].at"
    assert not (run_folder(waiting) / "events.jsonl").exists()


def test_the_newest_event_of_a_long_log_is_found(waiting):
    long = [warning(seq) | {"message": "word " * 3999} for seq in range(1, 201)]
    for start in range(0, 200, 50):
        receive_events(run=waiting, events=long[start : start + 50])
    assert (run_folder(waiting) / "events.jsonl").stat().st_size > 3 << 20
    assert receive_events(run=waiting, events=[warning(200), warning(201)]) == (201, False)


def test_a_number_that_json_can_not_hold_is_a_refusal_and_no_failure(waiting, client, make_user, project):
    client.force_login(make_user("ed", project=project, role="engineer"))
    url = f"/api/v1/projects/{project.slug}/runs/{waiting.pk}/remote/events"
    event = json.dumps({"seq": 1, "at": "2026-01-01T00:00:00+00:00"} | METRIC).replace("0.5}", "1e999}")
    answer = client.post(url, f'{{"events": [{event}]}}', content_type="application/json")
    assert (answer.status_code, answer.json()["error"]["field"]) == (400, "events[0].values")


def test_a_result_from_elsewhere_takes_no_other_runs_weights(waiting, tiny_model):
    """Its own machine can send files only; the links stand for a folder that several machines write to."""
    folder = run_folder(waiting)
    other = folder.parent / "other-7"
    shutil.copytree(tiny_model, other / "final")
    (folder / "link").symlink_to(other / "final")
    (folder / "linked").mkdir()
    for file in (other / "final").iterdir():
        (folder / "linked" / file.name).symlink_to(file)

    for model in (f"../{other.name}/final", str(other / "final"), "link", "linked", ".", "", None, 3, "a\0b"):
        waiting.result = {"model": model, "steps": 6}
        with pytest.raises(Refused, match="result"):
            register_result(run=waiting, beat=lambda: None)
    assert not ModelVersion.objects.filter(run=waiting).exists()

    shutil.copytree(tiny_model, folder / "final")
    waiting.result = {"model": "final", "steps": 6}
    adapter = json.dumps({"base_model_name_or_path": str(other / "final")}).encode()
    receive_file(run=waiting, name="adapter_config.json", stream=io.BytesIO(adapter))
    with pytest.raises(Refused, match="belongs to a run"):
        register_result(run=waiting, beat=lambda: None)
    (folder / "final" / "adapter_config.json").unlink()
    assert register_result(run=waiting, beat=lambda: None).path == f"{waiting.pk}/final"


def test_a_result_of_any_size_is_not_taken(waiting):
    with pytest.raises(Refused, match=r"result.json is larger than 1048576 bytes"):
        receive_file(run=waiting, name="result.json", stream=io.BytesIO(b" " * (2 << 20)))
    assert not (run_folder(waiting) / "result.json").exists()


def kept(run: Run) -> list[str]:
    return sorted(path.name for path in (run_folder(run) / "final").iterdir())


class Body(io.BytesIO):
    """Notes how much of it was read."""

    taken = 0

    def read(self, size: int | None = -1) -> bytes:
        block = super().read(size)
        self.taken += len(block)
        return block


def test_a_model_larger_than_its_launcher_takes_is_refused_while_it_comes(waiting, settings):
    """All its files together, and nothing is left of the one too many."""
    settings.LAUNCHERS = {"rented": {"kind": "remote", "weights_gib": 4 / 1024}}
    one, two = "model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"
    receive_file(run=waiting, name=one, stream=io.BytesIO(bytes(2 << 20)))
    body = Body(bytes(64 << 20))

    with pytest.raises(Refused, match="weights_gib of the launcher rented; an administrator can raise it"):
        receive_file(run=waiting, name=two, stream=body)

    assert kept(waiting) == [one]
    assert body.taken == 3 << 20
    # What a file replaces is not counted, nor what a server that was killed has left of it.
    (run_folder(waiting) / "final" / f"{one}.part-0123").write_bytes(bytes(1 << 20))
    assert receive_file(run=waiting, name=one, stream=io.BytesIO(bytes(4 << 20))) == 4 << 20
    assert kept(waiting) == [one]


@pytest.fixture
def small_disk():
    """It takes files of this process up to 3 MiB."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (3 << 20, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, before)
    signal.signal(signal.SIGXFSZ, handler)


def test_a_full_disk_is_told_and_leaves_nothing_half_written(waiting, small_disk):
    with pytest.raises(Refused, match=r"disk has no room for model\.safetensors, and it was not kept"):
        receive_file(run=waiting, name="model.safetensors", stream=io.BytesIO(bytes(8 << 20)))
    assert kept(waiting) == []


def test_a_sender_that_goes_away_leaves_nothing_half_written(waiting):
    class Broken(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            if self.tell():
                raise UnreadablePostError("the connection was lost")
            return super().read(size)

    with pytest.raises(UnreadablePostError):
        receive_file(run=waiting, name="model.safetensors", stream=Broken(bytes(4 << 20)))
    assert kept(waiting) == []


def test_cancelling_reaches_a_machine_that_no_worker_follows_just_then(waiting):
    """Its worker has died, and the job waits for the next one."""
    waiting.job.state, waiting.job.lease_until = JobState.QUEUED, None
    waiting.job.save()

    cancel_run(job=waiting.job, by=None)

    waiting.job.refresh_from_db()
    assert waiting.job.state == JobState.CANCELLED
    assert (run_folder(waiting) / "CANCEL").exists()


@pytest.mark.parametrize(
    "name", ["../../secret_key", "model.bin", "pytorch_model.pkl", ".hidden.json", "a/b.json"]
)
def test_no_file_lands_outside_and_nothing_that_runs_code_is_taken(waiting, name):
    with pytest.raises(Refused, match="is no file of a model"):
        receive_file(run=waiting, name=name, stream=io.BytesIO(b"x"))


def test_only_a_run_that_waits_for_it_takes_anything(waiting, client, make_user, project):
    url = f"/api/v1/projects/{project.slug}/runs/{waiting.pk}/remote/events"
    client.force_login(make_user("rob", project=project, role="reviewer"))
    assert client.post(url, {"events": []}, content_type="application/json").status_code in (403, 404)
    client.force_login(make_user("ed", project=project, role="engineer"))
    assert client.post(url, {"events": []}, content_type="application/json").json() == {
        "seq": 0,
        "stop": False,
    }

    waiting.job.state = JobState.CANCELLED
    waiting.job.save()
    refused = client.post(url, {"events": [warning(1)]}, content_type="application/json")
    assert refused.status_code == 400
    assert "does not wait for a machine elsewhere" in refused.content.decode()
