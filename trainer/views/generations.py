"""New responses for the store: asked for, followed, and what came of them."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_GET, require_http_methods

from feedback.actions.jobs import cancel_job, resume_job
from feedback.errors import Refused
from feedback.models import RESUMABLE, UNFINISHED, Project
from feedback.people import logged_in
from feedback.permissions import Permission, grants, project_for
from trainer.actions.generating import start_generation
from trainer.actions.new_comparisons import LEFT_OUT
from trainer.models import Generation
from trainer.queries import generations_of
from trainer.registry_forms import GenerationForm
from trainer.views.jobs import job_view

SHOWN = 20


@require_http_methods(["GET", "POST"])
def generation_new(request: HttpRequest, slug: str) -> HttpResponse:
    project = project_for(request.user, slug, Permission.ENGINEER)
    form = GenerationForm(project, request.POST or None)
    if form.is_valid():
        try:
            started = start_generation(project=project, by=logged_in(request.user), **form.values())
            return redirect("trainer:generation", slug, started.pk)
        except Refused as refusal:
            form.add_error(refusal.field if refusal.field in form.fields else None, refusal.sentence)
    return render(request, "trainer/generation_new.html", {"project": project, "form": form})


@require_GET
def generation(request: HttpRequest, slug: str, pk: int) -> HttpResponse:
    project = project_for(request.user, slug, Permission.REVIEW)
    found = _generation(project, pk)
    may_train = Permission.ENGINEER in grants(request.user, project)
    left_out = [(LEFT_OUT[name], count) for name, count in found.made.get("left_out", {}).items()]
    context = {
        "project": project,
        "generation": found,
        "left_out": left_out,
        "comparisons": found.comparisons.select_related("prompt").order_by("pk")[:SHOWN],
        "live": found.job.state in UNFINISHED,
        "may_cancel": may_train and found.job.state in UNFINISHED,
        "may_resume": may_train and found.job.state in RESUMABLE,
    }
    return render(request, "trainer/generation.html", context)


def _generation(project: Project, pk: int) -> Generation:
    return get_object_or_404(generations_of(project), pk=pk)


generation_cancel = job_view(cancel_job, _generation, "trainer:generation")
generation_resume = job_view(resume_job, _generation, "trainer:generation")
