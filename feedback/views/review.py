"""The reviewers' queue: a list of what waits, and one comparison with everything said about it and what to do.

Sources stay hidden until they are asked for, since they would sway a reviewer like anybody else. The queue's filters
travel in the address, so that "next" stays within them.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.http import urlencode
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_POST

from feedback.actions.reviews import adjudicate, dismiss_flags, let_stand, raise_doubt, send_back
from feedback.errors import Refused
from feedback.forms.review import DecisionForm, ReasonForm
from feedback.models import MEASURING, Comparison, FlagKind, Project, ReviewItem
from feedback.parameters import plain_text
from feedback.people import logged_in
from feedback.permissions import Permission, project_for
from feedback.queries.review import (
    Place,
    ReviewFilter,
    neighbours,
    review_case,
    review_counts,
    review_page,
)
from feedback.views.review_cards import cards, ranks_of

FILTERS = ("flag", "conflict", "tag", "returned", "doubt")


@never_cache
@require_GET
def review_list(request: HttpRequest, slug: str) -> HttpResponse:
    """Every filter is a URL parameter, and so is the page, by ``after`` or ``before``."""
    project = project_for(request.user, slug, Permission.REVIEW)
    wanted = _wanted(request)
    after, before = (Place.read(plain_text(request, name)) for name in ("after", "before"))
    context = {
        "project": project,
        "wanted": wanted,
        "page": review_page(project, wanted, after=after, before=before),
        "counts": review_counts(project),
        "tags": project.tags.values_list("name", flat=True),
        "flag_kinds": FlagKind.values,
        "query": urlencode(wanted.given),
    }
    return render(request, "feedback/review_list.html", context)


@never_cache
@require_GET
def review_item(request: HttpRequest, slug: str, pk: int) -> HttpResponse:
    return _page(request, _desk(request, slug, pk))


@require_POST
def review_decide(request: HttpRequest, slug: str, pk: int) -> HttpResponse:
    desk = _desk(request, slug, pk)
    form = DecisionForm(desk.comparison.slots.count(), request.POST)
    if not form.is_valid():
        return _page(request, desk, decision=form, draft=Draft("decision", "", _first_error(form)))
    try:
        adjudicate(
            comparison=desk.comparison,
            verdict=form.verdict,
            seen=form.cleaned_data["seen"],
            by=logged_in(request.user),
        )
    except Refused as refusal:
        return _page(request, desk, decision=form, draft=Draft("decision", "", refusal.sentence))
    return _go_on(request, desk, _("Decided. The labels follow when a policy is applied again."))


@require_POST
def review_dismiss(request: HttpRequest, slug: str, pk: int) -> HttpResponse:
    desk, by = _desk(request, slug, pk), logged_in(request.user)

    def dismiss(text: str, seen: str) -> None:
        dismiss_flags(comparison=desk.comparison, reason=text, seen=seen, by=by)

    return _told(request, desk, "dismiss", dismiss) or _go_on(request, desk, _("The flags are dismissed."))


@require_POST
def review_let_stand(request: HttpRequest, slug: str, pk: int) -> HttpResponse:
    desk, by = _desk(request, slug, pk), logged_in(request.user)

    def stand(text: str, seen: str) -> None:
        let_stand(comparison=desk.comparison, reason=text, seen=seen, by=by)

    return _told(request, desk, "stand", stand) or _go_on(request, desk, _("The disagreement stands."))


@require_POST
def review_send_back(request: HttpRequest, slug: str, pk: int, judgment: int) -> HttpResponse:
    desk, by = _desk(request, slug, pk), logged_in(request.user)
    rows = desk.comparison.judgments.select_related("rater", "comparison")
    found = get_object_or_404(rows, pk=judgment)

    def back(text: str, seen: str) -> None:
        send_back(judgment=found, comment=text, seen=seen, by=by)

    said = _("Sent back to %(name)s; it comes first in their queue.") % {"name": found.rater.name}
    return _told(request, desk, f"judgment-{found.pk}", back) or _go_on(request, desk, said)


@require_POST
def review_doubt(request: HttpRequest, slug: str, pk: int) -> HttpResponse:
    desk, by = _desk(request, slug, pk), logged_in(request.user)

    def doubt(text: str, _seen: str) -> None:
        raise_doubt(comparison=desk.comparison, note=text, by=by)

    refused = _told(request, desk, "doubt", doubt)
    if refused:
        return refused
    messages.success(request, _("Noted for whoever writes the guidelines."))
    return redirect(desk.url(pk))


@dataclass(frozen=True)
class Draft:
    """What was refused: which form, its words, and why."""

    name: str
    text: str
    problem: str


@dataclass(frozen=True)
class Desk:
    """Where a reviewer is: a comparison, within a filtered queue, with its neighbours there."""

    project: Project
    comparison: Comparison
    wanted: ReviewFilter
    previous: int | None
    following: int | None

    def url(self, comparison: int | None) -> str:
        """The page of a comparison in the same queue; the list where it is None."""
        page = "feedback:review-item" if comparison else "feedback:review"
        address = reverse(page, args=[self.project.slug, *([comparison] if comparison else [])])
        return address + ("?" + urlencode(self.wanted.given) if self.wanted.given else "")


def _wanted(request: HttpRequest) -> ReviewFilter:
    return ReviewFilter(**{name: plain_text(request, name) for name in FILTERS})


def _desk(request: HttpRequest, slug: str, pk: int) -> Desk:
    project = project_for(request.user, slug, Permission.REVIEW)
    rows = Comparison.objects.select_related("prompt", "queue_item", "project")
    comparison = get_object_or_404(rows, project=project, pk=pk)
    item = ReviewItem.objects.filter(pk=pk).first()
    wanted = _wanted(request)
    place = Place.of(item) if item else Place(1000, pk)
    return Desk(project, comparison, wanted, *neighbours(project, wanted, place))


def _page(
    request: HttpRequest,
    desk: Desk,
    *,
    decision: DecisionForm | None = None,
    draft: Draft | None = None,
) -> HttpResponse:
    """The comparison as it stands now; what was refused keeps its words."""
    slots = list(desk.comparison.slots.select_related("response").order_by("position"))
    case = review_case(desk.comparison)
    context: dict[str, Any] = {
        "project": desk.project,
        "desk": desk,
        "comparison": desk.comparison,
        "case": case,
        "cards": cards(case, [slot.response.text for slot in slots]),
        "decided": ranks_of(case.decision) if case.decision else [],
        "slots": slots,
        "sources": request.GET.get("sources") == "1",
        "decision": decision or DecisionForm(len(slots)),
        "draft": draft,
        "measures": desk.comparison.purpose in MEASURING,
        "query": urlencode(desk.wanted.given),
        "list_url": desk.url(None),
        "previous_url": desk.url(desk.previous) if desk.previous else "",
        "next_url": desk.url(desk.following) if desk.following else "",
    }
    return render(request, "feedback/review_item.html", context)


def _go_on(request: HttpRequest, desk: Desk, said: str) -> HttpResponse:
    """To the next item, or to the same one while it still waits for a reviewer."""
    messages.success(request, said)
    waits = ReviewItem.objects.filter(pk=desk.comparison.pk, open=True).exists()
    return redirect(desk.url(desk.comparison.pk if waits else desk.following))


def _told(
    request: HttpRequest, desk: Desk, name: str, action: Callable[[str, str], None]
) -> HttpResponse | None:
    """Do what needs a sentence and nothing more; the page with what is wrong where it was refused."""
    form = ReasonForm(request.POST)
    try:
        if not form.is_valid():
            raise Refused(_first_error(form))
        action(form.cleaned_data["text"], form.cleaned_data["seen"])
    except Refused as refusal:
        draft = Draft(name, form.data.get("text", ""), refusal.sentence)
        return _page(request, desk, draft=draft)
    return None


def _first_error(form: DecisionForm | ReasonForm) -> str:
    return str(next(iter(form.errors.values()))[0])
