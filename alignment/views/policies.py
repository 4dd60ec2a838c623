"""Policies: one version with its certificates, a form for a new one, and applying, stopping and routing."""

import json
from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext, ngettext
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from alignment.actions.labels import apply_policy, update_labels
from alignment.actions.policies import create_policy
from alignment.actions.routing import route_to_people
from alignment.charts import curve_chart
from alignment.models import Labelling, Policy
from alignment.policy.document import PolicyDocument, PolicyError
from alignment.policy_form import PolicyForm, spelled_out
from alignment.queries import decision_counts, newest_labelling, settled_labelling
from alignment.whatif import current_labelling, what_if
from feedback.actions.jobs import cancel_job, resume_job
from feedback.errors import Refused
from feedback.models import Project
from feedback.parameters import whole_number
from feedback.people import logged_in
from feedback.permissions import Permission, grants, project_for
from feedback.spreadsheets import csv_response

CURVE_HEAD = ("threshold", "coverage", "n", "error", "bound", "chosen")


@require_http_methods(["GET", "POST"])
def policy_new(request: HttpRequest, slug: str) -> HttpResponse:
    """Edit a policy, ``from`` a version to start from, with what it would do beside it; save and apply it.

    A request by htmx saves nothing: it asks only what the values would do.
    """
    project = project_for(request.user, slug, Permission.ENGINEER)
    start = project.policies.filter(pk=whole_number(request, "from") or 0).first()
    form = PolicyForm(
        project, request.POST or None, {"name": start.name, **start.document} if start else None
    )
    if form.is_valid() and not request.htmx:  # type: ignore[attr-defined]  # set by django-htmx
        try:
            user = logged_in(request.user)
            made = create_policy(
                project=project, name=form.cleaned_data["name"], document=form.document, by=user
            )
            apply_policy(policy=made, by=user)
            return redirect("alignment:labels", project.slug)
        except Refused as refusal:
            form.add_error(refusal.field if refusal.field in form.fields else None, refusal.sentence)
    shown = _what_if(project, form, start)
    return render(
        request, "alignment/policy_new.html", {"project": project, "form": form, "start": start, **shown}
    )


@require_GET
def policy_curve(request: HttpRequest, slug: str) -> HttpResponse:
    """Coverage against error, as CSV, of the policy whose fields are in the address."""
    project = project_for(request.user, slug, Permission.ENGINEER)
    form = PolicyForm(project, request.GET or None, None)
    if form.is_bound and not form.is_valid():
        return HttpResponse(form.errors.as_text(), status=400, content_type="text/plain; charset=utf-8")
    found = _what_if(project, form, None)["what"]
    return csv_response(f"{project.slug}-coverage-error.csv", [CURVE_HEAD, *(found.curve if found else ())])


def _what_if(project: Project, form: PolicyForm, start: Policy | None) -> dict[str, Any]:
    """What the form's values would do, or why that can not be said. A form that nobody sent has its start's values."""
    if form.is_bound and not form.is_valid():
        fields = (
            (form[name].label, errors[0]) for name, errors in form.errors.items() if name in form.fields
        )
        said = "; ".join(f"{label}: {error}" for label, error in fields)
        return {
            "what": None,
            "trouble": gettext("A field can not be used as it is: %(said)s") % {"said": said or "?"},
        }
    name = form.cleaned_data["name"] if form.is_bound else start.name if start else ""
    given = form.document if form.is_bound else start.document if start else {}
    try:
        document = PolicyDocument.from_dict(given)
    except PolicyError as error:
        return {"what": None, "trouble": gettext("The policy can not be used: %(error)s.") % {"error": error}}
    current = current_labelling(project, name)
    found = what_if(project, document, current)
    if not found.outlook.labels:
        return {
            "what": None,
            "trouble": gettext("Nobody has judged anything yet, so there is nothing to decide."),
        }
    return {
        "what": found,
        "current": current,
        "document": json.dumps(document.as_dict(), indent=2, sort_keys=True),
        "chart": curve_chart(found.curve, document.max_error),
        "query": urlencode({"name": name or "default", **_query(document)}, doseq=True),
    }


def _query(document: PolicyDocument) -> dict[str, Any]:
    return {name: value for name, value in document.as_dict().items() if value is not None}


@require_GET
def policy(request: HttpRequest, slug: str, pk: int) -> HttpResponse:
    project = project_for(request.user, slug, Permission.REVIEW)
    found = get_object_or_404(Policy.objects.select_related("created_by"), project=project, pk=pk)
    context = {
        "project": project,
        "policy": found,
        "fields": spelled_out(project, found.document),
        "json": json.dumps(found.document, indent=2, sort_keys=True),
        "counts": decision_counts(found),
        "labelling": newest_labelling(project, found),
        "settled": settled_labelling(project, found),
        "versions": project.policies.filter(name=found.name),
        "may_apply": Permission.ENGINEER in grants(request.user, project),
    }
    return render(request, "alignment/policy.html", context)


@require_POST
def policy_apply(request: HttpRequest, slug: str, pk: int) -> HttpResponse:
    project = project_for(request.user, slug, Permission.ENGINEER)
    found = get_object_or_404(Policy, project=project, pk=pk)
    apply_policy(policy=found, by=logged_in(request.user))
    return redirect("alignment:labels", project.slug)


@require_POST
def policy_update(request: HttpRequest, slug: str, pk: int) -> HttpResponse:
    """Decide again where judgments came since, by the certificates that there are."""
    project = project_for(request.user, slug, Permission.ENGINEER)
    found = get_object_or_404(Policy, project=project, pk=pk)
    try:
        update_labels(policy=found, by=logged_in(request.user))
    except Refused as refusal:
        messages.error(request, refusal.sentence)
    return redirect("alignment:labels", project.slug)


@require_POST
def policy_route(request: HttpRequest, slug: str, pk: int) -> HttpResponse:
    project = project_for(request.user, slug, Permission.ENGINEER)
    found = get_object_or_404(Policy, project=project, pk=pk)
    try:
        count = route_to_people(policy=found, by=logged_in(request.user))
        messages.success(
            request,
            ngettext(
                "%(count)d comparison waits for people now.",
                "%(count)d comparisons wait for people now, the most doubtful first.",
                count,
            )
            % {"count": count},
        )
    except Refused as refusal:
        messages.error(request, refusal.sentence)
    return redirect("alignment:labels", project.slug)


@require_POST
def labelling_cancel(request: HttpRequest, slug: str, pk: int) -> HttpResponse:
    return _labelling_job(request, slug, pk, cancel_job)


@require_POST
def labelling_resume(request: HttpRequest, slug: str, pk: int) -> HttpResponse:
    return _labelling_job(request, slug, pk, resume_job)


def _labelling_job(request: HttpRequest, slug: str, pk: int, action: Callable[..., None]) -> HttpResponse:
    project = project_for(request.user, slug, Permission.ENGINEER)
    labelling = get_object_or_404(Labelling.objects.select_related("job"), policy__project=project, pk=pk)
    try:
        action(job=labelling.job, by=logged_in(request.user))
    except Refused as refusal:
        messages.error(request, refusal.sentence)
    return redirect("alignment:labels", project.slug)
