"""A run is stored and queued: the one way in for training and for merging."""

import json
from collections.abc import Iterable
from itertools import count

from django.db import transaction
from django.utils.translation import gettext as _

from alignment.models import Snapshot
from feedback.actions.audit import record
from feedback.actions.jobs import queue_job
from feedback.errors import Refused
from feedback.models import UNFINISHED, Project
from feedback.people import Person
from trainer.launchers.registry import launcher_named
from trainer.models import ModelVersion, Run
from trainer.spec import RunSpec

LONGEST_NAME = 200


def store_run(
    *,
    project: Project,
    spec: RunSpec,
    names: Iterable[str],
    by: Person,
    base: ModelVersion | None,
    snapshot: Snapshot | None = None,
    launcher: str = "local",
) -> Run:
    """Queue the run under the first of ``names`` that no run and no model version has, since both share them.

    Refused where none is free, or where the very same run has not ended: a second click starts no second run.
    """
    with transaction.atomic():
        Project.objects.select_for_update(no_key=True).get(pk=project.pk)  # two requests come one by one
        name = _free(project, names)
        _refuse_a_second(project, spec)
        run = Run.objects.create(
            project=project,
            job=queue_job(
                project=project,
                task="trainer.tasks.perform_run",
                queue="gpu",
                by=by,
                max_attempts=_attempts(launcher),
            ),
            name=name,
            method=spec.method,
            snapshot=snapshot,
            base=base,
            spec=json.loads(spec.to_json()),
            spec_sha256=spec.sha256(),
            launcher=launcher,
            created_by=by,
        )
        record(by=by, verb="start run", target=run, project=project, spec_sha256=run.spec_sha256)
    return run


def numbered(stem: str, first: int) -> Iterable[str]:
    """``stem-first`` and on, each short enough for a name."""
    return (f"{stem[: LONGEST_NAME - 12]}-{number}" for number in count(first))


def _free(project: Project, names: Iterable[str]) -> str:
    name = ""
    for name in names:
        if len(name) > LONGEST_NAME:
            raise Refused(_("The name is longer than 200 characters; shorten it."), field="name")
        if not (project.runs.filter(name=name) or project.model_versions.filter(name=name)):
            return name
    raise Refused(
        _("There is already a run or a model called %(name)r; choose another name.") % {"name": name},
        field="name",
    )


def _refuse_a_second(project: Project, spec: RunSpec) -> None:
    same = project.runs.filter(spec_sha256=spec.sha256(), job__state__in=UNFINISHED).first()
    if same:
        raise Refused(
            _(
                "The run %(name)s does the very same and has not ended; wait for it, or change a setting "
                "or the seed."
            )
            % {"name": same.name}
        )


def _attempts(launcher: str) -> int:
    """A runner that outlives its worker is taken up again by the next one; another needs a person's resume."""
    return 100 if launcher_named(launcher).outlives else 1
