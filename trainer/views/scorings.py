"""A reward model's passes over the comparisons: started, followed, cancelled and resumed on the page of models."""

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_POST
from django_htmx.http import HttpResponseClientRefresh

from feedback.errors import Refused
from feedback.models import UNFINISHED, Project
from feedback.people import logged_in
from feedback.permissions import Permission, grants, project_for
from trainer.actions.scoring import cancel_scoring, resume_scoring, start_scoring
from trainer.forms import ScoringForm
from trainer.models import ModelVersion, Scoring


@require_POST
def scoring_start(request: HttpRequest, slug: str, pk: int) -> HttpResponse:
    project = project_for(request.user, slug, Permission.ENGINEER)
    version = get_object_or_404(ModelVersion.objects.select_related("project"), project=project, pk=pk)
    form = ScoringForm(request.POST, project=project)
    try:
        if form.is_valid():
            start_scoring(model_version=version, by=logged_in(request.user), **form.cleaned_data)
        else:
            messages.error(request, _("Choose a tag of the list, and a margin of at least 0."))
    except Refused as refusal:
        messages.error(request, refusal.sentence)
    return redirect("trainer:models", slug)


@require_GET
def scoring_progress(request: HttpRequest, slug: str, pk: int) -> HttpResponse:
    """Its line, asked for again while it is unfinished; its end reloads the page around it."""
    project = project_for(request.user, slug, Permission.REVIEW)
    scoring = _scoring(project, pk)
    if scoring.job.state not in UNFINISHED:
        return HttpResponseClientRefresh()
    may_train = Permission.ENGINEER in grants(request.user, project)
    return render(
        request, "trainer/scoring.html", {"project": project, "scoring": scoring, "may_train": may_train}
    )


@require_POST
def scoring_cancel(request: HttpRequest, slug: str, pk: int) -> HttpResponse:
    scoring = _scoring(project_for(request.user, slug, Permission.ENGINEER), pk)
    try:
        cancel_scoring(scoring=scoring, by=logged_in(request.user))
    except Refused as refusal:
        messages.error(request, refusal.sentence)
    return redirect("trainer:models", slug)


@require_POST
def scoring_resume(request: HttpRequest, slug: str, pk: int) -> HttpResponse:
    scoring = _scoring(project_for(request.user, slug, Permission.ENGINEER), pk)
    try:
        resume_scoring(scoring=scoring, by=logged_in(request.user))
    except Refused as refusal:
        messages.error(request, refusal.sentence)
    return redirect("trainer:models", slug)


def _scoring(project: Project, pk: int) -> Scoring:
    found = Scoring.objects.select_related("job", "tag", "model_version", "rater")
    return get_object_or_404(found, model_version__project=project, pk=pk)
