"""The people who judge: what their answers say of them, side by side and one by one."""

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_POST

from alignment.actions.people import Standing, measure_people, request_people, standing_of
from alignment.answers import (
    ONLY,
    AnswerFilter,
    answer_page,
    answers_to_export,
    newest_answers,
    people_measured,
)
from alignment.models import PersonMeasure
from alignment.queries import people_job
from feedback.actions.standing import let_go_on, stop
from feedback.errors import Refused
from feedback.models import Member, Outcome, Project, Rater, RaterKind
from feedback.parameters import plain_text, whole_number
from feedback.people import logged_in
from feedback.permissions import Permission, grants, project_for
from feedback.spreadsheets import csv_stream
from feedback.templatetags.verdicts import words

Json = dict[str, Any]
PEOPLE = 50  # in the table at a time
# By what the table may be ordered: (the figure's name, whether the highest comes first).
ORDERS = {
    "answers": True,
    "gold": False,
    "others": False,
    "self": False,
    "seconds": False,
    "side": True,
    "skips": True,
    "flags": True,
}
COLUMNS = (
    "comparison",
    "purpose",
    "outcome",
    "ranking",
    "known_answer",
    "shown",
    "strength",
    "all_bad",
    "adjudicates",
    "seconds",
    "at",
    "flags",
    "rationale",
)


@require_GET
def people(request: HttpRequest, slug: str) -> HttpResponse:
    """Everybody's figures; few answers are measured on the way. ``order`` names the figure to order by."""
    project = project_for(request.user, slug, Permission.REVIEW)
    standing = _fresh(project)
    order = request.GET.get("order", "")
    last, shut_out = newest_answers(project), _deactivated(project)
    rows: list[Json] = [
        {
            "rater": rater,
            "measure": measure,
            "last": last.get(rater.pk),
            "shut_out": rater.user_id in shut_out,
        }
        for rater, measure in people_measured(project)
    ]
    if order in ORDERS:
        rows.sort(key=lambda row: _place(row["measure"], order))
    context = {
        "project": project,
        "standing": standing,
        "job": people_job(project),
        "page": Paginator(rows, PEOPLE).get_page(request.GET.get("page")),
        "order": order if order in ORDERS else "",
        "may_lead": Permission.ENGINEER in grants(request.user, project),
    }
    return render(request, "alignment/people.html", context)


@require_POST
def measure_again(request: HttpRequest, slug: str) -> HttpResponse:
    """Measure again: at once where there is little to measure, else by a worker."""
    project = project_for(request.user, slug, Permission.REVIEW)
    if standing_of(project).small:
        measure_people(project=project)
        messages.success(request, _("Measured anew."))
    else:
        request_people(project=project, by=logged_in(request.user))
        messages.success(
            request, _("A worker is measuring; this page shows the figures when they are there.")
        )
    return redirect("alignment:people", project.slug)


@require_GET
def person(request: HttpRequest, slug: str, pk: int) -> HttpResponse:
    """One person: their figures, over time, and every answer; ``outcome``, ``only`` and ``before`` narrow the list."""
    project, rater = _person(request, slug, pk, Permission.REVIEW)
    standing = _fresh(project)
    wanted = _wanted(request)
    measure = next((measure for one, measure in people_measured(project, pk=rater.pk) if measure), None)
    context = {
        "project": project,
        "rater": rater,
        "standing": standing,
        "job": people_job(project),
        "measure": measure,
        "wanted": wanted,
        "page": answer_page(rater, wanted, before=whole_number(request, "before")),
        "is_first": "before" not in request.GET,
        "outcomes": [(outcome.value, words(outcome.value)) for outcome in Outcome],
        "may_lead": Permission.ENGINEER in grants(request.user, project),
        "shut_out": rater.user_id in _deactivated(project),
    }
    return render(request, "alignment/person.html", context)


@require_GET
def answers_csv(request: HttpRequest, slug: str, pk: int) -> StreamingHttpResponse:
    """The answers that the same filters keep, newest first, one a line."""
    _project, rater = _person(request, slug, pk, Permission.REVIEW)
    return csv_stream(f"{slug}-person-{rater.pk}.csv", _rows(rater, _wanted(request)))


@require_POST
def person_stop(request: HttpRequest, slug: str, pk: int) -> HttpResponse:
    """Give this person nothing more."""
    said = _("%(name)s is given nothing more until somebody lets them go on.")
    return _steer(
        request,
        slug,
        pk,
        said,
        lambda rater: stop(rater=rater, because=request.POST.get("reason", ""), by=logged_in(request.user)),
    )


@require_POST
def person_goes_on(request: HttpRequest, slug: str, pk: int) -> HttpResponse:
    """Let a stopped person work again."""
    said = _("%(name)s may go on, and is measured from now.")
    return _steer(
        request,
        slug,
        pk,
        said,
        lambda rater: let_go_on(
            rater=rater, reason=request.POST.get("reason", ""), by=logged_in(request.user)
        ),
    )


def _steer(request: HttpRequest, slug: str, pk: int, said: str, act: Callable[[Rater], None]) -> HttpResponse:
    project, rater = _person(request, slug, pk, Permission.ENGINEER)
    try:
        act(rater)
        messages.success(request, said % {"name": rater.name})
    except Refused as refusal:
        messages.error(request, refusal.sentence)
    return redirect("alignment:person", project.slug, rater.pk)


def _person(request: HttpRequest, slug: str, pk: int, permission: Permission) -> tuple[Project, Rater]:
    project = project_for(request.user, slug, permission)
    found = Rater.objects.select_related("project")
    return project, get_object_or_404(found, project=project, kind=RaterKind.HUMAN, pk=pk)


def _fresh(project: Project) -> Standing:
    """How fresh the measures are, once few answers have been measured on the way."""
    standing = standing_of(project)
    if standing.small and standing.outdated:
        measure_people(project=project)
        return standing_of(project)
    return standing


def _deactivated(project: Project) -> set[int | None]:
    shut_out = Member.objects.filter(project=project).exclude(deactivated_at=None)
    return set(shut_out.values_list("user_id", flat=True))


def _wanted(request: HttpRequest) -> AnswerFilter:
    only, outcome = plain_text(request, "only"), plain_text(request, "outcome")
    return AnswerFilter(
        outcome=outcome if outcome in Outcome.values else "", only=only if only in ONLY else ""
    )


def _place(measure: PersonMeasure | None, order: str) -> tuple[bool, float]:
    """Where somebody stands in the table: those without the figure come last."""
    figure = measure.figures.get(order) if measure else None
    value = figure.get("value") if isinstance(figure, dict) else figure
    if value is None:
        return True, 0.0
    return False, -value if ORDERS[order] else value


def _rows(rater: Rater, wanted: AnswerFilter) -> Iterator[Iterable[object]]:
    yield COLUMNS
    for judgment in answers_to_export(rater, wanted):
        comparison = judgment.comparison
        known = getattr(comparison, "gold_answer", None)
        yield [
            comparison.external_id,
            comparison.purpose,
            judgment.outcome,
            " ".join(map(str, judgment.ranking)),
            " ".join(map(str, known.ranking)) if known else "",
            " ".join(map(str, judgment.shown)),
            judgment.strength,
            judgment.all_bad,
            judgment.adjudicates,
            judgment.seconds,
            judgment.at.isoformat(),
            " ".join(flag.kind for flag in judgment.flags.all()),
            judgment.rationale,
        ]
