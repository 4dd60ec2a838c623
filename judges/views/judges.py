"""The judges: who judges and how well that goes, and one judge's verdicts."""

import json

from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.views.decorators.http import require_GET

from feedback.models import Project
from feedback.permissions import Permission, grants, project_for
from judges.asked import refusals_of
from judges.queries import attack_results, judge_summary, judges_of, newest_verdicts, runs_of, unfinished_run
from judges.spending import spending_of

SHOWN = 10  # verdicts and runs on a judge's page


@require_GET
def judge_list(request: HttpRequest, slug: str) -> HttpResponse:
    project = project_for(request.user, slug, Permission.REVIEW)
    context = {
        "project": project,
        "summaries": [judge_summary(judge) for judge in judges_of(project)],
        "may_run": _may_run(request, project),
    }
    return render(request, "judges/judges.html", context)


@require_GET
def judge_detail(request: HttpRequest, slug: str, pk: int) -> HttpResponse:
    project = project_for(request.user, slug, Permission.REVIEW)
    judge = get_object_or_404(judges_of(project), pk=pk)
    context = {
        "project": project,
        "judge": judge,
        "summary": judge_summary(judge),
        "versions": judges_of(project).filter(name=judge.name),
        "runs": runs_of(judge)[:SHOWN],
        "verdicts": newest_verdicts(judge)[:SHOWN],
        "refusals": refusals_of(judge),
        "attacks": attack_results(judge),
        "budget": next(line for line in spending_of(project) if line.judge_name == judge.name),
        "may_run": _may_run(request, project),
        "may_start": unfinished_run(judge) is None,
        "settings": json.dumps(judge.settings, indent=2, ensure_ascii=False),
    }
    return render(request, "judges/judge.html", context)


def _may_run(request: HttpRequest, project: Project) -> bool:
    return Permission.ENGINEER in grants(request.user, project)
