"""The health report: what was found in the labels before they are frozen, and the rows behind each finding."""

from collections.abc import Mapping
from itertools import chain
from typing import Any

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_GET, require_POST

from alignment.health.examination import KINDS
from alignment.models import HealthCheck
from feedback.actions.jobs import cancel_job
from feedback.errors import Refused
from feedback.models import Comparison, Project
from feedback.parameters import whole_number
from feedback.people import logged_in
from feedback.permissions import Permission, grants, project_for
from feedback.spreadsheets import csv_response

PAGE = 50
TITLES = {
    "too_few": _("Enough rows"),
    "imbalance": _("Tags and sources in balance"),
    "duplicates": _("Duplicates"),
    "contradictions": _("Contradictions"),
    "overlap": _("Train and test apart"),
    "length_bias": _("Length of what is chosen"),
    "label_noise": _("Wrong labels"),
    "personal_data": _("Personal data"),
    "terms_missing": _("Licence and consent"),
}
WHY = {
    "same_row": _("the same row as an earlier one"),
    "near_duplicate": _("its prompt is nearly the same as another"),
    "contradicts": _("the same pair is judged the other way as well"),
    "prompt_in_both": _("its prompt is in train and test"),
    "evaluated": _("its prompt is kept for evaluation"),
    "chosen_much_longer": _("the chosen one is more than four times as long"),
    "licence": _("no licence"),
    "consent": _("no consent"),
    "licence, consent": _("neither licence nor consent"),
    "EMAIL_ADDRESS": _("e-mail address"),
    "PHONE_NUMBER": _("telephone number"),
    "CREDIT_CARD": _("payment card"),
    "IBAN_CODE": _("bank account (IBAN)"),
    "IP_ADDRESS": _("IP address"),
    "US_SSN": _("US social security number"),
}


@require_GET
def health(request: HttpRequest, slug: str, pk: int) -> HttpResponse:
    project = project_for(request.user, slug, Permission.REVIEW)
    check = _check(project, pk)
    context = {
        "project": project,
        "check": check,
        "job": check.job,
        "findings": [_shown(finding) for finding in check.findings],
        "warnings": sum(finding["level"] == "warning" for finding in check.findings),
        "may_freeze": Permission.ENGINEER in grants(request.user, project),
    }
    return render(request, "alignment/health.html", context)


@require_POST
def health_cancel(request: HttpRequest, slug: str, pk: int) -> HttpResponse:
    project = project_for(request.user, slug, Permission.ENGINEER)
    try:
        cancel_job(job=_check(project, pk).job, by=logged_in(request.user))
    except Refused as refusal:
        messages.error(request, refusal.sentence)
    return redirect("alignment:health", project.slug, pk)


@require_GET
def finding(request: HttpRequest, slug: str, pk: int, kind: str) -> HttpResponse:
    """The rows behind one finding, each with its comparison."""
    project = project_for(request.user, slug, Permission.REVIEW)
    check = _check(project, pk)
    found = _finding(check, kind)
    page = Paginator(found["rows"], PAGE).get_page(whole_number(request, "page") or 1)
    keys = [comparison for comparison, _why in page.object_list]
    comparisons = Comparison.objects.filter(project=project).select_related("prompt").in_bulk(keys)
    context = {
        "project": project,
        "check": check,
        "finding": _shown(found),
        "page": page,
        "rows": [(comparisons.get(comparison), in_words(kind, why)) for comparison, why in page.object_list],
    }
    return render(request, "alignment/health_rows.html", context)


@require_GET
def finding_csv(request: HttpRequest, slug: str, pk: int, kind: str) -> HttpResponse:
    """The same as CSV: the comparison's id and why it is here."""
    project = project_for(request.user, slug, Permission.REVIEW)
    found = _finding(_check(project, pk), kind)
    ids = dict(
        Comparison.objects.filter(project=project, pk__in=[row[0] for row in found["rows"]]).values_list(
            "pk", "external_id"
        )
    )
    rows = ((ids.get(comparison, ""), why) for comparison, why in found["rows"])
    return csv_response(f"{project.slug}-{kind}.csv", chain([("comparison", "why")], rows))


def in_words(kind: str, why: str) -> str:
    """Why a row is behind a finding of this kind; a tag and what has no words here are shown as they are."""
    if kind == "imbalance":
        return why
    known = WHY.get(why)
    return str(known) if known else ", ".join(str(WHY.get(part, part)) for part in why.split(", "))


def _check(project: Project, pk: int) -> HealthCheck:
    return get_object_or_404(
        HealthCheck.objects.select_related("policy", "job"), policy__project=project, pk=pk
    )


def _finding(check: HealthCheck, kind: str) -> dict[str, Any]:
    found = next((each for each in check.findings if each["kind"] == kind), None)
    if found is None or kind not in KINDS:
        raise Http404
    return dict(found)


def _shown(found: Mapping[str, Any]) -> dict[str, Any]:
    classes = found["numbers"].get("classes", ())
    named = [{**each, "name": in_words(found["kind"], each["name"])} for each in classes]
    most = max((each["rows"] for each in named), default=1)
    bars = [{**each, "share": 100 * each["rows"] / most} for each in named]
    return {**found, "title": TITLES[found["kind"]], "classes": bars}
