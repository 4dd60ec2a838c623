"""Runs: set up and checked before anything starts, carried out under a lease, their models registered."""

import json
import logging
from collections.abc import Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from alignment.actions.snapshots import snapshot_folder, verify_snapshot
from alignment.models import Snapshot
from feedback.actions.audit import record
from feedback.actions.jobs import Lease, cancel_job, pause_job, resume_job
from feedback.errors import Refused
from feedback.models import RESUMABLE, Job, Project
from feedback.people import Person
from trainer import verl
from trainer.actions.checks import refuse_over_budget
from trainer.actions.events import store_events, tell_of_alarm
from trainer.actions.following import Progress, carry_out_spec, write_spec
from trainer.actions.model_folders import base_folder, models_in, with_model_folders
from trainer.actions.model_versions import check_weights, register_base, register_result
from trainer.actions.storing import numbered, store_run
from trainer.budget import cap_seconds
from trainer.folders import run_folder
from trainer.launchers.far import ask_to_stop
from trainer.launchers.registry import launcher_named, settings_of
from trainer.methods import TRAINING_METHODS
from trainer.models import ModelKind, ModelVersion, Run
from trainer.queries import newest_moments
from trainer.spec import RunSpec, SpecError, digest_dataset
from trainer.stories import silence

logger = logging.getLogger(__name__)
LEFTOVERS_FOR = timedelta(days=1)


def start_run(
    *,
    project: Project,
    method: str,
    base: ModelVersion | Path,
    by: Person,
    snapshot: Snapshot | None = None,
    dataset: Path | None = None,
    parameters: Mapping[str, Any] | None = None,
    name: str = "",
    seed: int = 0,
    launcher: str = "local",
    stop_on: Sequence[str] = (),
    budget: Mapping[str, float | None] | None = None,
    search: Mapping[str, Any] | None = None,
    confirm: bool = False,
) -> Run:
    """Queue a training run on a snapshot, or on a dataset outside the store for management code.

    Everything that can be checked is checked here: Refused names the field at fault. A base given as a folder
    becomes a model version when a worker takes the run up. Without a name it is called after its method.
    With a ``search`` (``trainer.search``) it is many trainings, of which the best makes the model version.
    Where the very same run waits or trains already, this one is refused; so is one that may take more than its
    ``budget``, until somebody says ``confirm``.
    """
    spec = training_spec(
        project=project,
        method=method,
        base=base,
        snapshot=snapshot,
        dataset=dataset,
        parameters=parameters,
        seed=seed,
        launcher=launcher,
        stop_on=stop_on,
        budget=budget,
        search=search,
    )
    if not confirm:
        refuse_over_budget(spec, settings_of(launcher))
    name = name.strip()
    return store_run(
        project=project,
        spec=spec,
        names=[name] if name else numbered(method, project.runs.count() + 1),
        base=base if isinstance(base, ModelVersion) else None,
        snapshot=snapshot,
        launcher=launcher,
        by=by,
    )


def training_spec(
    *,
    project: Project,
    method: str,
    base: ModelVersion | Path,
    snapshot: Snapshot | None,
    dataset: Path | None,
    parameters: Mapping[str, Any] | None,
    seed: int,
    launcher: str,
    stop_on: Sequence[str],
    budget: Mapping[str, float | None] | None,
    search: Mapping[str, Any] | None,
    read: bool = True,
) -> RunSpec:
    """The whole spec of a training run, checked; Refused names the field at fault. The price is the launcher's.

    ``read=False`` is for who only looks: the rows, which may be many, are neither read through nor hashed.
    """
    _check_method(method, base)
    rows = _rows(project, snapshot, dataset, read=read)
    if search is not None:
        _check_search(rows, launcher)
    spec = checked_spec(
        method=method,
        model=str(base_folder(project, base)),
        dataset=str(rows),
        dataset_sha256=digest_dataset(rows) if read else None,
        seed=seed,
        parameters=with_model_folders(project, parameters or {}),
        stop_on=stop_on,
        budget={**(budget or {}), "hour_price": settings_of(launcher).hour_price},
        search=search,
    )
    _check_models(spec, launcher)
    _check_engine(spec, settings_of(launcher).engine)
    return spec


def resume_run(*, run: Run, by: Person, hours: float | None = None, cost: float | None = None) -> None:
    """Go on from the last checkpoint, with a larger budget where one is given. Refused where none is left."""
    budget = {**run.spec["budget"], **{k: v for k, v in {"hours": hours, "cost": cost}.items() if v}}
    spec = checked_spec(**{**run.spec, "budget": budget})
    if budget_is_spent(run, budget):
        raise Refused(_("Its budget is spent; give it more hours or money to go on."), field="hours")
    with transaction.atomic():
        if spec.budget != run.spec["budget"]:
            run.spec, run.spec_sha256 = json.loads(spec.to_json()), spec.sha256()
            run.save(update_fields=["spec", "spec_sha256"])
            record(by=by, verb="raise budget", target=run, project=run.project, **dict(spec.budget))
        resume_job(job=run.job, by=by)


def cancel_run(*, job: Job, by: Person) -> None:
    """Ask for a stop, also of a runner that goes on elsewhere while no worker follows it."""
    cancel_job(job=job, by=by)
    _stop_what_outlives(job)


def pause_run(*, job: Job, by: Person) -> None:
    """Ask for a stop until somebody resumes it, likewise."""
    pause_job(job=job, by=by)
    _stop_what_outlives(job)


def _stop_what_outlives(job: Job) -> None:
    run = Run.objects.get(job=job)
    folder = run_folder(run)
    if launcher_named(run.launcher).outlives and folder.is_dir():
        ask_to_stop(folder / "spec.json")


def budget_is_spent(run: Run, budget: Mapping[str, Any]) -> bool:
    """Whether a runner would stop at its first step."""
    cap = cap_seconds(budget)
    return cap is not None and run.seconds >= cap


def carry_out_run(lease: Lease) -> None:
    """Train to the end, or until something stops it; started again it goes on from its last checkpoint."""
    run = Run.objects.select_related("project", "base", "created_by").get(job_id=lease.job_id)
    lease.report()
    progress = Progress(step=run.step, total=run.total_steps)
    store_events(run, progress)  # what an earlier attempt wrote after its worker had died
    progress.said = ""
    spec = RunSpec.from_json(run.spec)
    _settle_base(run, spec, lease)
    write_spec(run_folder(run), spec)
    run.result = carry_out_spec(
        folder=run_folder(run),
        launcher=launcher_named(run.launcher),
        lease=lease,
        read=lambda: _stored_progress(run, progress),
    )
    register_result(run=run, beat=lease.renew)  # which checks it
    run.save(update_fields=["result"])


def read_leftover_events() -> None:
    """Store what runners wrote after their worker had died: they stop by themselves and say where."""
    since = timezone.now() - LEFTOVERS_FOR
    for run in Run.objects.filter(job__state__in=RESUMABLE, job__ended_at__gte=since):
        try:
            store_events(run, Progress(step=run.step, total=run.total_steps))
        except Exception:  # whatever is in one log, the others are read
            logger.exception("The log of run %s can not be read", run.pk)


def checked_spec(**fields: Any) -> RunSpec:
    """The run spec with these fields; Refused where a value is not one, naming the field."""
    try:
        return RunSpec(**fields)
    except SpecError as error:
        raise Refused(str(error) + ".", field=str(error).partition(":")[0]) from error


def _stored_progress(run: Run, progress: Progress) -> Progress:
    store_events(run, progress)
    silent = silence(run, newest_moments(run))
    if silent:
        tell_of_alarm(run, "stalled", silent)
        progress.stop = silent if "stalled" in run.spec["stop_on"] else ""
    return progress


def _settle_base(run: Run, spec: RunSpec, lease: Lease) -> None:
    """Before the first step: the base is a model version, and its weights are those it had."""
    if run.base is not None:
        check_weights(run.base, lease.report)
        return
    run.base = register_base(
        project=run.project, folder=Path(spec.model), by=run.created_by, beat=lease.report
    )
    run.save(update_fields=["base"])


def _check_method(method: str, base: ModelVersion | Path) -> None:
    if method not in TRAINING_METHODS:
        raise Refused(
            _("%(method)r is no way to train; use one of %(choices)s.")
            % {"method": method, "choices": ", ".join(TRAINING_METHODS)},
            field="method",
        )
    if isinstance(base, ModelVersion) and base.kind == ModelKind.REWARD and method != "reward":
        raise Refused(
            _("%(base)s is a reward model, and %(method)s starts from a language model; choose another.")
            % {"base": base.name, "method": method},
            field="base",
        )


def _check_search(rows: Path, launcher: str) -> None:
    """A search needs held-out rows to compare its trials on, and one machine."""
    held_out = rows / "test.parquet"
    if not held_out.is_file() or pq.ParquetFile(held_out).metadata.num_rows == 0:
        raise Refused(
            _(
                "A search compares its trials on held-out rows, and there are none; freeze a snapshot with some."
            ),
            field="snapshot",
        )
    if settings_of(launcher).nodes > 1:
        raise Refused(
            _("A search runs on one machine, and %(launcher)s has several; choose another launcher.")
            % {"launcher": launcher},
            field="launcher",
        )


def _check_models(spec: RunSpec, launcher: str) -> None:
    """Refused where the launcher's machine has folders of its own, of which a run names the base alone."""
    if settings_of(launcher).kind == "remote" and (named := models_in(spec.parameters)):
        raise Refused(
            _("%(launcher)s has no model of this server but the base; use a grader, or another launcher.")
            % {"launcher": launcher},
            field=named[0],
        )


def _check_engine(spec: RunSpec, engine: str) -> None:
    """Refused for what the launcher's engine does not do, before anything is started."""
    if not engine:
        return
    if spec.method not in verl.METHODS or spec.search:
        raise Refused(
            _("%(engine)s trains %(methods)s here, and no search; choose another launcher.")
            % {"engine": engine, "methods": ", ".join(verl.METHODS)},
            field="launcher",
        )
    if refused := verl.not_taken(spec.method, spec.parameters):
        raise Refused("; ".join(refused) + ".", field="parameters")


def _rows(project: Project, snapshot: Snapshot | None, dataset: Path | None, *, read: bool) -> Path:
    if snapshot is not None:
        return _snapshot_rows(project, snapshot, read=read)
    if dataset is not None:
        return _dataset_rows(dataset.resolve())
    raise Refused(_("A run needs rows to train on; choose a snapshot."), field="snapshot")


def _snapshot_rows(project: Project, snapshot: Snapshot, *, read: bool) -> Path:
    if snapshot.project_id != project.pk:
        raise Refused(
            _("The %(snapshot)s belongs to another project.") % {"snapshot": snapshot}, field="snapshot"
        )
    if not read:
        return snapshot_folder(snapshot)
    try:
        verify_snapshot(snapshot=snapshot)
    except Refused as refusal:
        raise Refused(refusal.sentence, field="snapshot") from refusal
    return snapshot_folder(snapshot)


def _dataset_rows(path: Path) -> Path:
    if not (path.is_file() or (path / "train.parquet").is_file()):
        raise Refused(
            _("The dataset %(path)s does not exist; give a folder with train.parquet, or a file.")
            % {"path": path},
            field="dataset",
        )
    return path
