"""Stopping and resuming what an engineer started: the same answer for runs and evaluations."""

from collections.abc import Callable
from typing import Protocol, TypeVar

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_POST

from feedback.errors import Refused
from feedback.models import Job, Project
from feedback.people import logged_in
from feedback.permissions import Permission, project_for


class HasJob(Protocol):
    job: Job


Found = TypeVar("Found", bound=HasJob)


def job_view(
    change: Callable[..., None],
    find: Callable[[Project, int], Found],
    page: str,
    about: Callable[[Found], tuple[int, ...]] | None = None,
) -> Callable[..., HttpResponse]:
    """The view that changes the job of what ``find`` finds, by an engineer, and leads back to its ``page``.

    ``about`` gives the numbers that the page is called with, where that is not the number of what was found.
    """

    @require_POST
    def handle(request: HttpRequest, slug: str, pk: int) -> HttpResponse:
        found = find(project_for(request.user, slug, Permission.ENGINEER), pk)
        try:
            change(job=found.job, by=logged_in(request.user))
        except Refused as refusal:
            messages.error(request, refusal.sentence)
        return redirect(page, slug, *(about(found) if about else (pk,)))

    return handle
