"""Model versions with what is known of them, and evaluating one of them against another."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_GET, require_http_methods

from feedback.actions.jobs import cancel_job, resume_job
from feedback.errors import Refused
from feedback.models import RESUMABLE, UNFINISHED, JobState, Project
from feedback.people import logged_in
from feedback.permissions import Permission, grants, project_for
from trainer.actions.evaluations import start_evaluation
from trainer.forms import EvaluationForm, ScoringForm
from trainer.models import Evaluation, ModelKind, ModelVersion
from trainer.pairs import pairs_of
from trainer.queries import evaluations_of, model_versions_of
from trainer.views.jobs import job_view

EXAMPLES = 20
OUTCOMES = (
    ("", "all"),
    ("win", "won"),
    ("tie", "tied"),
    ("loss", "lost"),
    ("none", "without a verdict"),
    ("split", "without a majority"),
)


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


@require_http_methods(["GET", "POST"])
def evaluation_new(request: HttpRequest, slug: str, pk: int) -> HttpResponse:
    project = project_for(request.user, slug, Permission.ENGINEER)
    versions = ModelVersion.objects.select_related("project", "run")
    version = get_object_or_404(versions, project=project, pk=pk, kind=ModelKind.POLICY)
    form = EvaluationForm(version, request.POST or None)
    if form.is_valid():
        try:
            evaluation = start_evaluation(**form.values(), by=logged_in(request.user))
            return redirect("trainer:evaluation", project.slug, evaluation.pk)
        except Refused as refusal:
            form.add_error(refusal.field if refusal.field in form.fields else None, refusal.sentence)
    context = {"project": project, "version": version, "form": form}
    return render(request, "trainer/evaluation_new.html", context)


@require_GET
def evaluation(request: HttpRequest, slug: str, pk: int) -> HttpResponse:
    """One evaluation; ``outcome`` filters its examples."""
    project = project_for(request.user, slug, Permission.REVIEW)
    found = _evaluation(project, pk)
    wanted = request.GET.get("outcome", "")
    pairs = [pair for pair in pairs_of(found) if wanted in ("", pair.outcome)]
    may_train = Permission.ENGINEER in grants(request.user, project)
    context = {
        "project": project,
        "evaluation": found,
        "judge_runs": found.judge_runs.select_related("judge", "job"),
        "live": found.result is None and found.job.state in (*UNFINISHED, JobState.SUCCEEDED),
        "may_cancel": may_train and found.job.state in UNFINISHED,
        "may_resume": may_train and found.job.state in RESUMABLE,
        "outcomes": OUTCOMES,
        "wanted": wanted,
        "pairs": pairs[:EXAMPLES],
        "pairs_in_all": len(pairs),
    }
    return render(request, "trainer/evaluation.html", context)


def _evaluation(project: Project, pk: int) -> Evaluation:
    return get_object_or_404(evaluations_of(project), pk=pk)


evaluation_cancel = job_view(cancel_job, _evaluation, "trainer:evaluation")
evaluation_resume = job_view(resume_job, _evaluation, "trainer:evaluation")
