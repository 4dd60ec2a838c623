"""Where the models lie that a training starts from and is rewarded by: versions of the project, or folders."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from django.conf import settings
from django.utils.translation import gettext as _

from feedback.errors import Refused
from feedback.models import Project
from trainer.actions.model_versions import check_model_folder
from trainer.folders import model_folder
from trainer.models import ModelKind, ModelVersion
from trainer.queries import base_named

SOURCES = ("rewards", "win_rate_by")  # the parameters that are lists of sources of reward


def base_folder(project: Project, base: ModelVersion | Path, field: str = "base") -> Path:
    """The folder of a model that a runner would load. Refused names the field: a model of another project, a folder
    that holds none, or one of a run, unless it is that of a version of this project."""
    if isinstance(base, ModelVersion) and base.project_id != project.pk:
        raise Refused(_("The model %(base)s belongs to another project.") % {"base": base.name}, field=field)
    try:
        folder = model_folder(base) if isinstance(base, ModelVersion) else base.expanduser().resolve()
        if not isinstance(base, ModelVersion):
            _refuse_a_runs_folder(project, folder, field)
        check_model_folder(folder)
    except Refused as refusal:
        raise Refused(refusal.sentence, field=field) from refusal
    except (OSError, RuntimeError) as error:
        raise Refused(
            _("The model folder %(folder)s can not be read (%(error)s).")
            % {"folder": str(base)[:200], "error": error},
            field=field,
        ) from error
    return folder


def with_model_folders(project: Project, parameters: Any) -> Any:
    """The parameters, each model that they name by its folder. What is no name is left to the spec's own checks."""
    if not isinstance(parameters, Mapping):
        return parameters
    found = dict(parameters)
    for name in SOURCES:
        if isinstance(found.get(name), list | tuple):
            found[name] = [
                _source(project, each, f"parameters.{name}[{index}].model")
                for index, each in enumerate(found[name])
            ]
    if isinstance(found.get("value_model"), str) and found["value_model"].strip():
        value = base_named(project, found["value_model"])
        found["value_model"] = str(base_folder(project, value, "parameters.value_model"))
    return found


def _source(project: Project, source: Any, field: str) -> Any:
    named = source.get("model") if isinstance(source, Mapping) else None
    if not isinstance(named, str) or not named.strip():
        return source
    model = base_named(project, named)
    if isinstance(model, ModelVersion) and model.kind != ModelKind.REWARD:
        raise Refused(
            _("%(model)s is no reward model; name one of the project's.") % {"model": model.name}, field=field
        )
    return {**source, "model": str(base_folder(project, model, field))}


def _refuse_a_runs_folder(project: Project, folder: Path, field: str) -> None:
    """What runs have made belongs to their projects, and is used there by the name of its model version."""
    root = Path(settings.RUNS_ROOT).resolve()
    if not folder.is_relative_to(root):
        return
    own = ModelVersion.objects.filter(project=project, path=str(folder.relative_to(root)))
    if not own.exists():
        raise Refused(
            _(
                "The folder %(folder)s belongs to a run; give the name of a model version of this "
                "project instead."
            )
            % {"folder": folder},
            field=field,
        )
