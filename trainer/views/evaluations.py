"""One model version against another: asked for, followed, and shown with everybody's verdict."""

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from feedback.actions.jobs import cancel_job, resume_job
from feedback.errors import Refused
from feedback.models import RESUMABLE, UNFINISHED, JobState, Project
from feedback.people import logged_in
from feedback.permissions import Permission, grants, project_for
from feedback.spreadsheets import csv_response
from trainer.actions.evaluations import start_evaluation
from trainer.actions.measuring import finish_evaluation, people_verdicts
from trainer.forms import EvaluationForm
from trainer.models import Evaluation, ModelKind, ModelVersion
from trainer.pairs import Pair, pairs_of
from trainer.queries import evaluations_of
from trainer.tables import apart, best_rate, evaluation_rows, measures
from trainer.views.jobs import job_view

EXAMPLES = 20
OUTCOMES = (
    ("", _("all")),
    ("wins", _("biggest wins")),
    ("losses", _("biggest losses")),
    ("win", _("won")),
    ("tie", _("tied")),
    ("loss", _("lost")),
    ("none", _("without a verdict")),
    ("split", _("without a majority")),
)


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
    """One evaluation; ``outcome`` chooses its examples."""
    project = project_for(request.user, slug, Permission.REVIEW)
    found = _evaluation(project, pk)
    wanted = request.GET.get("outcome", "")
    pairs = _chosen(list(pairs_of(found)), wanted)
    may_train = Permission.ENGINEER in grants(request.user, project)
    context = {
        "project": project,
        "evaluation": found,
        "result": found.result,
        "judge_runs": found.judge_runs.select_related("judge", "job"),
        "live": found.result is None and found.job.state in (*UNFINISHED, JobState.SUCCEEDED),
        "may_train": may_train,
        "may_cancel": may_train and found.job.state in UNFINISHED,
        "may_resume": may_train and found.job.state in RESUMABLE,
        "measures": measures(found),
        "best": best_rate(found),
        "apart": apart(found),
        "curves": _curves(found),
        "people_said": people_verdicts(found) if found.people_pairs else 0,
        "outcomes": OUTCOMES,
        "wanted": wanted,
        "pairs": pairs[:EXAMPLES],
        "pairs_in_all": len(pairs),
    }
    return render(request, "trainer/evaluation.html", context)


@require_GET
def evaluation_csv(request: HttpRequest, slug: str, pk: int) -> HttpResponse:
    found = _evaluation(project_for(request.user, slug, Permission.REVIEW), pk)
    return csv_response(f"evaluation-{found.pk}.csv", evaluation_rows(found))


@require_POST
def evaluation_measure(request: HttpRequest, slug: str, pk: int) -> HttpResponse:
    """Measure anew with what people have said since."""
    found = _evaluation(project_for(request.user, slug, Permission.ENGINEER), pk)
    if found.result is not None:
        finish_evaluation(evaluation=found, by=logged_in(request.user))
    return redirect("trainer:evaluation", slug, pk)


def _evaluation(project: Project, pk: int) -> Evaluation:
    return get_object_or_404(evaluations_of(project), pk=pk)


def _chosen(pairs: list[Pair], wanted: str) -> list[Pair]:
    if wanted == "wins":
        return sorted((pair for pair in pairs if pair.lead > 0), key=lambda pair: -pair.lead)
    if wanted == "losses":
        return sorted((pair for pair in pairs if pair.lead < 0), key=lambda pair: pair.lead)
    return [pair for pair in pairs if wanted in ("", pair.outcome)]


def _curves(found: Evaluation) -> list[dict[str, Any]]:
    """The best-of-n curves as plots: the score that picks, and one of each grader that says how good it was."""
    curves = []
    for curve in (found.result or {}).get("best_of_n", ()):
        ns = [point["n"] for point in curve["points"]]
        picked = [(n, point["picked"]) for n, point in zip(ns, curve["points"], strict=True)]
        golds = [(gold["name"], list(zip(ns, gold["points"], strict=True))) for gold in curve["gold"]]
        rows = [
            (point["n"], point["kl"], [point["picked"], *(gold["points"][place] for gold in curve["gold"])])
            for place, point in enumerate(curve["points"])
        ]
        names = [curve["reward_model"], *(gold["name"] for gold in curve["gold"])]
        curves.append(
            {
                "by": curve["reward_model"],
                "picked": [(curve["reward_model"], picked)],
                "gold": golds,
                "rows": rows,
                "names": names,
            }
        )
    return curves


evaluation_cancel = job_view(cancel_job, _evaluation, "trainer:evaluation")
evaluation_resume = job_view(resume_job, _evaluation, "trainer:evaluation")
