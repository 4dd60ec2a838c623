"""What is judged, for those who may review: a list to search, and one comparison with everything said about it."""

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.views.decorators.http import require_GET

from feedback.models import Comparison, Outcome, RaterKind
from feedback.parameters import plain_text, whole_number
from feedback.permissions import Permission, project_for
from feedback.queries import ComparisonFilter, comparison_page

OUTCOMES = [("none", "no judgment yet"), *((value, f"some {value}") for value in Outcome.values)]


@require_GET
def comparison_list(request: HttpRequest, slug: str) -> HttpResponse:
    """Every filter is a URL parameter: ``q``, ``tag``, ``outcome``, and the page by ``after`` or ``before``."""
    project = project_for(request.user, slug, Permission.REVIEW)
    wanted = ComparisonFilter(**{name: plain_text(request, name) for name in ("q", "tag", "outcome")})
    after, before = whole_number(request, "after"), whole_number(request, "before")
    page = comparison_page(project, wanted, after=after, before=before)
    context = {
        "project": project,
        "wanted": wanted,
        "page": page,
        "rows": [_row(comparison) for comparison in page.rows],
        "tags": project.tags.values_list("name", flat=True),
        "outcomes": OUTCOMES,
    }
    return render(request, "feedback/comparisons.html", context)


@require_GET
def comparison_detail(request: HttpRequest, slug: str, pk: int) -> HttpResponse:
    project = project_for(request.user, slug, Permission.REVIEW)
    comparison = get_object_or_404(
        Comparison.objects.select_related("prompt", "queue_item"), project=project, pk=pk
    )
    judgments = list(
        comparison.judgments.select_related("rater").order_by("rater__kind", "rater__name", "-at")
    )
    context = {
        "project": project,
        "comparison": comparison,
        "slots": comparison.slots.select_related("response").order_by("position"),
        "current": [judgment for judgment in judgments if judgment.current],
        "superseded": [judgment for judgment in judgments if not judgment.current],
    }
    return render(request, "feedback/comparison.html", context)


def _row(comparison: Comparison) -> dict[str, Any]:
    judgments = [judgment for judgment in comparison.judgments.all() if judgment.current]
    verdicts = [judgment for judgment in judgments if judgment.outcome == Outcome.RANKED]
    people = sum(judgment.rater.kind == RaterKind.HUMAN for judgment in verdicts)
    return {
        "comparison": comparison,
        "people": people,
        "machines": len(verdicts) - people,
        "without_verdict": len(judgments) - len(verdicts),
    }
