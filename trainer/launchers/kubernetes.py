"""Runs the runner as a Kubernetes Job, by kubectl, which must be set up on this machine for its namespace."""

import json
import subprocess
from dataclasses import dataclass
from pathlib import Path
from string import Template
from typing import Any

import yaml
from django.conf import settings as django_settings
from django.utils.translation import gettext as _

from feedback.errors import Refused
from trainer.launchers import far
from trainer.launchers.launcher import Handle, LauncherAway, runner_words
from trainer.launchers.settings import LauncherSettings

TEMPLATE = Path(__file__).parent / "templates" / "kubernetes.yaml"
SECONDS = 60.0


@dataclass(frozen=True)
class KubernetesLauncher:
    settings: LauncherSettings
    outlives = True

    def start(self, spec_path: Path) -> Handle:
        """Take up the Job of this folder where it runs; one that has ended makes room for a new one."""
        note = far.remembered(spec_path)
        number = int(note.get("number", 0)) + 1
        if note and KubernetesJob(self, spec_path, note["id"]).poll() is None:
            return KubernetesJob(self, spec_path, note["id"])
        far.forget_stop(spec_path)
        name = f"concord-{spec_path.parent.name}-{number}".lower()
        far.remember(spec_path, id=name, number=number)
        self.kubectl("apply", "-f", "-", text=yaml.safe_dump(self.manifest(spec_path, name)))
        return KubernetesJob(self, spec_path, name)

    def manifest(self, spec_path: Path, name: str) -> dict[str, Any]:
        """The Job. Raises Refused for a template that gives none."""
        settings = self.settings
        path = Path(settings.template) if settings.template else TEMPLATE
        known = {
            "name": json.dumps(name),
            "namespace": json.dumps(settings.namespace),
            "image": json.dumps(settings.image),
            "cards": settings.cards,
            "command": json.dumps(runner_words(settings.python, settings.cards, spec_path)),
            "var": json.dumps(str(django_settings.VAR)),
            "environment": json.dumps(
                [{"name": name, "value": value} for name, value in _environment(settings).items()]
            ),
        }
        try:
            found = yaml.safe_load(Template(path.read_text()).substitute(known))
        except (KeyError, ValueError, OSError, yaml.YAMLError) as error:
            raise Refused(
                _("The template %(path)s can not be filled (%(error)s).") % {"path": path, "error": error},
                field="launcher",
            ) from error
        if not isinstance(found, dict) or found.get("kind") != "Job":
            raise Refused(_("The template %(path)s is no Kubernetes Job.") % {"path": path}, field="launcher")
        return found

    def kubectl(self, *words: str, text: str | None = None, missing: bool = False) -> str:
        """What kubectl printed. Raises LauncherAway where it fails; ``missing`` lets what is not there be empty."""
        command = ["kubectl", "-n", self.settings.namespace, *words]
        try:
            done = subprocess.run(
                command, input=text, capture_output=True, text=True, timeout=SECONDS, check=False
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise LauncherAway(
                f"kubectl can not be run here ({type(error).__name__}); it is tried again."
            ) from error
        if done.returncode and not (missing and "NotFound" in done.stderr):
            last = (done.stderr.strip().splitlines() or [f"status {done.returncode}"])[-1]
            raise LauncherAway(f"kubectl failed ({last}); it is tried again.")
        return done.stdout


@dataclass(frozen=True)
class KubernetesJob:
    launcher: KubernetesLauncher
    spec_path: Path
    name: str

    def poll(self) -> int | None:
        """By the Job's conditions, and the exit status of its pod's container."""
        said = self.launcher.kubectl("get", "job", self.name, "-o", "json", missing=True)
        if not said:
            return 0 if far.ended_well(self.spec_path) else far.LOST
        conditions = json.loads(said).get("status", {}).get("conditions") or []
        ended = {each["type"] for each in conditions if each["status"] == "True"}
        if "Complete" in ended:
            return 0
        return self._exit_status() if "Failed" in ended else None

    def cancel(self) -> None:
        far.ask_to_stop(self.spec_path)

    def kill(self) -> None:
        self.launcher.kubectl("delete", "job", self.name, "--wait=false", missing=True)

    def _exit_status(self) -> int:
        said = self.launcher.kubectl("get", "pods", "-l", f"job-name={self.name}", "-o", "json")
        codes = [
            container["state"]["terminated"]["exitCode"]
            for pod in json.loads(said).get("items", [])
            for container in pod.get("status", {}).get("containerStatuses", [])
            if "terminated" in container.get("state", {})
        ]
        return int(codes[-1]) if codes else far.LOST


def _environment(settings: LauncherSettings) -> dict[str, str]:
    return {"HF_HUB_OFFLINE": "1", "HF_HUB_DISABLE_TELEMETRY": "1", **settings.passed_on}
