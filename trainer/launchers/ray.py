"""Runs the runner as a job of a Ray cluster, over its HTTP API alone: nothing of Ray is imported here.

    POST /api/jobs/ {entrypoint, submission_id, runtime_env, entrypoint_num_gpus}    GET /api/jobs/{id}
    GET /api/jobs/{id}/logs    POST /api/jobs/{id}/stop                              (Ray 2.60)

A used id gives 500, so an id is looked up before it is used, and noted before it is sent: a start that was cut off
is found again. A job that waits for 900 seconds fails, so one waits at a time, and is sent again.

On several machines the job is a driver without cards, which takes them inside Ray: `trainer.runner.nodes`, or verl,
which fails where they are not free, so that its runs come alone.
"""

import hashlib
import os
import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

from feedback.errors import Refused
from trainer.launchers import far
from trainer.launchers.launcher import Handle, LauncherAway, NoFreeSlot, runner_words
from trainer.launchers.settings import LauncherSettings

WAITING = ("PENDING",)
UNDER_WAY = (*WAITING, "RUNNING")
WAITED_TOO_LONG = "JOB_SUPERVISOR_ACTOR_START_TIMEOUT"
SECONDS = 10.0
STOPPED = 143  # 128 + SIGTERM


@dataclass(frozen=True)
class RayLauncher:
    settings: LauncherSettings
    outlives = True

    def start(self, spec_path: Path) -> Handle:
        """Take up the job that this folder has on the cluster, or submit one."""
        note = far.remembered(spec_path)
        if note and (self.look(note["id"]) or {}).get("status") in UNDER_WAY:
            return RayJob(self, spec_path, note["id"])
        far.forget_stop(spec_path)
        if any(_ours(job) and self._is_first(job) for job in self.ask("GET", "").json()):
            raise NoFreeSlot(gettext_noop("It waits for the cluster, on which another run is first."))
        return RayJob(self, spec_path, self.submit(spec_path, int(note.get("number", 0)) + 1))

    def _is_first(self, job: dict[str, Any]) -> bool:
        """Whether a run waits for this job: an engine takes its cards inside Ray, which does not see them wait."""
        an_engines = self.settings.engine or (job.get("metadata") or {}).get("engine")
        return job["status"] in (UNDER_WAY if an_engines else WAITING)

    def submit(self, spec_path: Path, number: int) -> str:
        """Submit the job under the first number that was not used; its id."""
        while self.look(_id(spec_path, number)):
            number += 1
        name = _id(spec_path, number)
        far.remember(spec_path, id=name, number=number)
        settings = self.settings
        body: dict[str, Any] = {
            "submission_id": name,
            "entrypoint": shlex.join(_words(settings, spec_path)),
            "metadata": {"concord": str(spec_path), "engine": settings.engine},
            "runtime_env": {
                "env_vars": {"PYTHONPATH": settings.root, "HF_HUB_OFFLINE": "1", **settings.passed_on}
            },
        }
        if settings.cards and not _is_driver(settings):
            body["entrypoint_num_gpus"] = settings.cards
        else:
            body["entrypoint_num_cpus"] = 1
        self.ask("POST", "", json=body)
        return name

    def look(self, name: str) -> dict[str, Any] | None:
        """What the cluster says of a job; None where it knows none of this id."""
        answer = self.ask("GET", name, missing=True)
        found: dict[str, Any] | None = None if answer.status_code == 404 else answer.json()
        return found

    def ask(self, verb: str, path: str, *, missing: bool = False, **body: Any) -> httpx2.Response:
        """One request. Raises Refused for a wrong token, LauncherAway where there is no answer to rely on."""
        url = f"{self.settings.url.rstrip('/')}/api/jobs/{path}"
        token = os.environ.get(self.settings.token_env, "") if self.settings.token_env else ""
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        try:
            answer = httpx2.request(verb, url, headers=headers, timeout=SECONDS, **body)
        except httpx2.HTTPError as error:
            raise LauncherAway(
                f"The Ray head at {self.settings.url} does not answer ({type(error).__name__}); it is asked again."
            ) from error
        if answer.status_code in (401, 403):
            raise Refused(
                _("The Ray head at %(url)s does not take our token; set the variable %(name)s.")
                % {"url": self.settings.url, "name": self.settings.token_env or "token_env"},
                field="launcher",
            )
        if answer.is_error and not (missing and answer.status_code == 404):
            raise LauncherAway(
                f"The Ray head at {self.settings.url} answered {answer.status_code}; it is asked again."
            )
        return answer


@dataclass
class RayJob:
    launcher: RayLauncher
    spec_path: Path
    name: str

    def poll(self) -> int | None:
        job = self.launcher.look(self.name)
        if job is None:  # a head that was started anew knows nothing of it
            return 0 if far.ended_well(self.spec_path) else far.LOST
        status = job["status"]
        if status in UNDER_WAY:
            return None
        if status == "FAILED" and job.get("error_type") == WAITED_TOO_LONG:
            self.name = self.launcher.submit(self.spec_path, 1)
            return None
        code = 0 if status == "SUCCEEDED" else STOPPED if status == "STOPPED" else job.get("driver_exit_code")
        if code != 0:
            self._keep_logs(job)
        return 1 if code is None else int(code)

    def cancel(self) -> None:
        """One that only waits is taken back; one that runs saves a checkpoint first."""
        job = self.launcher.look(self.name) or {}
        if job.get("status") == "RUNNING":
            far.ask_to_stop(self.spec_path)
        elif job.get("status") == "PENDING":
            self.kill()

    def kill(self) -> None:
        self.launcher.ask("POST", f"{self.name}/stop", missing=True)

    def _keep_logs(self, job: dict[str, Any]) -> None:
        logs = self.launcher.ask("GET", f"{self.name}/logs", missing=True)
        said = logs.json().get("logs", "") if logs.is_success else ""
        far.append_log(self.spec_path, f"{said}\n{job.get('message') or ''}")


def _is_driver(settings: LauncherSettings) -> bool:
    return bool(settings.engine) or settings.nodes > 1


def _words(settings: LauncherSettings, spec_path: Path) -> list[str]:
    size = [str(settings.cards), str(settings.nodes)]
    if settings.engine:
        module = f"trainer.runner.{settings.engine}"
        return [settings.python, "-m", module, *size, str(spec_path), *settings.engine_settings]
    if settings.nodes > 1:
        return [settings.python, "-m", "trainer.runner.nodes", *size, str(spec_path)]
    return runner_words(settings.python, settings.cards, spec_path)


def _id(spec_path: Path, number: int) -> str:
    """The same for the same folder, and another for every folder and server."""
    return f"concord-{hashlib.sha256(str(spec_path).encode()).hexdigest()[:12]}-{number}"


def _ours(job: dict[str, Any]) -> bool:
    return str(job.get("submission_id") or "").startswith("concord-")
