"""Comparisons with a known answer: a list with how people did on each, and one to make, change or take away."""

from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from feedback.actions.gold import USES, make_gold, remove_gold, retire_gold
from feedback.errors import Refused
from feedback.forms.queue import GoldForm
from feedback.models import Comparison, Project
from feedback.parameters import plain_text, whole_number
from feedback.people import logged_in
from feedback.permissions import Permission, grants, project_for
from feedback.queries.measuring import answers_to, gold_page
from feedback.queries.review import adjudication_of


@require_GET
def gold_list(request: HttpRequest, slug: str) -> HttpResponse:
    """``find`` leads to the comparison with this id; ``after`` pages."""
    project = project_for(request.user, slug, Permission.REVIEW)
    wanted = plain_text(request, "find")
    if wanted:
        found = project.comparisons.filter(external_id=wanted).first()
        if found:
            return redirect("feedback:gold-item", project.slug, found.pk)
        messages.error(request, _("No comparison here has the id %(id)s.") % {"id": wanted})
    page = gold_page(project, after=whole_number(request, "after"))
    context = {
        "project": project,
        "page": page,
        "wanted": wanted,
        "may_change": _may_change(request, project),
    }
    return render(request, "feedback/gold.html", context)


@require_http_methods(["GET", "POST"])
def gold_item(request: HttpRequest, slug: str, pk: int) -> HttpResponse:
    """One comparison and its known answer; a POST sets it."""
    needed = Permission.REVIEW if request.method == "GET" else Permission.ENGINEER
    project = project_for(request.user, slug, needed)
    comparison = _comparison(project, pk)
    slots = list(comparison.slots.select_related("response").order_by("position"))
    form = GoldForm(request.POST or None, responses=len(slots), initial=_initial(comparison))
    if form.is_valid():
        try:
            _save(request, comparison, form)
            messages.success(request, _("This comparison measures people from now on."))
            return redirect("feedback:gold", project.slug)
        except Refused as refusal:
            form.add_error(refusal.field if refusal.field in form.fields else None, refusal.sentence)
    context = {
        "project": project,
        "comparison": comparison,
        "is_gold": comparison.purpose in USES,
        "responses": list(zip(slots, form.ranks, strict=True)),
        "form": form,
        "answers": answers_to(comparison),
        "may_change": _may_change(request, project),
    }
    return render(request, "feedback/gold_item.html", context)


@require_POST
def gold_remove(request: HttpRequest, slug: str, pk: int) -> HttpResponse:
    """Back to the queue, or with ``retire`` out of use."""
    project = project_for(request.user, slug, Permission.ENGINEER)
    comparison = _comparison(project, pk)
    try:
        if "retire" in request.POST:
            retire_gold(comparison=comparison, by=logged_in(request.user))
            messages.success(request, _("Nobody is given this item any more; the answers to it still count."))
        else:
            remove_gold(comparison=comparison, by=logged_in(request.user))
            messages.success(
                request, _("The comparison is back in the queue; its judgments count for labels.")
            )
    except Refused as refusal:
        messages.error(request, refusal.sentence)
    return redirect("feedback:gold", project.slug)


def _save(request: HttpRequest, comparison: Comparison, form: GoldForm) -> None:
    make_gold(
        comparison=comparison,
        use=form.cleaned_data["use"],
        ranking=form.ranking,
        explanation=form.cleaned_data["explanation"],
        by=logged_in(request.user),
    )


def _initial(comparison: Comparison) -> dict[str, Any]:
    """The known answer as it is, else a reviewer's decision, else nothing but the usual use."""
    known, decided = getattr(comparison, "gold_answer", None), adjudication_of(comparison.pk)
    ranking = known.ranking if known else decided.ranking if decided else ()
    explanation = known.explanation if known else decided.rationale if decided else ""
    ranks = {f"rank_{position}": rank for position, rank in enumerate(ranking)}
    return {"use": comparison.purpose if known else "gold", "explanation": explanation, **ranks}


def _comparison(project: Project, pk: int) -> Comparison:
    rows = Comparison.objects.select_related("prompt", "project", "gold_answer")
    return get_object_or_404(rows, project=project, pk=pk)


def _may_change(request: HttpRequest, project: Project) -> bool:
    return Permission.ENGINEER in grants(request.user, project)
