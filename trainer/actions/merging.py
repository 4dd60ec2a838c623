"""Merging an adapter into its base: a run like any other, whose model version is whole."""

import json

from django.db import transaction
from django.utils.translation import gettext as _

from feedback.actions.audit import record
from feedback.actions.jobs import queue_job
from feedback.errors import Refused
from feedback.models import UNFINISHED
from feedback.people import Person
from trainer.actions.model_versions import check_model_folder, is_adapter
from trainer.actions.runs import checked_spec
from trainer.folders import model_folder
from trainer.models import ModelVersion, Run


def start_merge(*, model_version: ModelVersion, by: Person) -> Run:
    """Queue the merge; its model version is called NAME-merged. Refused where it is no adapter, or merged already."""
    folder = model_folder(model_version)
    check_model_folder(folder)
    name = f"{model_version.name}-merged"
    if not is_adapter(folder):
        raise Refused(_("%(name)s is whole already: it holds no adapter.") % {"name": model_version.name})
    spec = checked_spec(method="merge", model=str(folder), dataset=str(folder))
    project = model_version.project
    with transaction.atomic():
        ModelVersion.objects.select_for_update(no_key=True).get(pk=model_version.pk)
        taken = Run.objects.filter(project=project, name=name)
        if (
            taken.filter(job__state__in=UNFINISHED).exists()
            or project.model_versions.filter(name=name).exists()
        ):
            raise Refused(_("%(name)s is being merged, or was.") % {"name": model_version.name})
        number = taken.count()
        job = queue_job(project=project, task="trainer.tasks.perform_run", queue="gpu", by=by)
        run = Run.objects.create(
            project=project,
            job=job,
            name=f"{name}-{number + 1}" if number else name,
            method="merge",
            base=model_version,
            spec=json.loads(spec.to_json()),
            spec_sha256=spec.sha256(),
            created_by=by,
        )
        record(by=by, verb="start merge", target=run, project=project, model=model_version.name)
    return run
