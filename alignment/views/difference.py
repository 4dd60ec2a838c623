"""Two snapshots beside each other: what came, went, is labelled otherwise, or is in the other split."""

from typing import Any

import pyarrow as pa
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_GET

from alignment.actions.differences import compare_snapshots
from alignment.formats.dataset_difference import ADDED, MOVED, RELABELLED, REMOVED, REWEIGHTED, Difference
from alignment.models import Snapshot
from feedback.models import Project
from feedback.permissions import Permission, project_for

KINDS = (
    (ADDED, _("Added"), _("Comparisons that only the newer one has.")),
    (REMOVED, _("Removed"), _("Comparisons that only the older one has.")),
    (RELABELLED, _("Labelled otherwise"), _("Another response is chosen, or other pairs are told apart.")),
    (MOVED, _("In the other split"), _("From train to test, or back.")),
    (REWEIGHTED, _("Weighted otherwise"), _("The same label with another weight, confidence or margin.")),
)


@require_GET
def snapshot_difference(request: HttpRequest, slug: str, sha256: str, other: str) -> HttpResponse:
    """``other`` against ``sha256``, the older one of the two first."""
    project = project_for(request.user, slug, Permission.REVIEW)
    rows = Snapshot.objects.select_related("policy").filter(project=project)
    before, after = sorted(
        (get_object_or_404(rows, sha256=sha256), get_object_or_404(rows, sha256=other)), key=lambda s: s.pk
    )
    context: dict[str, Any] = {"project": project, "before": before, "after": after}
    try:
        found = compare_snapshots(before, after)
        context |= {"found": found, "kinds": _shown(project, found)}
    except (OSError, pa.ArrowException):
        context["found"] = None
    return render(request, "alignment/snapshot_difference.html", context)


def _shown(project: Project, found: Difference) -> list[dict[str, Any]]:
    named = {name for names in found.rows.values() for name in names}
    keys = dict(project.comparisons.filter(external_id__in=named).values_list("external_id", "pk"))
    return [
        {
            "kind": kind,
            "name": name,
            "help": text,
            "count": found.counts[kind],
            "rows": [(external_id, keys.get(external_id)) for external_id in found.rows[kind]],
        }
        for kind, name, text in KINDS
    ]
