"""The annotator's page: one comparison at a time, with its sides in this person's own order and its sources hidden.

With htmx the next comparison is swapped in; without any script the same forms post, redirect and go on.
"""

from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import redirect, render
from django.utils.crypto import constant_time_compare, salted_hmac
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from feedback.actions.assignments import shown_order, take_next, undo_last
from feedback.actions.judgments import submit_judgment
from feedback.actions.projects import rater_of
from feedback.errors import Refused
from feedback.forms import JudgmentForm
from feedback.models import Assignment, Comparison, Rater
from feedback.people import logged_in
from feedback.permissions import Permission, project_for
from feedback.queries import progress_of

LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
SAID = {
    "a": "Stored: A is better.",
    "b": "Stored: B is better.",
    "tie": "Stored: a tie.",
    "rank": "Stored: your ranking.",
    "skip": "Skipped.",
    "undo": "Taken back. Here it is again.",
}


@dataclass(frozen=True)
class Item:
    """What one person is shown: texts without their sources. ``responses`` are (letter, text) in the order shown.

    ``shown`` proves that order when the answer comes back, and does not tell it: whoever knew which response is the
    canonical first could tell apart where they come from.
    """

    comparison_id: int
    submission_id: UUID
    shown: str
    messages: list[dict[str, str]]
    responses: list[tuple[str, str]]
    rationale: str

    @property
    def is_pair(self) -> bool:
        return len(self.responses) == 2


@never_cache
@require_http_methods(["GET", "POST"])
def annotate(request: HttpRequest, slug: str) -> HttpResponse:
    project = project_for(request.user, slug, Permission.ANNOTATE)
    rater = rater_of(project=project, user=logged_in(request.user))
    if request.method == "GET":
        return render(request, "feedback/annotate.html", _workspace(rater))
    try:
        said, refused = _store(rater, request.POST), False
    except Refused as refusal:
        said, refused = refusal.sentence, True
    if request.headers.get("HX-Request"):
        draft = request.POST if refused else None
        return render(
            request, "feedback/workspace.html", {**_workspace(rater, draft), "said": said, "refused": refused}
        )
    messages.add_message(request, messages.WARNING if refused else messages.SUCCESS, said)
    return redirect("feedback:annotate", slug)


def _store(rater: Rater, data: QueryDict) -> str:
    """Do what the page asks, and say what was done."""
    if data.get("choice") == "undo":
        undo_last(rater=rater)
        return SAID["undo"]
    form = JudgmentForm(data)
    if not form.is_valid():
        raise Refused("The page sent something that is no answer, so nothing was stored; choose again.")
    comparison = Comparison.objects.filter(project=rater.project, pk=form.cleaned_data["comparison"]).first()
    if comparison is None:
        raise Refused("This comparison is not in the project any more; here is the next one.")
    order = _order(rater, comparison)
    if not constant_time_compare(form.cleaned_data["shown"], _proof(rater, comparison.pk, order)):
        raise Refused(
            "The page showed the responses in an order that is not yours; judge this comparison again."
        )
    submit_judgment(
        rater=rater,
        comparison=comparison,
        submission_id=form.cleaned_data["submission_id"],
        verdict=form.verdict(order),
    )
    return SAID[form.cleaned_data["choice"]]


def _order(rater: Rater, comparison: Comparison) -> tuple[int, ...]:
    """The order this person was shown, also where the lease has lapsed and its row is gone."""
    assignment = Assignment.objects.filter(rater=rater, comparison=comparison).first()
    return assignment.shown if assignment else shown_order(rater, comparison)


def _proof(rater: Rater, comparison_id: int, order: tuple[int, ...]) -> str:
    value = f"{rater.pk}:{comparison_id}:{order}"
    return salted_hmac("feedback.annotate.shown", value, algorithm="sha256").hexdigest()


def _workspace(rater: Rater, draft: QueryDict | None = None) -> dict[str, Any]:
    assignment = take_next(rater=rater)
    return {
        "project": rater.project,
        "item": _item(rater, assignment, draft) if assignment else None,
        "progress": progress_of(rater),
    }


def _item(rater: Rater, assignment: Assignment, draft: QueryDict | None) -> Item:
    comparison = assignment.comparison
    texts = list(comparison.slots.order_by("position").values_list("response__text", flat=True))
    same = draft is not None and draft.get("comparison") == str(comparison.pk)
    return Item(
        comparison_id=comparison.pk,
        submission_id=uuid4(),
        shown=_proof(rater, comparison.pk, assignment.shown),
        messages=comparison.prompt.messages,
        responses=[(LETTERS[place], texts[position]) for place, position in enumerate(assignment.shown)],
        rationale=draft.get("rationale", "") if draft is not None and same else "",
    )
