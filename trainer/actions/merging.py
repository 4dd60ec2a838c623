"""Merging an adapter into its base: a run like any other, whose model version is whole."""

from itertools import chain

from django.utils.translation import gettext as _

from feedback.errors import Refused
from feedback.people import Person
from trainer.actions.model_versions import check_model_folder, is_adapter
from trainer.actions.runs import checked_spec
from trainer.actions.storing import numbered, store_run
from trainer.folders import model_folder
from trainer.models import ModelVersion, Run


def start_merge(*, model_version: ModelVersion, by: Person) -> Run:
    """Queue the merge; its model version is called NAME-merged. Refused where it is no adapter, or merged already."""
    folder = model_folder(model_version)
    check_model_folder(model_version.project, folder)
    if not is_adapter(folder):
        raise Refused(_("%(name)s is whole already: it holds no adapter.") % {"name": model_version.name})
    merged = model_version.derived.filter(run__method="merge").first()
    if merged is not None:
        raise Refused(
            _("%(name)s was merged already: it is %(merged)s.")
            % {"name": model_version.name, "merged": merged.name}
        )
    stem = f"{model_version.name[:180]}-merged"
    return store_run(
        project=model_version.project,
        spec=checked_spec(method="merge", model=str(folder), dataset=str(folder)),
        names=chain([stem], numbered(stem, 2)),
        base=model_version,
        by=by,
    )
