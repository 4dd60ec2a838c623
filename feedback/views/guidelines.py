"""The guidelines: read by every member, written by owners, with what changed and who has read it."""

from typing import Any

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import get_language
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from feedback.actions.guidelines import mark_read, publish_guidelines
from feedback.actions.projects import rater_of
from feedback.differences import differences, with_context
from feedback.errors import Refused
from feedback.forms.guidelines import GuidelineForm, initial_of, languages_sent, text_of
from feedback.models import Project, Rater
from feedback.parameters import plain_text, whole, whole_number
from feedback.people import logged_in
from feedback.permissions import Permission, grants, project_for
from feedback.queries.guidelines import (
    Version,
    known_languages,
    last_read,
    open_doubts,
    readers,
    unread_guideline,
    versions,
)
from feedback.rendering import render_text


@never_cache
@require_GET
def guidelines(request: HttpRequest, slug: str) -> HttpResponse:
    """The newest version in the reader's language, or the ``version`` and ``language`` that the address asks for."""
    project = project_for(request.user, slug, Permission.VIEW)
    user, found = logged_in(request.user), versions(project)
    wanted = whole_number(request, "version")
    shown = _version(found, wanted) if wanted is not None or found else None
    rater = Rater.objects.filter(project=project, user=user).first()
    context = {
        "project": project,
        "versions": found,
        "shown": shown,
        "text": shown.text(_language(request)) if shown else None,
        "newest": shown is not None and shown == found[0],
        "unread": bool(found) and (unread_guideline(rater) is not None if rater else True),
        "last_read": last_read(project, user),
        "may_write": Permission.OWN in grants(user, project),
    }
    return render(request, "feedback/guidelines.html", context)


@require_POST
def guidelines_read(request: HttpRequest, slug: str) -> HttpResponse:
    project = project_for(request.user, slug, Permission.ANNOTATE)
    rater = rater_of(project=project, user=logged_in(request.user))
    try:
        mark_read(rater=rater, version=whole(request.POST.get("version", "")) or 0)
    except Refused as refusal:
        messages.warning(request, refusal.sentence)
        return redirect("feedback:guidelines", slug)
    return redirect("feedback:annotate", slug)


@require_GET
def guideline_changes(request: HttpRequest, slug: str) -> HttpResponse:
    """What changed between two versions, in one language; ``whole=1`` shows the lines that stayed as well."""
    project = project_for(request.user, slug, Permission.VIEW)
    found = versions(project)
    now = _version(found, whole_number(request, "to"))
    earlier = whole_number(request, "from")
    before = _version(found, earlier if earlier is not None else max(1, now.number - 1))
    language = now.text(_language(request)).language
    texts = [version.texts[language].text if language in version.texts else "" for version in (before, now)]
    lines = differences(*texts)
    whole = request.GET.get("whole") == "1"
    context = {
        "project": project,
        "versions": found,
        "before": before,
        "now": now,
        "text": now.text(language),
        "lines": lines if whole else list(with_context(lines)),
        "same": all(line.change == "same" for line in lines),
        "whole": whole,
    }
    return render(request, "feedback/guideline_changes.html", context)


@never_cache
@require_http_methods(["GET", "POST"])
def guideline_edit(request: HttpRequest, slug: str) -> HttpResponse:
    """Write the next version. Looking at the preview and adding a language send the form as well, so none is lost."""
    project = project_for(request.user, slug, Permission.OWN)
    found = versions(project)
    if request.method == "GET":
        texts = {code: text.text for code, text in found[0].texts.items()} if found else {"en": ""}
        initial = initial_of(found[0].number if found else 0, texts)
        return _editor(request, project, found, GuidelineForm(texts, open_doubts(project), initial=initial))
    form = GuidelineForm(languages_sent(request.POST), open_doubts(project), request.POST)
    if "publish" in request.POST and form.is_valid() and _published(request, project, form):
        return redirect("feedback:guidelines", slug)
    return _editor(request, project, found, form, sent="publish" in request.POST)


@require_POST
def guideline_preview(request: HttpRequest, slug: str, language: str) -> HttpResponse:
    """One language's text as readers will see it."""
    project_for(request.user, slug, Permission.OWN)
    return HttpResponse(render_text(text_of(request.POST, language)))


@require_GET
def guideline_readers(request: HttpRequest, slug: str) -> HttpResponse:
    project = project_for(request.user, slug, Permission.OWN)
    context = {"project": project, "readers": readers(project), "versions": versions(project)}
    return render(request, "feedback/guideline_readers.html", context)


def _published(request: HttpRequest, project: Project, form: GuidelineForm) -> bool:
    said: dict[str, Any] = form.cleaned_data
    try:
        published = publish_guidelines(
            project=project,
            texts=form.texts,
            change=said["change"],
            must_be_read=said["must_be_read"],
            settles=said["settles"],
            based_on=said["version"],
            by=logged_in(request.user),
        )
    except Refused as refusal:
        form.add_error(refusal.field if refusal.field in form.fields else None, refusal.sentence)
        return False
    messages.success(request, _("Version %(version)d is published.") % {"version": published[0].version})
    return True


def _editor(
    request: HttpRequest, project: Project, found: list[Version], form: GuidelineForm, *, sent: bool = False
) -> HttpResponse:
    shown = set(form.languages)
    context = {
        "project": project,
        "form": form,
        "sent": sent,
        "doubts": open_doubts(project),
        "settled": set(form["settles"].value() or ()),
        "newest": found[0] if found else None,
        "others": [(code, name) for code, name in known_languages() if code not in shown],
    }
    return render(request, "feedback/guideline_edit.html", context)


def _language(request: HttpRequest) -> str:
    return plain_text(request, "language") or get_language() or "en"


def _version(found: list[Version], number: int | None) -> Version:
    """The version of this number, the newest where none is asked for."""
    for version in found:
        if number is None or version.number == number:
            return version
    raise Http404("There is no such version of the guidelines.")
