"""The registry: model versions with where they came from and where they stand, and what can be done with one."""

import os

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseBase, StreamingHttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.text import slugify
from django.views.decorators.http import require_GET, require_POST

from feedback.actions.jobs import cancel_job, resume_job
from feedback.errors import Refused
from feedback.models import RESUMABLE, UNFINISHED, Project
from feedback.people import logged_in
from feedback.permissions import Permission, grants, project_for
from trainer.actions.merging import start_merge
from trainer.actions.model_versions import check_model_folder, is_adapter
from trainer.actions.pushing import start_push
from trainer.actions.stages import set_stage
from trainer.archives import entries_of, tar_of, tar_size
from trainer.costs import cost_of
from trainer.folders import model_folder
from trainer.forms import ScoringForm
from trainer.lineage import lineage_of
from trainer.models import ModelVersion, Push, Stage
from trainer.queries import model_versions_of, permission_for_stage
from trainer.registry_forms import ApprovalForm, CheckForm, PushForm
from trainer.serving import serve_commands
from trainer.views.jobs import job_view


@require_GET
def model_list(request: HttpRequest, slug: str) -> HttpResponse:
    project = project_for(request.user, slug, Permission.REVIEW)
    context = {
        "project": project,
        "versions": model_versions_of(project),
        "may_train": Permission.ENGINEER in grants(request.user, project),
        "form": ScoringForm(project=project),
    }
    return render(request, "trainer/models.html", context)


@require_GET
def model(request: HttpRequest, slug: str, pk: int) -> HttpResponse:
    """One version: lineage, cost, stage, and the ways out of here."""
    project = project_for(request.user, slug, Permission.REVIEW)
    return _page(request, project, _version(project, pk))


@require_POST
def model_stage(request: HttpRequest, slug: str, pk: int) -> HttpResponse:
    """An engineer makes it a candidate, or takes it back; taking back an approval is an owner's."""
    project = project_for(request.user, slug, Permission.ENGINEER)
    version = _version(project, pk)
    stage = Stage.CANDIDATE if request.POST.get("stage") == Stage.CANDIDATE else Stage.NONE
    project_for(request.user, slug, permission_for_stage(version, stage))
    try:
        set_stage(
            model_version=version,
            stage=stage,
            by=logged_in(request.user),
            reason=request.POST.get("reason", ""),
        )
    except Refused as refusal:
        messages.error(request, refusal.sentence)
    return redirect("trainer:model", slug, pk)


@require_POST
def model_approve(request: HttpRequest, slug: str, pk: int) -> HttpResponse:
    project = project_for(request.user, slug, Permission.OWN)
    version = _version(project, pk)
    form = ApprovalForm(version, request.POST)
    if form.is_valid():
        try:
            set_stage(
                model_version=version,
                stage=Stage.APPROVED,
                by=logged_in(request.user),
                **form.cleaned_data,
            )
            return redirect("trainer:model", slug, pk)
        except Refused as refusal:
            form.add_error(refusal.field if refusal.field in form.fields else None, refusal.sentence)
    return _page(request, project, version, approval=form)


@require_GET
def model_download(request: HttpRequest, slug: str, pk: int) -> HttpResponseBase:
    """The files, a model card and the lineage, as a tar that is made while it is sent."""
    project = project_for(request.user, slug, Permission.ENGINEER)
    version = _version(project, pk)
    try:
        check_model_folder(version.project, model_folder(version))
    except Refused as refusal:
        messages.error(request, refusal.sentence)
        return redirect("trainer:model", slug, pk)
    name = slugify(version.name) or f"model-{version.pk}"
    entries = entries_of(version)
    response = StreamingHttpResponse(tar_of(entries, name), content_type="application/x-tar")
    response["Content-Disposition"] = f'attachment; filename="{name}.tar"'
    response["Content-Length"] = tar_size(entries, name)
    return response


@require_POST
def model_merge(request: HttpRequest, slug: str, pk: int) -> HttpResponse:
    version = _version(project_for(request.user, slug, Permission.ENGINEER), pk)
    try:
        run = start_merge(model_version=version, by=logged_in(request.user))
    except Refused as refusal:
        messages.error(request, refusal.sentence)
        return redirect("trainer:model", slug, pk)
    return redirect("trainer:run", slug, run.pk)


@require_POST
def model_push(request: HttpRequest, slug: str, pk: int) -> HttpResponse:
    project = project_for(request.user, slug, Permission.ENGINEER)
    version = _version(project, pk)
    form = PushForm(request.POST)
    if form.is_valid():
        try:
            start_push(model_version=version, by=logged_in(request.user), **form.cleaned_data)
            return redirect("trainer:model", slug, pk)
        except Refused as refusal:
            form.add_error(refusal.field if refusal.field in form.fields else None, refusal.sentence)
    return _page(request, project, version, push=form)


def _page(
    request: HttpRequest,
    project: Project,
    version: ModelVersion,
    *,
    approval: ApprovalForm | None = None,
    push: PushForm | None = None,
) -> HttpResponse:
    granted = grants(request.user, project)
    may_train = Permission.ENGINEER in granted
    pushes = list(version.pushes.select_related("job"))
    context = {
        "project": project,
        "version": version,
        "lineage": lineage_of(version),
        "cost": cost_of(version),
        "stages": version.stages.select_related("evaluation__base", "created_by"),
        "evaluations": version.evaluations.select_related("base", "job").defer("prompts", "items"),
        "checks": version.checks.select_related("snapshot", "job"),
        "derived": version.derived.all(),
        "serve": serve_commands(version) if may_train else None,
        "adapter": is_adapter(model_folder(version)),
        "may_train": may_train,
        "may_approve": Permission.OWN in granted,
        "approval": approval or ApprovalForm(version),
        "push_form": push or PushForm(),
        "check_form": CheckForm(project=project),
        "form": ScoringForm(project=project),
        "pushes": pushes,
        "pushing": any(each.job.state in UNFINISHED for each in pushes),
        "resumable": RESUMABLE,
        "hub": os.environ.get("HF_ENDPOINT", "https://huggingface.co"),
    }
    return render(request, "trainer/model.html", context)


def _version(project: Project, pk: int) -> "ModelVersion":
    return get_object_or_404(model_versions_of(project), pk=pk)


def _push(project: Project, pk: int) -> Push:
    found = Push.objects.filter(model_version__project=project)
    return get_object_or_404(found.select_related("job", "model_version"), pk=pk)


push_cancel = job_view(cancel_job, _push, "trainer:model", lambda push: (push.model_version_id,))
push_resume = job_view(resume_job, _push, "trainer:model", lambda push: (push.model_version_id,))
