"""Many comparisons changed at once: a page that names their number, and a worker's progress where they are many."""

from collections.abc import Callable
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from feedback.actions.bulk import change_comparisons, change_matching, check_change
from feedback.actions.jobs import cancel_job, resume_job
from feedback.errors import Refused
from feedback.models import RESUMABLE, UNFINISHED, BulkChange, Project
from feedback.parameters import whole_numbers
from feedback.people import logged_in
from feedback.permissions import Permission, project_for
from feedback.queries.search import PAGE, ComparisonFilter, Counted, count_comparisons

COUNT_SECONDS = 5.0  # somebody who is about to change them all waits for an exact number
SENTENCES = {
    "retire": gettext_lazy("Retire: they leave the queue, and labels and snapshots made from then on."),
    "bring_back": gettext_lazy("Bring back: they return to the queue, and to labels and snapshots."),
    "ask_one_more": gettext_lazy("Ask one more person about each, up to nine."),
    "overlap": gettext_lazy("Ask this number of people about each; those who have judged it count."),
    "priority": gettext_lazy("Set their priority; higher comes first."),
    "add_tag": gettext_lazy("Add the tag to each."),
    "remove_tag": gettext_lazy("Take the tag away from each."),
    "apply_rules": gettext_lazy("Let each go by the rules of its tags."),
}


@require_http_methods(["GET", "POST"])
def bulk(request: HttpRequest, slug: str) -> HttpResponse:
    """The address says what is chosen, ``pk`` for each or ``all`` and a filter, and what to do: ``verb``, ``value``."""
    project = project_for(request.user, slug, Permission.ENGINEER)
    chosen = request.POST if request.method == "POST" else request.GET
    verb, value = chosen.get("verb", ""), chosen.get("value", "").strip() if _takes_value(chosen) else ""
    wanted = ComparisonFilter.of(chosen)
    back = f"{reverse('feedback:comparisons', args=[slug])}?{_query(wanted)}"
    try:
        check_change(project=project, verb=verb, value=value)
        ids = None if chosen.get("all") else _ids(chosen)
        if request.method == "POST":
            return _carry_out(request, project, verb, value, ids, wanted, back)
    except Refused as refusal:
        messages.error(request, refusal.sentence)
        return redirect(back)
    counted = (
        Counted(len(ids), exact=True)
        if ids is not None
        else count_comparisons(project, wanted, most=None, seconds=COUNT_SECONDS)
    )
    context = {
        "project": project,
        "counted": counted,
        "sentence": SENTENCES[verb],
        "verb": verb,
        "value": value,
        "ids": ids,
        "wanted": wanted,
        "back": back,
    }
    return render(request, "feedback/bulk_confirm.html", context)


@require_GET
def bulk_change(request: HttpRequest, slug: str, pk: int) -> HttpResponse:
    project = project_for(request.user, slug, Permission.ENGINEER)
    found = _found(project, pk)
    context = {
        "project": project,
        "change": found,
        "job": found.job,
        "sentence": SENTENCES.get(found.verb, found.verb),
        "unfinished": found.job.state in UNFINISHED,
        "resumable": found.job.state in RESUMABLE,
        "query": _query(ComparisonFilter.of(found.wanted)),
    }
    return render(request, "feedback/bulk_change.html", context)


@require_POST
def bulk_cancel(request: HttpRequest, slug: str, pk: int) -> HttpResponse:
    return _change_job(request, slug, pk, cancel_job)


@require_POST
def bulk_resume(request: HttpRequest, slug: str, pk: int) -> HttpResponse:
    return _change_job(request, slug, pk, resume_job)


def _carry_out(
    request: HttpRequest,
    project: Project,
    verb: str,
    value: str,
    ids: list[int] | None,
    wanted: ComparisonFilter,
    back: str,
) -> HttpResponse:
    what: dict[str, Any] = {
        "project": project,
        "verb": verb,
        "value": value,
        "by": logged_in(request.user),
    }
    done = change_matching(wanted=wanted, **what) if ids is None else change_comparisons(ids=ids, **what)
    if isinstance(done, BulkChange):
        return redirect("feedback:bulk-change", project.slug, done.pk)
    said = ngettext("%d comparison changed.", "%d comparisons changed.", done) % done
    if done:
        messages.success(request, said)
    else:
        messages.info(request, _("Nothing changed: they were like that already."))
    return redirect(back)


def _ids(chosen: QueryDict) -> list[int]:
    """The comparisons ticked on a page. Refused where there are none, or more than a page holds."""
    ids = whole_numbers(chosen, "pk")
    if not ids:
        raise Refused(_("Tick the comparisons that you mean, or choose all that fit the filters."))
    return ids[:PAGE]


def _takes_value(chosen: QueryDict) -> bool:
    return chosen.get("verb", "") in ("overlap", "priority", "add_tag", "remove_tag")


def _query(wanted: ComparisonFilter) -> str:
    query = QueryDict(mutable=True)
    query.update(wanted.parameters())
    return query.urlencode()


def _found(project: Project, pk: int) -> BulkChange:
    rows = BulkChange.objects.select_related("job", "created_by", "project")
    return get_object_or_404(rows, project=project, pk=pk)


def _change_job(request: HttpRequest, slug: str, pk: int, action: Callable[..., None]) -> HttpResponse:
    project = project_for(request.user, slug, Permission.ENGINEER)
    found = _found(project, pk)
    try:
        action(job=found.job, by=logged_in(request.user))
    except Refused as refusal:
        messages.error(request, refusal.sentence)
    return redirect("feedback:bulk-change", project.slug, pk)
