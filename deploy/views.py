"""A project's loop at a glance: what there is at each stage, and what to do next."""

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET

from deploy.next_steps import next_steps
from deploy.queries import LoopCounts, loop_counts
from feedback.people import logged_in
from feedback.permissions import Permission, grants, project_for
from feedback.queries.progress import progress_in


@require_GET
def loop(request: HttpRequest, slug: str) -> HttpResponse:
    """A reviewer sees every stage; an annotator their own part of it, which tells nothing about others' judgments."""
    project = project_for(request.user, slug, Permission.VIEW)
    user = logged_in(request.user)
    allowed = grants(user, project)
    context: dict[str, Any] = {"project": project, "progress": progress_in(project, user)}
    if Permission.REVIEW not in allowed:
        return render(request, "own_part.html", context)
    counts = loop_counts(project)
    context |= {
        "notices": project.notices.filter(settled_at=None),
        "may_settle": Permission.ENGINEER in allowed,
    }
    context |= {"counts": counts, "steps": next_steps(project, counts, allowed), **_notes(counts)}
    return render(request, "loop.html", context)


def _notes(counts: LoopCounts) -> dict[str, str]:
    """A word beside the stages that have something in progress."""
    return {
        "people_note": _note(
            counts.store.people, "by {} people" if counts.store.people != 1 else "by 1 person"
        ),
        "judges_note": _note(counts.judge_runs_unfinished, "{} in progress"),
        "runs_note": _note(counts.runs_unfinished, "{} in progress"),
        "evaluations_note": _note(counts.evaluations_waiting, "{} waiting for judgments"),
    }


def _note(count: int, words: str) -> str:
    return words.format(count) if count else ""
