"""Rounds of the loop: started by one click, followed, and shown over time."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_http_methods

from feedback.actions.jobs import cancel_job, resume_job
from feedback.errors import Refused
from feedback.models import RESUMABLE, UNFINISHED, Project
from feedback.people import logged_in
from feedback.permissions import Permission, grants, project_for
from feedback.spreadsheets import csv_response
from trainer.actions.rounds import start_round
from trainer.models import Round
from trainer.queries import rounds_of
from trainer.registry_forms import RoundForm
from trainer.rounds import round_rows, rounds_table
from trainer.views.jobs import job_view


@require_http_methods(["GET", "POST"])
def round_list(request: HttpRequest, slug: str) -> HttpResponse:
    asked = Permission.REVIEW if request.method == "GET" else Permission.ENGINEER
    project = project_for(request.user, slug, asked)
    form = RoundForm(project, request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            start_round(project=project, by=logged_in(request.user), **form.values())
            return redirect("trainer:rounds", slug)
        except Refused as refusal:
            form.add_error(refusal.field if refusal.field in form.fields else None, refusal.sentence)
    rows = round_rows(project)
    over_time = [(row.round.number, row) for row in reversed(rows)]
    context = {
        "project": project,
        "form": form,
        "rows": rows,
        "win_rates": [(_("win rate"), [(number, row.win_rate) for number, row in over_time])],
        "people": [
            (_("people's labels"), [(number, {"value": row.human_labels}) for number, row in over_time]),
            (_("sent to people"), [(number, {"value": row.round.routed}) for number, row in over_time]),
        ],
        "live": any(row.round.job.state in UNFINISHED for row in rows),
        "may_train": Permission.ENGINEER in grants(request.user, project),
        "unfinished": UNFINISHED,
        "resumable": RESUMABLE,
    }
    return render(request, "trainer/rounds.html", context)


@require_GET
def rounds_csv(request: HttpRequest, slug: str) -> HttpResponse:
    project = project_for(request.user, slug, Permission.REVIEW)
    return csv_response("rounds.csv", rounds_table(round_rows(project)))


def _round(project: Project, pk: int) -> Round:
    return get_object_or_404(rounds_of(project), pk=pk)


round_cancel = job_view(cancel_job, _round, "trainer:rounds", lambda _: ())
round_resume = job_view(resume_job, _round, "trainer:rounds", lambda _: ())
