"""What is judged, for those who may review: a list to search, and one comparison with its whole history."""

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_GET

from feedback.models import Comparison, Outcome, Project, Purpose, RaterKind
from feedback.parameters import whole_number
from feedback.permissions import Permission, grants, project_for
from feedback.queries.search import ComparisonFilter, comparison_page, count_comparisons, suggested_sources
from feedback.queries.timeline import history

OUTCOMES = (
    ("none", _("no judgment yet")),
    (Outcome.RANKED, _("a verdict")),
    ("tie", _("a tie")),
    ("all_bad", _("all of them bad")),
    (Outcome.SKIPPED, _("skipped")),
    (Outcome.REFUSED, _("refused")),
    (Outcome.UNPARSEABLE, _("unparseable")),
    (Outcome.INCONSISTENT, _("inconsistent")),
)
DISAGREEMENTS = (("people", _("people with people")), ("judges", _("people with judges")))
STATES = (
    ("open", _("open: people can take it")),
    ("full", _("has all it asked for")),
    ("flagged", _("flagged")),
    ("retired", _("retired")),
)
PURPOSES = (
    (Purpose.TRAIN, _("training")),
    (Purpose.EVALUATE, _("evaluation")),
    (Purpose.GOLD, _("gold")),
    (Purpose.ATTENTION, _("attention check")),
    (Purpose.PRACTICE, _("practice")),
    (Purpose.REPEAT, _("repeat")),
)


@require_GET
def comparison_list(request: HttpRequest, slug: str) -> HttpResponse:
    """Every filter is a URL parameter, the fields of ComparisonFilter, and the page by ``after`` or ``before``."""
    project = project_for(request.user, slug, Permission.REVIEW)
    wanted = ComparisonFilter.of(request.GET)
    after, before = whole_number(request, "after"), whole_number(request, "before")
    page = comparison_page(project, wanted, after=after, before=before)
    context = {
        "project": project,
        "wanted": wanted,
        "page": page,
        "searched": None if page.searched is None else f"{100 * page.searched:.0f} %",
        "rows": [_row(comparison) for comparison in page.rows],
        "counted": count_comparisons(project, wanted),
        "may_change": Permission.ENGINEER in grants(request.user, project),
        **_choices(project),
    }
    return render(request, "feedback/comparisons.html", context)


@require_GET
def comparison_detail(request: HttpRequest, slug: str, pk: int) -> HttpResponse:
    project = project_for(request.user, slug, Permission.REVIEW)
    comparison = get_object_or_404(
        Comparison.objects.select_related("prompt", "queue_item", "gold_answer", "repeat_of"),
        project=project,
        pk=pk,
    )
    judgments = comparison.judgments.filter(current=True).select_related("rater")
    context = {
        "project": project,
        "comparison": comparison,
        "slots": comparison.slots.select_related("response").order_by("position"),
        "current": judgments.order_by("rater__kind", "rater__name", "-at"),
        "history": history(comparison),
        "may_change": Permission.ENGINEER in grants(request.user, project),
    }
    return render(request, "feedback/comparison.html", context)


def _choices(project: Project) -> dict[str, Any]:
    return {
        "tags": list(project.tags.values_list("name", flat=True)),
        "raters": list(project.raters.order_by("kind", "name")),
        "sources": suggested_sources(project),
        "outcomes": OUTCOMES,
        "disagreements": DISAGREEMENTS,
        "states": STATES,
        "purposes": PURPOSES,
    }


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
