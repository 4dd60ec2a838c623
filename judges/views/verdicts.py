"""A judge's verdicts, one by one: every call with its raw reply, beside what people say."""

from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.views.decorators.http import require_GET

from feedback.models import Outcome
from feedback.parameters import plain_text
from feedback.permissions import Permission, project_for
from judges.asked import answers_of, people_say
from judges.previews import whole_comparisons
from judges.queries import judges_of, newest_verdicts

PAGE = 25
OUTCOMES = (Outcome.RANKED, Outcome.INCONSISTENT, Outcome.REFUSED, Outcome.UNPARSEABLE)


@require_GET
def verdicts(request: HttpRequest, slug: str, pk: int) -> HttpResponse:
    """The newest first; ``outcome`` narrows them."""
    project = project_for(request.user, slug, Permission.REVIEW)
    judge = get_object_or_404(judges_of(project), pk=pk)
    outcome = plain_text(request, "outcome")
    found = newest_verdicts(judge)
    if outcome in OUTCOMES:
        found = found.filter(outcome=outcome)
    page = Paginator(found, PAGE).get_page(request.GET.get("page"))
    context = {
        "project": project,
        "judge": judge,
        "page": page,
        "people": people_say([judgment.comparison for judgment in page]),
        "outcomes": OUTCOMES,
        "outcome": outcome,
    }
    return render(request, "judges/verdicts.html", context)


@require_GET
def verdict(request: HttpRequest, slug: str, pk: int, comparison: int) -> HttpResponse:
    """One comparison as the judge was asked about it, in every order and sample."""
    project = project_for(request.user, slug, Permission.REVIEW)
    judge = get_object_or_404(judges_of(project), pk=pk)
    asked = get_object_or_404(whole_comparisons(project), pk=comparison)
    context = {
        "project": project,
        "judge": judge,
        "comparison": asked,
        "slots": asked.slots.all(),
        "judgment": newest_verdicts(judge).filter(comparison=asked).first(),
        "answer": answers_of(judge, [asked])[0],
        "people": people_say([asked]).get(asked.pk),
    }
    return render(request, "judges/verdict.html", context)
