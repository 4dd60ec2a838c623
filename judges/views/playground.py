"""The playground: one or two judges tried on a few comparisons, beside what people say, before a run is paid for.

Its address holds what is tried, and every reply is stored, so a page opened again shows what came and asks nothing.
"""

from collections.abc import Sequence
from typing import Any
from urllib.parse import urlencode

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_POST

from feedback.errors import Refused
from feedback.models import Comparison, Project
from feedback.parameters import whole_numbers
from feedback.people import logged_in
from feedback.permissions import Permission, grants, project_for
from judges.actions.trying import try_out
from judges.asked import Answer, agreement, answers_of, expected_of, people_say
from judges.forms.playground import MOST_PICKED, PlaygroundForm
from judges.models import Judge
from judges.picking import drawn, named
from judges.previews import whole_comparisons
from judges.queries import judges_of


@require_GET
def playground(request: HttpRequest, slug: str) -> HttpResponse:
    """The judges and comparisons of the address; a filled-in form leads to the address of what it picked."""
    project = project_for(request.user, slug, Permission.REVIEW)
    form = PlaygroundForm(
        request.GET if "pick" in request.GET else None, project=project, initial=_initial(request)
    )
    if form.is_valid():
        picked = _picked(project, form.cleaned_data)
        if picked:
            return redirect(_address(project, _chosen_judges(form), picked))
        form.add_error("ids" if form.cleaned_data["ids"] else None, _("No comparison fits."))
    judges, comparisons = _judges(project, request.GET), _comparisons(project, request.GET)
    context = {
        "project": project,
        "form": form,
        "judges": judges,
        "may_ask": Permission.ENGINEER in grants(request.user, project),
        "ids": ", ".join(comparison.external_id for comparison in comparisons),
        **_results(judges, comparisons),
    }
    return render(request, "judges/playground.html", context)


@require_POST
def playground_ask(request: HttpRequest, slug: str) -> HttpResponse:
    """Ask all that has no reply yet, then show it where it was asked for."""
    project = project_for(request.user, slug, Permission.ENGINEER)
    judges, comparisons = _judges(project, request.POST), _comparisons(project, request.POST)
    try:
        for judge in judges:
            try_out(judge=judge, comparisons=comparisons, by=logged_in(request.user))
    except Refused as refusal:
        messages.error(request, refusal.sentence)
    return redirect(_address(project, judges, comparisons))


def _results(judges: Sequence[Judge], comparisons: Sequence[Comparison]) -> dict[str, Any]:
    people = people_say(comparisons)
    by_judge = [answers_of(judge, comparisons) for judge in judges]
    rows = [
        {"comparison": comparison, "people": people.get(comparison.pk), "answers": answers}
        for comparison, *answers in zip(comparisons, *by_judge, strict=True)
    ]
    expected = [expected_of(judge, answers) for judge, answers in zip(judges, by_judge, strict=True)]
    sides = [
        {"judge": judge, "agreement": agreement(answers, people), "cost": _cost(answers)}
        for judge, answers in zip(judges, by_judge, strict=True)
    ]
    return {"rows": rows, "sides": sides, "expected": [each for each in expected if each.calls]}


def _cost(answers: Sequence[Answer]) -> dict[str, Any]:
    """As ``judges/cost.html`` takes it."""
    rows = [each.row for answer in answers for each in answer.asked if each.row is not None and each.answered]
    known = [row.cost for row in rows if row.cost is not None]
    return {"calls": len(rows), "cost": sum(known), "unpriced": len(rows) - len(known)}


def _picked(project: Project, said: dict[str, Any]) -> list[Comparison]:
    if said["ids"]:
        return named(project, said["ids"])
    tag = said["tag"].name if said["tag"] else ""
    return drawn(project, said["n"] or 1, q=said["q"], tag=tag)


def _chosen_judges(form: PlaygroundForm) -> list[Judge]:
    chosen = [form.cleaned_data["judge"], form.cleaned_data["other"]]
    return list(dict.fromkeys(judge for judge in chosen if judge is not None))


def _address(project: Project, judges: Sequence[Judge], comparisons: Sequence[Comparison]) -> str:
    wanted = [
        *(("judge", judge.pk) for judge in judges),
        *(("pk", comparison.pk) for comparison in comparisons),
    ]
    return f"{reverse('judges:playground', args=[project.slug])}?{urlencode(wanted)}"


def _initial(request: HttpRequest) -> dict[str, Any]:
    judges = whole_numbers(request.GET, "judge")
    return {"judge": judges[:1] and judges[0], "other": judges[1:2] and judges[1]}


def _judges(project: Project, wanted: QueryDict) -> list[Judge]:
    """At most two, in the order of the address."""
    numbers = whole_numbers(wanted, "judge")[:2]
    found = judges_of(project).in_bulk(numbers)
    return [found[number] for number in dict.fromkeys(numbers) if number in found]


def _comparisons(project: Project, wanted: QueryDict) -> list[Comparison]:
    numbers = whole_numbers(wanted, "pk")[:MOST_PICKED]
    found = whole_comparisons(project).in_bulk(numbers)
    return [found[number] for number in dict.fromkeys(numbers) if number in found]
