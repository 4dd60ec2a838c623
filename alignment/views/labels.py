"""What the policy decided: every label with its reason, and one label with all that it rests on."""

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.views.decorators.http import require_GET

from alignment.models import Decision, Label, Labelling, Policy
from alignment.policy.verdicts import ALL, slice_of
from alignment.queries import (
    decision_counts,
    judgments_of,
    labels_where,
    newest_labelling,
    rater_names,
    reason_counts,
    settled_labelling,
)
from feedback.models import Comparison, Judgment, Project, Purpose
from feedback.parameters import plain_text, whole_number
from feedback.permissions import Permission, grants, project_for

PAGE = 50


@require_GET
def labels(request: HttpRequest, slug: str) -> HttpResponse:
    """The labels of one policy, ``policy`` or the one applied last; filters are URL parameters."""
    project = project_for(request.user, slug, Permission.REVIEW)
    policy = _policy(project, whole_number(request, "policy"))
    context: dict[str, Any] = {
        "project": project,
        "policy": policy,
        "policies": project.policies.all(),
        "may_apply": Permission.ENGINEER in grants(request.user, project),
    }
    if policy:
        wanted = {name: plain_text(request, name) for name in ("decision", "reason", "tag")}
        context |= _page(project, policy, wanted, whole_number(request, "after") or 0)
    return render(request, "alignment/labels.html", context)


@require_GET
def label(request: HttpRequest, slug: str, policy_pk: int, comparison_pk: int) -> HttpResponse:
    project = project_for(request.user, slug, Permission.REVIEW)
    policy = get_object_or_404(Policy, project=project, pk=policy_pk)
    found = get_object_or_404(
        Label.objects.select_related("comparison__prompt", "labelling__report", "labelling__base"),
        policy=policy,
        comparison_id=comparison_pk,
    )
    sources = set(found.sources)
    judgments = list(judgments_of(found.comparison))
    context = {
        "project": project,
        "policy": policy,
        "label": found,
        "comparison": found.comparison,
        "slots": found.comparison.slots.select_related("response").order_by("position"),
        "counted": [judgment for judgment in judgments if judgment.pk in sources],
        "others": [judgment for judgment in judgments if judgment.pk not in sources],
        "outdated": len(sources - {judgment.pk for judgment in judgments}),
        "certificates": _certificates(found, settled_labelling(project, policy), judgments),
    }
    return render(request, "alignment/label.html", context)


def _policy(project: Project, pk: int | None) -> Policy | None:
    if pk is not None:
        return get_object_or_404(Policy, project=project, pk=pk)
    newest = newest_labelling(project)
    return newest.policy if newest else None


def _page(project: Project, policy: Policy, wanted: dict[str, str], after: int) -> dict[str, Any]:
    rows = list(labels_where(policy, **wanted, after=after)[: PAGE + 1])
    counts = decision_counts(policy)
    in_use = Comparison.objects.filter(project=project, purpose=Purpose.TRAIN, retired_at=None)
    return {
        "wanted": wanted,
        "rows": rows[:PAGE],
        "after": rows[PAGE - 1].comparison_id if len(rows) > PAGE else None,
        "is_first": not after,
        "counts": counts,
        "unlabelled": max(0, in_use.count() - sum(counts.values())),
        "reasons": reason_counts(policy),
        "decisions": Decision.values,
        "tags": list(project.tags.values_list("name", flat=True)),
        "labelling": newest_labelling(project, policy),
    }


def _certificates(
    label: Label, labelling: Labelling | None, judgments: list[Judgment]
) -> list[dict[str, Any]]:
    """What the newest labelling says of the judges of this comparison, on its slices."""
    names = rater_names(label.policy.project)
    judges = {names[judgment.rater_id] for judgment in judgments}
    slices = {ALL, *map(slice_of, label.comparison.tags.values_list("name", flat=True))}
    certificates = labelling.certificates if labelling else []
    return [entry for entry in certificates if entry["judge"] in judges and entry["slice"] in slices]
