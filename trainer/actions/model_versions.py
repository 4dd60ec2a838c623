"""Model versions: weights get a name, a hash and a lineage, whether a run made them or started from them."""

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import transaction
from django.utils.translation import gettext as _

from feedback.actions.audit import record
from feedback.errors import Refused
from feedback.models import Project
from feedback.people import Person
from feedback.records import BadRecord
from trainer.folders import model_folder, run_folder
from trainer.licences import licence_in
from trainer.models import ModelKind, ModelVersion, Run
from trainer.received import check_result
from trainer.spec import HUB_NAME

_BLOCK = 16 * 1024 * 1024


def check_model_folder(project: Project, folder: Path) -> None:
    """Refuse a folder that holds no model that a runner would load, or an adapter of a base that is not to be read."""
    if not folder.is_dir():
        raise Refused(
            _("The model folder %(folder)s does not exist; give the path of a folder with a model in it.")
            % {"folder": folder},
            field="base",
        )
    if not (folder / "config.json").is_file() and not is_adapter(folder):
        raise Refused(
            _("The folder %(folder)s holds no model: there is no config.json in it.") % {"folder": folder},
            field="base",
        )
    if not any(folder.glob("*.safetensors")):
        raise Refused(
            _("The folder %(folder)s holds no safetensors weights; save the model again as safetensors.")
            % {"folder": folder},
            field="base",
        )
    _check_bases(project, folder)


def refuse_a_runs_folder(project: Project, folder: Path, field: str = "base", *, own: bool) -> None:
    """What runs have made belongs to their projects, and is used there by the name of its model version.

    ``folder`` is resolved. ``own``: the folder of a version of this project will do.
    """
    root = Path(settings.RUNS_ROOT).resolve()
    if not folder.is_relative_to(root):
        return
    versions = ModelVersion.objects.filter(project=project, path=str(folder.relative_to(root)))
    if not (own and versions.exists()):
        raise Refused(
            _(
                "The folder %(folder)s belongs to a run; give the name of a model version of this "
                "project instead."
            )
            % {"folder": folder},
            field=field,
        )


def _check_bases(project: Project, folder: Path) -> None:
    """Refuse an adapter that is loaded onto another project's model; its base may be an adapter too.

    Whoever sends a run's files may write any base into them, also after they were looked at, so each use asks.
    """
    seen: set[Path] = set()
    while is_adapter(folder) and folder not in seen:
        seen.add(folder)
        named = _read_json(folder / "adapter_config.json").get("base_model_name_or_path")
        if not named:
            return
        if not (Path(str(named)).is_absolute() and "\0" not in str(named)) and not HUB_NAME.fullmatch(
            str(named)
        ):
            raise Refused(
                _(
                    "The adapter in %(folder)s names the base %(base)s; name it by a whole path, or as the hub does."
                )
                % {"folder": folder, "base": str(named)[:200]},
                field="base",
            )
        folder = (Path(settings.BASE_DIR) / str(named)).resolve()  # a runner here starts in that folder
        refuse_a_runs_folder(project, folder, own=True)


def _read_json(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text())
        if not isinstance(found, dict):
            raise ValueError("it is no object")
    except ValueError as error:
        raise Refused(
            _("%(path)s is not JSON (%(error)s); save the model again.") % {"path": path, "error": error},
            field="base",
        ) from error
    return found


def is_adapter(folder: Path) -> bool:
    """Whether the folder holds a LoRA adapter, which is loaded onto the base that it names."""
    return (folder / "adapter_config.json").is_file()


def register_base(*, project: Project, folder: Path, by: Person, beat: Callable[[], object]) -> ModelVersion:
    """The model version of a folder that no run here made; found again while its weights are the same.

    ``beat`` is called often while the weights are hashed, which takes seconds a gigabyte.
    """
    check_model_folder(project, folder)
    sha256 = weights_sha256(folder, beat)
    with transaction.atomic():
        known = ModelVersion.objects.filter(project=project, path=str(folder), sha256=sha256).first()
        if known:
            return known
        taken = ModelVersion.objects.filter(project=project, name=folder.name).exists()
        version = ModelVersion.objects.create(
            project=project,
            name=f"{folder.name}-{sha256[:8]}" if taken else folder.name,
            kind=_kind_of(folder),
            path=str(folder),
            sha256=sha256,
            licence=licence_in(folder),
        )
        record(by=by, verb="register base model", target=version, project=project, sha256=sha256)
    return version


def register_result(*, run: Run, beat: Callable[[], object]) -> ModelVersion:
    """The model version that a finished run made, with the run's name; made once."""
    made = ModelVersion.objects.filter(run=run).first()
    if made:
        return made
    result = run.result or {}
    folder = _made_folder(run)
    sha256 = weights_sha256(folder, beat)
    with transaction.atomic():
        version = ModelVersion.objects.create(
            project=run.project,
            name=run.name,
            kind=_kind_made(run),
            run=run,
            base=run.base,
            path=str(folder.relative_to(settings.RUNS_ROOT)),
            sha256=sha256,
            licence=run.base.licence if run.base else "",
            metrics={name: result[name] for name in ("accuracy", "evaluation", "steps") if result.get(name)},
        )
        record(by=run.created_by, verb="register model", target=version, project=run.project, sha256=sha256)
    return version


def _made_folder(run: Run) -> Path:
    """Where the run's model lies: inside the run's own folder, whatever a result that came from elsewhere says."""
    own = run_folder(run).resolve()
    try:
        check_result(run.result)
    except BadRecord as bad:
        raise Refused(
            _("The run's result is none: %(field)s: %(reason)s.") % {"field": bad.field, "reason": bad.reason}
        ) from bad
    folder = own / str((run.result or {})["model"])
    inside = folder != own and folder.is_relative_to(own) and folder.resolve() == folder
    if not inside or any(path.is_symlink() for path in folder.glob("*")):
        raise Refused(
            _("The run's result names a model outside of the run's own folder, which is not taken.")
        )
    check_model_folder(run.project, folder)
    return run_folder(run) / folder.relative_to(own)


def weights_sha256(folder: Path, beat: Callable[[], object]) -> str:
    """SHA-256 over the names and digests of a folder's safetensors files."""
    listing = "".join(
        f"{_file_sha256(path, beat)}  {path.name}\n" for path in sorted(folder.glob("*.safetensors"))
    )
    return hashlib.sha256(listing.encode()).hexdigest()


def check_weights(version: ModelVersion, beat: Callable[[], object]) -> None:
    """Refuse a model version whose folder has gone or holds other weights than it had."""
    folder = model_folder(version)
    check_model_folder(version.project, folder)
    if weights_sha256(folder, beat) != version.sha256:
        raise Refused(
            _(
                "The weights in %(folder)s are no longer those of %(version)s; put the old ones back, or "
                "start from the folder itself, which makes a model version of the new ones."
            )
            % {"folder": folder, "version": version.name},
            field="base",
        )


def _file_sha256(path: Path, beat: Callable[[], object]) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            digest.update(block)
            beat()
    return digest.hexdigest()


def _kind_made(run: Run) -> str:
    """What a run makes: merging changes no model's kind."""
    if run.method == "merge" and run.base:
        return run.base.kind
    return ModelKind.REWARD if run.method == "reward" else ModelKind.POLICY


def _kind_of(folder: Path) -> ModelKind:
    """Read from the architecture that the model's own configuration names, or an adapter's task."""
    if is_adapter(folder):
        task = _read_json(folder / "adapter_config.json").get("task_type")
        return ModelKind.REWARD if task == "SEQ_CLS" else ModelKind.POLICY
    architectures = _read_json(folder / "config.json").get("architectures") or [""]
    return ModelKind.REWARD if "ForSequenceClassification" in architectures[0] else ModelKind.POLICY
