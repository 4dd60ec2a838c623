"""A reward model on held-out labels: started from the page of models, followed and shown on one of its own."""

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_POST

from feedback.actions.jobs import cancel_job, resume_job
from feedback.errors import Refused
from feedback.models import RESUMABLE, UNFINISHED, Project
from feedback.people import logged_in
from feedback.permissions import Permission, grants, project_for
from feedback.spreadsheets import csv_response
from trainer.actions.reward_checks import start_reward_check
from trainer.models import ModelVersion, RewardCheck
from trainer.registry_forms import CheckForm
from trainer.tables import reward_check_rows
from trainer.views.jobs import job_view


@require_POST
def reward_check_start(request: HttpRequest, slug: str, pk: int) -> HttpResponse:
    project = project_for(request.user, slug, Permission.ENGINEER)
    version = get_object_or_404(ModelVersion.objects.select_related("project", "run"), project=project, pk=pk)
    form = CheckForm(request.POST, project=project)
    try:
        if form.is_valid():
            check = start_reward_check(
                model_version=version, by=logged_in(request.user), snapshot=form.cleaned_data["snapshot"]
            )
            return redirect("trainer:reward-check", slug, check.pk)
        messages.error(request, _("Choose a snapshot of the list."))
    except Refused as refusal:
        messages.error(request, refusal.sentence)
    return redirect("trainer:model", slug, pk)


@require_GET
def reward_check(request: HttpRequest, slug: str, pk: int) -> HttpResponse:
    project = project_for(request.user, slug, Permission.REVIEW)
    found = _check(project, pk)
    may_train = Permission.ENGINEER in grants(request.user, project)
    bins = found.result["calibration"]["bins"] if found.result else []
    context = {
        "project": project,
        "check": found,
        "result": found.result,
        "curve": [(_("held-out labels"), [(part["confidence"], part["right"]) for part in bins])],
        "live": found.job.state in UNFINISHED,
        "may_cancel": may_train and found.job.state in UNFINISHED,
        "may_resume": may_train and found.job.state in RESUMABLE,
    }
    return render(request, "trainer/reward_check.html", context)


@require_GET
def reward_check_csv(request: HttpRequest, slug: str, pk: int) -> HttpResponse:
    found = _check(project_for(request.user, slug, Permission.REVIEW), pk)
    return csv_response(f"reward-check-{found.pk}.csv", reward_check_rows(found))


def _check(project: Project, pk: int) -> RewardCheck:
    found = RewardCheck.objects.filter(model_version__project=project)
    return get_object_or_404(found.select_related("model_version", "snapshot", "job"), pk=pk)


reward_check_cancel = job_view(cancel_job, _check, "trainer:reward-check")
reward_check_resume = job_view(resume_job, _check, "trainer:reward-check")
