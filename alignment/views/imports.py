"""Importing a file: send it, see its first rows as they would be stored, say which column is what, then store it."""

import shutil
import uuid
from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.contrib import messages
from django.http import FileResponse, Http404, HttpRequest, HttpResponse, JsonResponse, QueryDict
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.csrf import csrf_exempt, csrf_protect
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from alignment.actions.uploads import (
    discard_upload,
    folder_of,
    keep_upload,
    rejects_file,
    store_upload,
)
from alignment.models import FileImport
from alignment.previews import first_rejections
from alignment.views.first_rows import Choice
from alignment.views.receive import KeepOneFile
from feedback.actions.jobs import cancel_job, resume_job
from feedback.errors import Refused
from feedback.models import RESUMABLE, UNFINISHED, JobState, Project
from feedback.people import logged_in
from feedback.permissions import Permission, project_for
from feedback.records import Rejection

NEWEST = 20
_FORM = 1 << 16  # bytes of a form around its file


@csrf_exempt  # checked in _receive, because the check reads the form and with it the file
@require_http_methods(["GET", "POST"])
def imports(request: HttpRequest, slug: str) -> HttpResponse:
    """The files imported last, and a form to send another. Who may not is turned away before their file is read."""
    project = project_for(request.user, slug, Permission.ENGINEER)
    if request.method != "POST":
        return _import_list(request, project)
    if int(request.META.get("CONTENT_LENGTH") or 0) > settings.UPLOAD_BYTES + _FORM:
        _pass_over(request)
        messages.error(request, _too_large())
        return redirect("alignment:imports", project.slug)
    key = uuid.uuid4()
    handler = KeepOneFile(folder_of(project, key), settings.UPLOAD_BYTES)
    request.upload_handlers = [handler]
    try:
        return _receive(request, project, key, handler)
    finally:
        handler.close()
        if not FileImport.objects.filter(key=key).exists():
            shutil.rmtree(handler.folder, ignore_errors=True)


def _pass_over(request: HttpRequest) -> None:
    """Read what is sent, up to twice what a file may have, and keep none of it: a browser that is not listened to
    shows a lost connection instead of what it is told.
    """
    left = 2 * settings.UPLOAD_BYTES
    while left > 0 and (chunk := request.read(1 << 20)):
        left -= len(chunk)


@require_http_methods(["GET", "POST"])
def file_import(request: HttpRequest, slug: str, pk: int) -> HttpResponse:
    """One file: its first rows and the choice of columns, which is in the address; its progress; what became of it."""
    project = project_for(request.user, slug, Permission.ENGINEER)
    found = _found(project, pk)
    if request.method == "POST":
        return _confirm(request, project, found)
    context: dict[str, Any] = {"project": project, "import": found, "job": found.job}
    if found.finished_at is None and found.job is None:
        return render(request, "alignment/import_choose.html", context | _choice(found, request.GET))
    context |= {
        "unfinished": found.job is not None and found.job.state in UNFINISHED,
        "resumable": found.finished_at is None and found.job is not None and found.job.state in RESUMABLE,
        "left": _minutes_left(found),
        "rejections": _rejections(found),
    }
    return render(request, "alignment/import_result.html", context)


@require_GET
def import_mapping(request: HttpRequest, slug: str, pk: int) -> HttpResponse:
    """The mapping chosen in the address, or the one that was used, as the document that --mapping takes."""
    project = project_for(request.user, slug, Permission.ENGINEER)
    found = _found(project, pk)
    document = found.mapping
    if found.job is None and found.finished_at is None:
        document = _or_404(lambda: Choice.of(found, request.GET).document)
    if not document:
        raise Http404("This file needs no mapping.")
    answer = JsonResponse(document, json_dumps_params={"indent": 2, "ensure_ascii": False})
    answer["Content-Disposition"] = 'attachment; filename="mapping.json"'
    return answer


@require_GET
def import_rejects(request: HttpRequest, slug: str, pk: int) -> HttpResponseBase:
    """Every row that was not stored, one a line, with its line, field and reason."""
    project = project_for(request.user, slug, Permission.ENGINEER)
    found = _found(project, pk)
    path = rejects_file(found)
    if not found.rejected or not path.is_file():
        raise Http404("Nothing of this file was rejected.")
    return FileResponse(
        path.open("rb"),
        as_attachment=True,
        filename=f"rejects-{found.pk}.jsonl",
        content_type="application/x-ndjson",
    )


@require_POST
def import_discard(request: HttpRequest, slug: str, pk: int) -> HttpResponse:
    project = project_for(request.user, slug, Permission.ENGINEER)
    found = _found(project, pk)
    try:
        discard_upload(file_import=found, by=logged_in(request.user))
        messages.success(request, _("The file is thrown away."))
    except Refused as refusal:
        messages.error(request, refusal.sentence)
        return redirect("alignment:import", project.slug, pk)
    return redirect("alignment:imports", project.slug)


@require_POST
def import_cancel(request: HttpRequest, slug: str, pk: int) -> HttpResponse:
    return _import_job(request, slug, pk, cancel_job)


@require_POST
def import_resume(request: HttpRequest, slug: str, pk: int) -> HttpResponse:
    return _import_job(request, slug, pk, resume_job)


@csrf_protect
def _receive(request: HttpRequest, project: Project, key: uuid.UUID, handler: KeepOneFile) -> HttpResponse:
    request.FILES  # noqa: B018  reads the form, and gives its file to the handler
    try:
        _check_received(handler)
        by = logged_in(request.user)
        kept = keep_upload(project=project, key=key, name=handler.name, size=handler.size, by=by)
    except Refused as refusal:
        messages.error(request, refusal.sentence)
        return redirect("alignment:imports", project.slug)
    return redirect("alignment:import", project.slug, kept.pk)


def _check_received(handler: KeepOneFile) -> None:
    """Refused where no file came, it is too large, or the disk does not hold it."""
    if handler.too_large:
        raise Refused(_too_large())
    if handler.problem:
        cause = handler.problem.strerror or str(handler.problem)
        raise Refused(_("The server could not keep the file (%s). Nothing was stored.") % cause)
    if not handler.name:
        raise Refused(_("Choose a file first."))


def _too_large() -> str:
    most: int = settings.UPLOAD_BYTES >> 20
    return (
        _("The file is larger than %d MB. Import it on the server, with the command import_feedback.") % most
    )


def _import_list(request: HttpRequest, project: Project) -> HttpResponse:
    rows = project.file_imports.select_related("job", "created_by")[:NEWEST]
    context = {
        "project": project,
        "rows": rows,
        "most": settings.UPLOAD_BYTES >> 20,
        "most_bytes": settings.UPLOAD_BYTES,
        "too_large": _too_large(),
    }
    return render(request, "alignment/imports.html", context)


def _found(project: Project, pk: int) -> FileImport:
    return get_object_or_404(
        FileImport.objects.select_related("project", "job", "created_by"), project=project, pk=pk
    )


def _choice(found: FileImport, chosen: QueryDict) -> dict[str, Any]:
    try:
        return {"choice": Choice.of(found, chosen)}
    except Refused as refusal:
        return {"problem": refusal.sentence}


def _confirm(request: HttpRequest, project: Project, found: FileImport) -> HttpResponse:
    try:
        mapping = Choice.of(found, QueryDict(request.POST.get("choice", ""))).document
        store_upload(file_import=found, mapping=mapping, by=logged_in(request.user))
    except Refused as refusal:
        messages.error(request, refusal.sentence)
    return redirect("alignment:import", project.slug, found.pk)


def _import_job(request: HttpRequest, slug: str, pk: int, action: Callable[..., None]) -> HttpResponse:
    project = project_for(request.user, slug, Permission.ENGINEER)
    found = get_object_or_404(
        FileImport.objects.select_related("job"), project=project, pk=pk, job__isnull=False
    )
    try:
        action(job=found.job, by=logged_in(request.user))
    except Refused as refusal:
        messages.error(request, refusal.sentence)
    return redirect("alignment:import", project.slug, pk)


def _minutes_left(found: FileImport) -> int | None:
    """How long the rest will take if it goes on as since the newest start; None where that is not known yet."""
    job = found.job
    if job is None or job.state != JobState.RUNNING or not job.total or not job.started_at:
        return None
    lines = job.done - found.resumed_at_line
    if lines <= 0:
        return None
    left = (timezone.now() - job.started_at) * max(0, job.total - job.done) / lines
    return round(left.total_seconds() / 60)


def _rejections(found: FileImport) -> list[Rejection]:
    path = rejects_file(found)
    return first_rejections(path) if found.rejected and path.is_file() else []


def _or_404(get: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    try:
        return get()
    except Refused as refusal:
        raise Http404(refusal.sentence) from refusal
