"""The annotator's page and what its script asks for: one item at a time, the next already loaded.

Without any script the same form posts, redirects and goes on. Items go by their assignments' numbers; see ``items``.
"""

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_not_required
from django.contrib.auth.views import redirect_to_login
from django.http import HttpRequest, HttpResponse, JsonResponse, QueryDict
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from feedback.actions.assignments import heartbeat, release_assignment, undo_last
from feedback.actions.guidelines import mark_read
from feedback.actions.judgments import submit_judgment
from feedback.actions.projects import rater_of
from feedback.actions.second_looks import look_again
from feedback.answers import AnswerForm
from feedback.errors import Refused
from feedback.models import Assignment, Judgment, Outcome, Rater
from feedback.parameters import whole
from feedback.people import logged_in
from feedback.permissions import Permission, project_for
from feedback.queries.comparisons import load_comparison
from feedback.queries.progress import progress_of
from feedback.queries.rubrics import criteria_for_people
from feedback.statements import one
from feedback.views.answers import Reading, checked_fields
from feedback.views.drafts import draft_of
from feedback.views.items import Item, proves
from feedback.views.workspace import (
    State,
    after,
    after_html,
    draft_item,
    item_html,
    next_as_json,
    next_item,
    progress_as_json,
)

MOST_HELD = 50
_OWN = "SELECT * FROM feedback_assignment WHERE id = %s AND rater_id = %s"
View = Callable[[HttpRequest, Rater], HttpResponse]


def for_annotators(view: View) -> Callable[[HttpRequest, str], HttpResponse]:
    """The view of the person's rater in the project. A script that nobody is logged in for is told so with a 401."""

    @wraps(view)
    def handle(request: HttpRequest, slug: str) -> HttpResponse:
        if not request.user.is_authenticated:
            return _log_in_first(request)
        if _is_anothers(request):
            return JsonResponse({"refused": _("Somebody else is logged in on this browser now.")}, status=403)
        project = project_for(request.user, slug, Permission.ANNOTATE)
        return view(request, rater_of(project=project, user=logged_in(request.user)))

    return login_not_required(never_cache(handle))


def _is_anothers(request: HttpRequest) -> bool:
    """Is this from a page that was opened by somebody else, who was logged in on this browser before?"""
    opened_by = request.POST.get("person") or request.GET.get("person")
    return opened_by is not None and opened_by != str(logged_in(request.user).pk)


def _log_in_first(request: HttpRequest) -> HttpResponse:
    if _is_script(request):
        return JsonResponse({"refused": _("You are logged out.")}, status=401)
    return redirect_to_login(request.get_full_path())


@for_annotators
@require_http_methods(["GET", "POST"])
def annotate(request: HttpRequest, rater: Rater) -> HttpResponse:
    if request.method == "GET":
        return page_with(request, rater)
    answer = _answer_script if _is_script(request) else _answer_page
    return answer(request, rater)


@for_annotators
@require_GET
def upcoming(request: HttpRequest, rater: Rater) -> HttpResponse:
    """The item after those that the page holds."""
    return JsonResponse(next_as_json(request, rater, _numbers(request.GET)))


@for_annotators
@require_POST
def undo(request: HttpRequest, rater: Rater) -> HttpResponse:
    """Take the last answer back; its item comes again as it was filled in."""
    try:
        assignment = undo_last(rater=rater)
    except Refused as refusal:
        return _done(request, rater, {"item": None, "said": "", "refused": refusal.sentence})
    if not _is_script(request):
        return page_with(request, rater, draft_item(rater, assignment, draft_of(assignment)))
    item = item_html(request, draft_item(rater, assignment, draft_of(assignment)))
    said = _("Taken back. Here it is again.")
    return JsonResponse({"item": item, "said": said, "refused": None, "progress": progress_as_json(rater)})


@for_annotators
@require_POST
def still_here(request: HttpRequest, rater: Rater) -> HttpResponse:
    """The page is open: the leases of what it holds go on."""
    heartbeat(rater=rater, comparison_ids=_comparisons(rater, _numbers(request.POST)))
    return HttpResponse(status=204)


@for_annotators
@require_POST
def release(request: HttpRequest, rater: Rater) -> HttpResponse:
    """The page is closing: what it holds goes back to the queue."""
    for comparison_id in _comparisons(rater, _numbers(request.POST)):
        release_assignment(rater=rater, comparison_id=comparison_id)
    return HttpResponse(status=204)


@for_annotators
@require_POST
def second_look(request: HttpRequest, rater: Rater) -> HttpResponse:
    """ "I agree" or "I stand by mine", after the judges' view."""
    judgment = Judgment.objects.filter(rater=rater, pk=_number(request.POST.get("judgment"))).first()
    said, refused = "", None
    try:
        if judgment is None or request.POST.get("agrees") not in ("0", "1"):
            raise Refused(_("The page sent something that is no second look; nothing was stored."))
        look_again(judgment=judgment, agrees=request.POST["agrees"] == "1")
        said = _("Noted. Your own answer stays as it is.")
    except Refused as refusal:
        refused = refusal.sentence
    return _done(request, rater, {"said": said, "refused": refused})


@for_annotators
@require_POST
def guidelines_read(request: HttpRequest, rater: Rater) -> HttpResponse:
    mark_read(rater=rater, version=_number(request.POST.get("version")))
    return redirect("feedback:annotate", rater.project.slug)


def page_with(
    request: HttpRequest, rater: Rater, item: Item | None = None, refused: str = ""
) -> HttpResponse:
    """The annotator's page with this item, or with the next one."""
    found = item or next_item(rater)
    answered = Judgment.objects.filter(
        rater=rater, pk=_number(request.GET.get("after")), current=True
    ).first()
    context = {
        "project": rater.project,
        "rater": rater,
        "item": found if isinstance(found, Item) else None,
        "state": found if isinstance(found, State) else None,
        "after": after(answered) if answered else None,
        "refused": refused,
        "progress": progress_of(rater),
    }
    return render(request, "feedback/annotate.html", context)


def _answer_script(request: HttpRequest, rater: Rater) -> HttpResponse:
    held = _numbers(request.POST)
    try:
        judgment = _store(rater, request.POST)
    except Refused as refusal:
        following = next_as_json(request, rater, held) if _is_gone(refusal) else _nothing_follows(rater)
        return JsonResponse({
            "stored": False, "said": "", "refused": refusal.sentence, "field": refusal.field, "after": None, **following
        })  # fmt: skip
    shown_after = after(judgment)
    return JsonResponse(
        {
            "stored": True,
            "said": _said(judgment),
            "refused": None,
            "field": None,
            "after": after_html(request, shown_after) if shown_after else None,
            **next_as_json(request, rater, held),
        }
    )


def _answer_page(request: HttpRequest, rater: Rater) -> HttpResponse:
    """Without a script: on to the next, or the same page again with what is wrong."""
    try:
        judgment = _store(rater, request.POST)
    except Refused as refusal:
        given = None if _is_gone(refusal) else _assignment(rater, request.POST)
        item = draft_item(rater, given, request.POST) if given else None
        return page_with(request, rater, item, refusal.sentence)
    messages.success(request, _said(judgment))
    address = redirect("feedback:annotate", rater.project.slug)
    if after(judgment):
        address["Location"] += f"?after={judgment.pk}"
    return address


def _store(rater: Rater, data: QueryDict) -> Judgment:
    """Store the answer. Refused, with the field at fault, where it is none."""
    fields = checked_fields(data)
    assignment = _assignment(rater, data)
    if assignment is None:
        raise Refused(_("This item is not yours any more; here is the next one."), field="comparison")
    if not proves(assignment, fields["shown"]):
        raise Refused(
            _("The page showed the responses in an order that is not yours; judge them again."), field="shown"
        )
    form = AnswerForm.of(rater.project.form)
    criteria = criteria_for_people(rater.project_id) if form.scores else []
    return submit_judgment(
        rater=rater,
        comparison=assignment.comparison,
        submission_id=fields["submission_id"],
        verdict=Reading(form, criteria, assignment.shown).verdict(data, fields),
    )


def _is_gone(refusal: Refused) -> bool:
    """Can the item not be answered any more, whatever is filled in?"""
    return refusal.field in (None, "comparison")


def _said(judgment: Judgment) -> str:
    return _("Skipped.") if judgment.outcome == Outcome.SKIPPED else _("Stored.")


def _nothing_follows(rater: Rater) -> dict[str, Any]:
    return {"next": None, "state": None, "progress": progress_as_json(rater)}


def _done(request: HttpRequest, rater: Rater, said: dict[str, Any]) -> HttpResponse:
    """What was done, for a script as JSON, else as a message on the next page."""
    if _is_script(request):
        return JsonResponse({**said, "progress": progress_as_json(rater)})
    level = messages.WARNING if said["refused"] else messages.SUCCESS
    messages.add_message(request, level, said["refused"] or said["said"])
    return redirect("feedback:annotate", rater.project.slug)


def _is_script(request: HttpRequest) -> bool:
    return "application/json" in request.headers.get("Accept", "")


def _number(text: str | None) -> int:
    """A row's number out of what was sent; 0, which no row has, for anything else."""
    return whole(text or "") or 0


def _numbers(data: QueryDict) -> list[int]:
    """The assignments that the page says it holds."""
    numbers = (_number(part) for part in data.get("held", "").split(",")[:MOST_HELD])
    return [number for number in numbers if number]


def _assignment(rater: Rater, data: QueryDict) -> Assignment | None:
    own = one(Assignment, _OWN, [_number(data.get("comparison")), rater.pk])
    if own:
        load_comparison(own, rater)
    return own


def _comparisons(rater: Rater, numbers: list[int]) -> list[int]:
    own = Assignment.objects.filter(rater=rater, pk__in=numbers)
    return list(own.values_list("comparison_id", flat=True))
