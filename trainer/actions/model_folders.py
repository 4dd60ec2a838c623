"""Where the models lie that a training starts from and is rewarded by: versions of the project, or folders."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from django.conf import settings
from django.utils.translation import gettext as _

from feedback.errors import Refused
from feedback.models import Project
from trainer.actions.model_versions import check_model_folder, refuse_a_runs_folder
from trainer.folders import model_folder
from trainer.models import ModelKind, ModelVersion
from trainer.queries import base_named

SOURCES = ("rewards", "win_rate_by")  # the parameters that are lists of sources of reward


def base_folder(project: Project, base: ModelVersion | Path, field: str = "base") -> Path:
    """The folder of a model that a runner would load. Refused names the field: a model of another project, a folder
    that holds none, or one of a run; in a parameter, which has no names when it is copied, a version's of this
    project will do."""
    if isinstance(base, ModelVersion) and base.project_id != project.pk:
        raise Refused(_("The model %(base)s belongs to another project.") % {"base": base.name}, field=field)
    try:
        folder = model_folder(base) if isinstance(base, ModelVersion) else base.expanduser().resolve()
        if not isinstance(base, ModelVersion):
            refuse_a_runs_folder(project, folder, own=field != "base")
        check_model_folder(project, folder)
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
    _check_served(found.get("vllm_folder"))
    return found


def models_in(parameters: Mapping[str, Any]) -> list[str]:
    """The fields of a spec's parameters that name a model."""
    sources = [
        f"parameters.{name}[{index}].model"
        for name in SOURCES
        for index, each in enumerate(parameters.get(name, ()))
        if "model" in each
    ]
    return [*sources, *["parameters.value_model"] * bool(parameters.get("value_model"))]


def _check_served(folder: Any) -> None:
    """Refuse to write the weights that vLLM serves over what is kept."""
    if not isinstance(folder, str) or not folder.strip():
        return
    roots = [Path(root).resolve() for root in (settings.RUNS_ROOT, settings.SNAPSHOTS_ROOT)]
    try:
        # A relative one is in the run's own.
        target = (roots[0] / "run" / Path(folder).expanduser()).resolve()
    except (OSError, RuntimeError, ValueError) as error:
        raise Refused(
            _("The folder %(folder)s can not be used (%(error)s).")
            % {"folder": folder[:200], "error": error},
            field="parameters.vllm_folder",
        ) from error
    if any(target.is_relative_to(root) or root.is_relative_to(target) for root in roots):
        raise Refused(
            _("The folder %(folder)s holds runs or snapshots; have vLLM serve another.")
            % {"folder": folder[:200]},
            field="parameters.vllm_folder",
        )


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
