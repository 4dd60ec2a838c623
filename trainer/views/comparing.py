"""Any versions in one table: how each was judged, and what it cost; such as SFT, RFT and both at equal cost."""

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET

from feedback.models import Project
from feedback.permissions import Permission, project_for
from feedback.spreadsheets import csv_response
from trainer.comparison import Compared, compared, compared_rows, same_cost
from trainer.models import ModelKind, ModelVersion
from trainer.registry_forms import CompareForm

SHOWN = 6  # versions, where none were chosen


@require_GET
def compare(request: HttpRequest, slug: str) -> HttpResponse:
    project = project_for(request.user, slug, Permission.REVIEW)
    form, rows, per_hour = _asked(request, project)
    points = [
        (row.version.name, [(row.cost.seconds / 60, {**row.by("judges"), "name": row.version.name})])
        for row in rows
        if row.by("judges")["value"] is not None
    ]
    context = {
        "project": project,
        "form": form,
        "rows": rows,
        "per_hour": per_hour,
        "priced": any(row.cost.training_at(per_hour) is not None for row in rows),
        "points": points,
        "same_cost": same_cost(rows),
        "query": request.GET.urlencode(),
        "heading": _("Versions side by side"),
    }
    return render(request, "trainer/compare.html", context)


@require_GET
def compare_csv(request: HttpRequest, slug: str) -> HttpResponse:
    _form, rows, per_hour = _asked(request, project_for(request.user, slug, Permission.REVIEW))
    return csv_response("versions.csv", compared_rows(rows, per_hour))


def _asked(request: HttpRequest, project: Project) -> tuple[CompareForm, list[Compared], float | None]:
    """The form, and the versions it names; the newest that were evaluated where it names none."""
    form = CompareForm(project, request.GET or None)
    given: dict[str, Any] = form.cleaned_data if form.is_valid() else {}
    chosen = (
        given.get("versions")
        or ModelVersion.objects.filter(
            project=project, kind=ModelKind.POLICY, evaluations__result__isnull=False
        ).distinct()[:SHOWN]
    )
    rows = compared(list(chosen), given.get("base"))
    return form, rows, given.get("per_hour")
