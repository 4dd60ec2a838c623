"""Pushing a model version to a hub: its files, a model card and its lineage, by a process that holds the token."""

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from django.conf import settings
from django.db import transaction
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

from feedback.actions.audit import record
from feedback.actions.jobs import JobCancelled, Lease, queue_job
from feedback.errors import Refused
from feedback.models import UNFINISHED
from feedback.people import Person
from trainer.actions.model_versions import check_model_folder, check_weights
from trainer.archives import entries_of
from trainer.folders import model_folder
from trainer.launchers.local import ROOT
from trainer.models import ModelVersion, Push

REPOSITORY = re.compile(r"[A-Za-z0-9][\w.-]{0,95}/[A-Za-z0-9][\w.-]{0,95}")
HEARTBEAT_SECONDS = 2.0
# Whose token and hub these are is the administrator's to say; offline mode is for runners, which need no hub.
PASSED_ON = (
    "PATH",
    "HOME",
    "LANG",
    "TMPDIR",
    "HF_TOKEN",
    "HF_ENDPOINT",
    "HF_HOME",
    "HF_HUB_DISABLE_XET",
    "SSL_CERT_FILE",
)


def start_push(*, model_version: ModelVersion, repository: str, by: Person, private: bool = True) -> Push:
    """Queue the push. Refused: no token in the environment, a name that is none, a push that is under way."""
    repository = repository.strip()
    if not REPOSITORY.fullmatch(repository):
        raise Refused(
            _("Give the repository as OWNER/NAME, in letters, digits, dots, dashes and underscores."),
            field="repository",
        )
    if not os.environ.get("HF_TOKEN"):
        raise Refused(_("This server has no token for a hub: set HF_TOKEN where it is started."))
    check_model_folder(model_version.project, model_folder(model_version))
    with transaction.atomic():
        ModelVersion.objects.select_for_update(no_key=True).get(pk=model_version.pk)
        if model_version.pushes.filter(job__state__in=UNFINISHED).exists():
            raise Refused(_("%(name)s is being pushed; wait for its end.") % {"name": model_version.name})
        job = queue_job(
            project=model_version.project, task="trainer.tasks.perform_push", queue="default", by=by
        )
        push = Push.objects.create(
            model_version=model_version, job=job, repository=repository, private=private, created_by=by
        )
        record(
            by=by, verb="start push", target=push, project=model_version.project, repository=repository,
            private=private,
        )  # fmt: skip
    return push


def carry_out_push(lease: Lease) -> None:
    """Lay the files out and push them; pushing again what is there changes nothing."""
    push = Push.objects.select_related("model_version__project").get(job_id=lease.job_id)
    check_weights(push.model_version, lease.report)
    Path(settings.RUNS_ROOT).mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix="push-", dir=settings.RUNS_ROOT))
    try:
        for entry in entries_of(push.model_version):
            if entry.path is None:
                (folder / entry.name).write_bytes(entry.content)
            else:
                (folder / entry.name).symlink_to(entry.path)
        lease.report(message=gettext_noop("Pushing to the hub."))
        push.url = _url(_pushed(folder, push, lease))
        push.save(update_fields=["url"])
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _pushed(folder: Path, push: Push, lease: Lease) -> str:
    """What the pushing process said; it is stopped where the job is."""
    known = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
    environment = {**known, "HF_HUB_DISABLE_TELEMETRY": "1", "HF_HUB_DISABLE_PROGRESS_BARS": "1"}
    command = [sys.executable, "-m", "trainer.hub", str(folder), push.repository]
    process = subprocess.Popen(
        command if push.private else [*command, "--public"],
        cwd=ROOT,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    try:
        while True:
            try:
                return process.communicate(timeout=HEARTBEAT_SECONDS)[0]
            except subprocess.TimeoutExpired:
                if lease.renew():
                    raise JobCancelled from None
    finally:
        process.kill()
        process.wait()


def _url(said: str) -> str:
    last = (said.strip().splitlines() or ["{}"])[-1]
    told = json.loads(last) if last.startswith("{") else {}
    if "url" not in told:
        problem = told.get("problem", _("the pushing process ended without a word"))
        raise Refused(_("The hub did not take it: %(problem)s") % {"problem": problem})
    return str(told["url"])[:500]
