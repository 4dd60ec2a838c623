"""The launchers of other machines, held to one contract by stand-ins that speak as the real ones were seen to.

Ray's is an HTTP server with the answers recorded from Ray 2.60; Slurm's and Kubernetes' are commands on the PATH.
What stands behind them is not there: no cluster, no card. test_ray_head.py has a real Ray head.
"""

import json
import stat
import subprocess
import time
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import yaml
from django.core.exceptions import ImproperlyConfigured

from feedback.errors import Refused
from trainer.launchers.far import LOST
from trainer.launchers.kubernetes import KubernetesLauncher
from trainer.launchers.launcher import LauncherAway, NoFreeSlot
from trainer.launchers.ray import RayLauncher
from trainer.launchers.settings import LauncherSettings, read_settings
from trainer.launchers.slurm import SlurmLauncher

from .serving import serving


@pytest.fixture
def spec_path(tmp_path) -> Path:
    folder = tmp_path / "runs" / "12"
    folder.mkdir(parents=True)
    (folder / "spec.json").write_text("{}")
    return folder / "spec.json"


class FakeRay(ThreadingHTTPServer):
    """Jobs by id, as the head keeps them; 401 without the token, 404 for an unknown id, 500 for a used one."""

    def __init__(self) -> None:
        self.jobs: dict[str, dict[str, Any]] = {}
        super().__init__(("127.0.0.1", 0), _Answers)


class _Answers(BaseHTTPRequestHandler):
    server: FakeRay

    def do_GET(self) -> None:
        name = self.path.removeprefix("/api/jobs/")
        if not self._allowed():
            return
        if not name:
            self._say(200, list(self.server.jobs.values()))
        elif name.endswith("/logs"):
            self._say(200, {"logs": "No module named trainer"})
        else:
            found = self.server.jobs.get(name)
            self._say(200 if found else 404, found or {})

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers.get("Content-Length") or 0)) or b"{}")
        if not self._allowed():
            return
        name = self.path.removeprefix("/api/jobs/")
        if name.endswith("/stop"):
            self.server.jobs[name.removesuffix("/stop")]["status"] = "STOPPED"
            self._say(200, {"stopped": True})
            return
        new = body["submission_id"]
        if new in self.server.jobs:
            self._say(500, {})
            return
        self.server.jobs[new] = body | {"status": "PENDING", "driver_exit_code": None, "message": ""}
        self._say(200, {"submission_id": new})

    def _allowed(self) -> bool:
        if self.headers.get("Authorization") == "Bearer secret":
            return True
        self._say(401, {})
        return False

    def _say(self, status: int, content: object) -> None:
        data = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def head() -> Iterator[FakeRay]:
    with serving(FakeRay()) as server:
        yield server


@pytest.fixture
def ray(head, monkeypatch) -> RayLauncher:
    monkeypatch.setenv("RAY_TOKEN", "secret")
    monkeypatch.setenv("WANDB_API_KEY", "for the runs")
    url = f"http://127.0.0.1:{head.server_port}"
    given = {"token_env": "RAY_TOKEN", "cards": 2, "root": "/concord", "pass_on": ("WANDB_API_KEY",)}
    return RayLauncher(LauncherSettings(kind="ray", url=url, **given))


def test_ray_takes_up_what_runs_and_submits_anew_what_has_ended(ray, head, spec_path):
    handle = ray.start(spec_path)
    (job,) = head.jobs.values()
    assert job["entrypoint_num_gpus"] == 2
    assert job["entrypoint"] == f"python -m trainer.runner.ranks 2 {spec_path}"
    given = job["runtime_env"]["env_vars"]
    assert given == {"PYTHONPATH": "/concord", "HF_HUB_OFFLINE": "1", "WANDB_API_KEY": "for the runs"}
    assert handle.poll() is None

    job["status"] = "RUNNING"
    assert ray.start(spec_path).name == handle.name
    handle.cancel()
    assert (spec_path.parent / "CANCEL").exists()
    job |= {"status": "FAILED", "driver_exit_code": 143}
    assert handle.poll() == 143

    again = ray.start(spec_path)
    assert again.name != handle.name
    assert not (spec_path.parent / "CANCEL").exists()
    again.cancel()  # it only waits
    assert again.poll() == 143


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({"status": "SUCCEEDED", "driver_exit_code": 0}, 0),
        ({"status": "FAILED", "driver_exit_code": 76}, 76),
        ({"status": "FAILED", "driver_exit_code": None, "message": "The supervisor died"}, 1),
        ({"status": "STOPPED"}, 143),
    ],
)
def test_rays_words_become_a_status_and_its_own_log_is_kept(ray, head, spec_path, change, status):
    handle = ray.start(spec_path)
    next(iter(head.jobs.values())).update(change)

    assert handle.poll() == status
    if status:
        assert "No module named trainer" in (spec_path.parent / "runner.log").read_text()


def test_a_ray_job_that_waited_too_long_is_sent_again(ray, head, spec_path):
    handle = ray.start(spec_path)
    first = handle.name
    head.jobs[first] |= {"status": "FAILED", "error_type": "JOB_SUPERVISOR_ACTOR_START_TIMEOUT"}

    assert handle.poll() is None
    assert handle.name != first
    assert head.jobs[handle.name]["status"] == "PENDING"


def test_only_one_run_waits_on_the_cluster(ray, spec_path, tmp_path):
    ray.start(spec_path)
    other = tmp_path / "runs" / "13" / "spec.json"
    other.parent.mkdir()

    with pytest.raises(NoFreeSlot, match="another run is first"):
        ray.start(other)


def test_a_head_that_forgot_a_job_is_no_end_of_the_world(ray, head, spec_path):
    handle = ray.start(spec_path)
    head.jobs.clear()
    assert handle.poll() == LOST
    (spec_path.parent / "events.jsonl").write_text(
        '{"seq": 1, "at": "2026-01-01", "kind": "finished", "result": {}}\n'
    )
    assert handle.poll() == 0


def test_a_wrong_token_is_refused_and_silence_is_waited_out(ray, head, spec_path, monkeypatch):
    monkeypatch.setenv("RAY_TOKEN", "wrong")
    with pytest.raises(Refused, match="set the variable RAY_TOKEN"):
        ray.start(spec_path)
    away = RayLauncher(LauncherSettings(kind="ray", url="http://127.0.0.1:9"))
    with pytest.raises(LauncherAway, match="does not answer"):
        away.start(spec_path)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"nodes": 3}, "trainer.runner.nodes 2 3 {spec}"),
        (
            {"engine": "verl", "nodes": 3, "engine_settings": ("a.b=1",)},
            "trainer.runner.verl 2 3 {spec} a.b=1",
        ),
    ],
)
def test_a_driver_on_ray_takes_its_cards_inside_it(ray, head, spec_path, given, words):
    driving = RayLauncher(replace(ray.settings, **given))
    driving.start(spec_path)

    (job,) = head.jobs.values()
    assert job["entrypoint"] == f"python -m {words.format(spec=spec_path)}"
    assert "entrypoint_num_gpus" not in job


def test_verl_takes_what_is_free_and_so_one_run_comes_after_the_other(ray, head, spec_path, tmp_path):
    driving = RayLauncher(replace(ray.settings, engine="verl"))
    driving.start(spec_path)
    next(iter(head.jobs.values()))["status"] = "RUNNING"
    other = tmp_path / "runs" / "13" / "spec.json"
    other.parent.mkdir()

    for launcher in (driving, ray):
        with pytest.raises(NoFreeSlot, match="another run is first"):
            launcher.start(other)
    next(iter(head.jobs.values()))["status"] = "SUCCEEDED"
    ray.start(other)
    next(reversed(head.jobs.values()))["status"] = "RUNNING"
    third = tmp_path / "runs" / "14" / "spec.json"
    third.parent.mkdir()
    with pytest.raises(NoFreeSlot, match="another run is first"):
        driving.start(third)
    ray.start(third)  # which Ray itself lets wait


def command(folder: Path, name: str, script: str) -> None:
    path = folder / name
    path.write_text(f"#!/bin/bash\n{script}\n")
    path.chmod(path.stat().st_mode | stat.S_IEXEC)


@pytest.fixture
def commands(tmp_path, monkeypatch) -> Path:
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")
    return folder


def test_slurm_submits_follows_and_stops(commands, spec_path, tmp_path):
    state = tmp_path / "state"
    command(commands, "sbatch", f'bash -n "${{@: -1}}" && echo "PENDING|0:0" > {state} && echo "4711;main"')
    command(commands, "sacct", f"cat {state}")
    command(commands, "squeue", "true")
    command(commands, "scancel", f'[ "$1" = --state=PENDING ] || echo "CANCELLED by 1|0:15" > {state}')
    launcher = SlurmLauncher(
        LauncherSettings(kind="slurm", cards=4, nodes=2, partition="gpu", root="/concord")
    )

    handle = launcher.start(spec_path)
    assert (handle.number, handle.poll()) == ("4711", None)
    state.write_text("RUNNING|0:0\n")
    assert launcher.start(spec_path) == handle
    handle.cancel()
    assert handle.poll() is None
    assert (spec_path.parent / "CANCEL").exists()
    for said, status in {
        "FAILED|143:0": 143,
        "FAILED|0:9": -9,
        "COMPLETED|0:0": 0,
        "NODE_FAIL|1:0": 1,
    }.items():
        state.write_text(said + "\n")
        assert handle.poll() == status
    handle.kill()
    assert handle.poll() == 143
    state.write_text("")
    assert handle.poll() == LOST


def test_the_slurm_script_says_what_it_asks_for(spec_path):
    settings = LauncherSettings(
        kind="slurm", cards=4, nodes=2, partition="gpu", root="/concord", python="/v/bin/python"
    )
    script = SlurmLauncher(settings).render(spec_path)

    head = [line for line in script.splitlines() if line.startswith("#SBATCH")]
    assert {"#SBATCH --nodes=2", "#SBATCH --gpus-per-node=4", "#SBATCH --partition=gpu"} <= set(head)
    assert script.startswith("#!/bin/bash\n")
    assert "$name" not in script
    assert "/v/bin/python -m trainer.runner.ranks 4" in script


def test_the_slurm_script_runs_the_runner_and_hands_on_its_status(commands, spec_path, tmp_path):
    command(commands, "scontrol", "echo localhost")
    command(commands, "runner", f'echo "$@" > {tmp_path}/asked; exit 76')
    settings = LauncherSettings(kind="slurm", root=str(tmp_path), python=str(commands / "runner"))
    script = tmp_path / "job.sh"
    script.write_text(SlurmLauncher(settings).render(spec_path))

    assert subprocess.run(["bash", str(script)], check=False).returncode == 76
    assert (tmp_path / "asked").read_text() == f"-m trainer.runner {spec_path}\n"


def test_slurms_warning_becomes_the_wish_to_stop_in_any_folder(commands, tmp_path):
    folder = tmp_path / "the runs' folder"
    folder.mkdir()
    command(
        commands,
        "runner",
        'cd "$(dirname "$3")"; touch up; until [ -e CANCEL ]; do sleep 0.02; done; exit 143',
    )
    settings = LauncherSettings(kind="slurm", root=str(tmp_path), python=str(commands / "runner"))
    script = tmp_path / "job.sh"
    script.write_text(SlurmLauncher(settings).render(folder / "spec.json"))
    job = subprocess.Popen(["bash", str(script)])
    while not (folder / "up").exists():
        assert job.poll() is None
        time.sleep(0.01)

    job.terminate()

    assert job.wait(30) == 143


def test_slurm_gives_a_job_what_is_named_of_the_environment(commands, spec_path, tmp_path, monkeypatch):
    monkeypatch.setenv("SECRET_KEY", "hidden")
    monkeypatch.setenv("WANDB_API_KEY", "for the runs")
    command(commands, "sbatch", f'echo "$2" > {tmp_path}/asked; echo 1')

    SlurmLauncher(LauncherSettings(kind="slurm", pass_on=("WANDB_API_KEY",))).start(spec_path)

    option, _equals, names = (tmp_path / "asked").read_text().strip().partition("=")
    assert option == "--export"
    assert {"PATH", "WANDB_API_KEY"} <= set(names.split(","))
    assert "SECRET_KEY" not in names


def test_slurm_without_accounting_goes_by_its_queue_and_silence_is_no_loss(commands, spec_path, tmp_path):
    command(commands, "sbatch", "echo 7")
    command(commands, "sacct", "echo 'Slurm accounting storage is disabled' >&2; exit 1")
    command(commands, "squeue", "echo RUNNING")
    handle = SlurmLauncher(LauncherSettings(kind="slurm")).start(spec_path)
    assert handle.poll() is None

    command(commands, "squeue", "echo 'Unable to contact slurm controller (connect failure)' >&2; exit 1")
    with pytest.raises(LauncherAway, match="Unable to contact"):
        handle.poll()
    command(commands, "squeue", "echo 'slurm_load_jobs error: Invalid job id specified' >&2; exit 1")
    assert handle.poll() == LOST


def test_a_template_that_can_not_be_filled_is_refused(spec_path, tmp_path):
    (tmp_path / "own.sh").write_text("#SBATCH --account=$account\n")

    with pytest.raises(Refused, match="can not be filled"):
        SlurmLauncher(LauncherSettings(kind="slurm", template=str(tmp_path / "own.sh"))).render(spec_path)


def test_kubernetes_applies_follows_and_deletes(commands, spec_path, tmp_path):
    applied, job, pods = tmp_path / "applied", tmp_path / "job", tmp_path / "pods"
    script = f"""
    case "$3 $4" in
      "apply -f") cat > {applied} && echo '{{"status": {{}}}}' > {job};;
      "get job") [ -f {job} ] && cat {job} || {{ echo 'Error from server (NotFound): gone' >&2; exit 1; }};;
      "get pods") cat {pods};;
      "delete job") rm -f {job};;
    esac"""
    command(commands, "kubectl", script)
    launcher = KubernetesLauncher(LauncherSettings(kind="kubernetes", image="concord-gpu:1", cards=1))

    handle = launcher.start(spec_path)
    assert (handle.name, handle.poll()) == ("concord-12-1", None)
    assert launcher.start(spec_path) == handle
    job.write_text(json.dumps({"status": {"conditions": [{"type": "Failed", "status": "True"}]}}))
    ended = {"state": {"terminated": {"exitCode": 143}}}
    pods.write_text(json.dumps({"items": [{"status": {"containerStatuses": [ended]}}]}))
    assert handle.poll() == 143
    assert launcher.start(spec_path).name == "concord-12-2"
    job.write_text(json.dumps({"status": {"conditions": [{"type": "Complete", "status": "True"}]}}))
    assert handle.poll() == 0
    handle.kill()
    assert handle.poll() == LOST


def test_the_kubernetes_job_is_one_that_the_api_takes(spec_path, settings, monkeypatch):
    monkeypatch.setenv("WANDB_API_KEY", 'for "the" runs')
    given = LauncherSettings(kind="kubernetes", image="i", cards=2, pass_on=("WANDB_API_KEY",))
    manifest = KubernetesLauncher(given).manifest(spec_path, "n")

    assert (manifest["apiVersion"], manifest["kind"], manifest["metadata"]["name"]) == (
        "batch/v1",
        "Job",
        "n",
    )
    pod = manifest["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    assert pod["restartPolicy"] in ("Never", "OnFailure")  # all that a Job allows
    assert container["resources"]["limits"] == {"nvidia.com/gpu": 2}
    assert container["command"][-4:] == ["-m", "trainer.runner.ranks", "2", str(spec_path)]
    assert {"name": "WANDB_API_KEY", "value": 'for "the" runs'} in container["env"]
    mounts = {mount["name"] for mount in container["volumeMounts"]}
    assert mounts == {volume["name"] for volume in pod["volumes"]}
    assert all(isinstance(each["value"], str) for each in container["env"])
    assert yaml.safe_load(yaml.safe_dump(manifest)) == manifest


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        ({"kind": "moon"}, "needs a kind of local, ray"),
        ({"kind": "ray"}, "needs the url"),
        ({"kind": "kubernetes", "nodes": 2}, "Slurm and Ray alone"),
        ({"kind": "slurm", "engine": "verl"}, "an engine of verl, on Ray"),
        ({"kind": "ray", "url": "http://head", "engine": "other"}, "an engine of verl, on Ray"),
        ({"slot": ["0"]}, "unknown field 'slot'"),
        ({"pass_on": "HF_TOKEN"}, "a list in pass_on"),
        ({"kind": "remote", "weights_gib": 0}, "a number above 0 in weights_gib"),
    ],
)
def test_a_setting_that_can_not_be_meant_is_said(entry, words):
    with pytest.raises(ImproperlyConfigured, match=words):
        read_settings({"cluster": entry})
