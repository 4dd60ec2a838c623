"""Comparison by comparison, what two raters, or people and machines, say, with their reasons side by side."""

from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.http import urlencode
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, gettext_noop
from django.views.decorators.http import require_GET, require_POST

from alignment.disagreements import (
    BOTH,
    DIFFER,
    MACHINES,
    MISSING,
    PEOPLE,
    SAME,
    DisagreementFilter,
    belongs,
    disagreement_page,
)
from alignment.policy.verdicts import ALL
from feedback.actions.reviews import ask_for_review
from feedback.errors import Refused
from feedback.models import Comparison, Project
from feedback.parameters import whole_number
from feedback.people import logged_in
from feedback.permissions import Permission, project_for

OUTCOMES = (
    (DIFFER, gettext_lazy("their verdicts differ")),
    (SAME, gettext_lazy("they say the same")),
    (MISSING, gettext_lazy("one of them gave no verdict")),
    (BOTH, gettext_lazy("both judged")),
)
# What reviewers are told, and the audit trail keeps: translated where it is shown.
WHY_SENT = {
    DIFFER: gettext_noop("Raters disagree here."),
    SAME: gettext_noop("Sent from the comparisons on which two raters agree."),
    MISSING: gettext_noop("A verdict is missing here."),
    BOTH: gettext_noop("Sent from the list of comparisons that two raters judged."),
}
GROUPS = ((PEOPLE, gettext_lazy("any person")), (MACHINES, gettext_lazy("any judge, grader or reward model")))


@require_GET
def disagreements(request: HttpRequest, slug: str) -> HttpResponse:
    """Filters are URL parameters, the fields of DisagreementFilter, and so is the page, by ``after``."""
    project = project_for(request.user, slug, Permission.REVIEW)
    wanted = DisagreementFilter.of(project, request.GET)
    after = whole_number(request, "after") or 0
    page = disagreement_page(project, wanted, after=after)
    raters = list(project.raters.order_by("kind", "name"))
    names = {str(rater.pk): rater.name for rater in raters} | {name: str(words) for name, words in GROUPS}
    context = {
        "project": project,
        "tab": "disagreements",
        "wanted": wanted,
        "query": urlencode(wanted.parameters),
        "cases": [_case(comparison, wanted) for comparison in page.rows],
        "after": page.after,
        "whole": page.whole,
        "started": after,
        "sides": (names[wanted.a], names[wanted.b]),
        "raters": raters,
        "groups": GROUPS,
        "outcomes": OUTCOMES,
        "slices": [ALL, *project.tags.values_list("name", flat=True)],
    }
    return render(request, "alignment/disagreements.html", context)


@require_POST
def send_to_review(request: HttpRequest, slug: str, pk: int) -> HttpResponse:
    """Put a comparison into the reviewers' queue, and back to the list as it was filtered."""
    project = project_for(request.user, slug, Permission.REVIEW)
    comparison = get_object_or_404(Comparison.objects.select_related("project"), project=project, pk=pk)
    reason = WHY_SENT[DisagreementFilter.of(project, request.GET).outcome]
    try:
        if ask_for_review(comparison=comparison, reason=reason, by=logged_in(request.user)):
            messages.success(request, _("Sent to review."))
        else:
            messages.info(request, _("It waits for a reviewer already."))
    except Refused as refusal:
        messages.error(request, refusal.sentence)
    return redirect(_list(request, project, pk))


def _list(request: HttpRequest, project: Project, pk: int) -> str:
    wanted = DisagreementFilter.of(project, request.GET).parameters
    started = whole_number(request, "after")
    after = {"after": str(started)} if started else {}
    address = reverse("alignment:disagreements", args=[project.slug])
    return f"{address}?{urlencode({**wanted, **after})}#comparison-{pk}"


def _case(comparison: Comparison, wanted: DisagreementFilter) -> dict[str, Any]:
    """One comparison with what either side says; who is on both stands on the first only."""
    said = comparison.in_force  # type: ignore[attr-defined]  # prefetched
    votes = [judgment for judgment in said if not judgment.adjudicates]
    one = [judgment for judgment in votes if belongs(judgment.rater, wanted.a)]
    other = [judgment for judgment in votes if belongs(judgment.rater, wanted.b) and judgment not in one]
    item = getattr(comparison, "review_item", None)
    return {
        "comparison": comparison,
        "slots": comparison.slots.all(),
        "sides": (one, other),
        "decision": next((judgment for judgment in said if judgment.adjudicates), None),
        "waits": bool(item and item.open),
    }
