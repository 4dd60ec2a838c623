"""The rubrics: every version of each, how it came to be, and the editor that makes the next one."""

from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_http_methods

from feedback.differences import differences, with_context
from feedback.errors import Refused
from feedback.models import Project, Rubric
from feedback.parameters import plain_text, whole_number
from feedback.people import logged_in
from feedback.permissions import Permission, grants, project_for
from judges.actions.rubrics import create_rubric
from judges.core.rubric import RubricText
from judges.core.rubric_documents import rubric_to_json, rubric_to_yaml
from judges.core.rubrics import BUILT_IN, built_in_rubric
from judges.forms.rubrics import RubricForm, RubricImportForm, rearranged
from judges.queries import rubric_text
from judges.rubrics import judges_view, rubrics_by_name, rubrics_of, scored_by_people

NOTHING_YET = RubricText(name="")


@require_GET
def rubric_list(request: HttpRequest, slug: str) -> HttpResponse:
    project = project_for(request.user, slug, Permission.REVIEW)
    context = {
        "project": project,
        "rubrics": rubrics_by_name(project),
        "scored": scored_by_people(project),
        "built_in": [(key, built_in_rubric(key)) for key in BUILT_IN],
        "may_write": _may_write(request, project),
        "may_own": Permission.OWN in grants(request.user, project),
    }
    return render(request, "judges/rubrics.html", context)


@require_GET
def rubric_detail(request: HttpRequest, slug: str, pk: int) -> HttpResponse:
    project = project_for(request.user, slug, Permission.REVIEW)
    rubric = _rubric(project, pk)
    context = {
        "project": project,
        "rubric": rubric,
        "versions": rubrics_of(project).filter(name=rubric.name),
        "judges": rubric.judges.all(),
        "scored": scored_by_people(project),
        "may_write": _may_write(request, project),
        **_views_of(rubric_text(rubric)),
    }
    return render(request, "judges/rubric.html", context)


@require_http_methods(["GET", "POST"])
def rubric_new(request: HttpRequest, slug: str) -> HttpResponse:
    """Write a rubric from nothing, or from a built-in one that ``start`` names."""
    project = project_for(request.user, slug, Permission.ENGINEER)
    start = plain_text(request, "start")
    rubric = built_in_rubric(start) if start in BUILT_IN else NOTHING_YET
    taken = project.rubrics.values_list("name", flat=True)
    return _editor(request, project, None, rubric, taken=taken)


@require_http_methods(["GET", "POST"])
def rubric_edit(request: HttpRequest, slug: str, pk: int) -> HttpResponse:
    """Write the next version from this one."""
    project = project_for(request.user, slug, Permission.ENGINEER)
    rubric = _rubric(project, pk)
    return _editor(request, project, rubric, rubric_text(rubric), fixed=rubric.name)


@require_GET
def rubric_changes(request: HttpRequest, slug: str, pk: int) -> HttpResponse:
    """What this version says differently from another, ``from``, or from the one before it."""
    project = project_for(request.user, slug, Permission.REVIEW)
    now = _rubric(project, pk)
    versions = list(rubrics_of(project).filter(name=now.name))
    before = _chosen(versions, whole_number(request, "from"), now)
    lines = differences(rubric_to_yaml(rubric_text(before)), rubric_to_yaml(rubric_text(now)))
    whole = plain_text(request, "whole") == "1"
    context = {
        "project": project,
        "rubric": now,
        "before": before,
        "versions": versions,
        "lines": lines if whole else list(with_context(lines)),
        "same": all(line.change == "same" for line in lines),
        "whole": whole,
    }
    return render(request, "judges/rubric_changes.html", context)


@require_GET
def rubric_export(request: HttpRequest, slug: str, pk: int, form: str) -> HttpResponse:
    project = project_for(request.user, slug, Permission.REVIEW)
    rubric = _rubric(project, pk)
    write, content_type = {
        "json": (rubric_to_json, "application/json"),
        "yaml": (rubric_to_yaml, "application/yaml"),
    }[form]
    answer = HttpResponse(write(rubric_text(rubric)), content_type=f"{content_type}; charset=utf-8")
    answer["Content-Disposition"] = f'attachment; filename="rubric-{rubric.pk}-v{rubric.version}.{form}"'
    return answer


@require_http_methods(["GET", "POST"])
def rubric_import(request: HttpRequest, slug: str) -> HttpResponse:
    """A rubric from its text, JSON or YAML: a new one, or the next version of the one of its name."""
    project = project_for(request.user, slug, Permission.ENGINEER)
    form = RubricImportForm(request.POST or None)
    if form.is_valid():
        try:
            given = vars(form.cleaned_data["document"])
            rubric = create_rubric(project=project, **given, by=logged_in(request.user))
            messages.success(request, _("%(rubric)s is stored.") % {"rubric": rubric})
            return redirect("judges:rubric", project.slug, rubric.pk)
        except Refused as refusal:
            form.add_error(None, refusal.sentence)
    return render(request, "judges/rubric_import.html", {"project": project, "form": form})


def _editor(
    request: HttpRequest, project: Project, rubric: Rubric | None, start: RubricText, **options: Any
) -> HttpResponse:
    """The form with its preview. Every button sends all of it, so that nothing written is lost."""
    deed, said = request.POST.get("do", ""), ""
    if request.method == "GET":
        form = RubricForm.of(start, **options)
    elif deed == "save":
        form = RubricForm.sent(request.POST, **options)
        if form.is_valid() and (stored := _stored(request, project, form)):
            return redirect("judges:rubric", project.slug, stored.pk)
    else:
        data, focus, said = rearranged(request.POST, deed)
        # Browsers complain of autofocus in a page that has one already: there a script goes by a mark of its own.
        mark = "data-focus" if request.headers.get("HX-Request") else "autofocus"
        form = RubricForm.draft(data, focus=focus, mark=mark, **options)
    context = {
        "project": project,
        "rubric": rubric,
        "form": form,
        "said": said,
        **_views_of(form.preview()),
    }
    return render(request, "judges/rubric_edit.html", context)


def _stored(request: HttpRequest, project: Project, form: RubricForm) -> Rubric | None:
    try:
        rubric = create_rubric(project=project, **vars(form.rubric()), by=logged_in(request.user))
    except Refused as refusal:
        form.add_error(refusal.field if refusal.field in form.fields else None, refusal.sentence)
        return None
    messages.success(request, _("%(rubric)s says this now.") % {"rubric": rubric})
    return rubric


def _views_of(rubric: RubricText) -> dict[str, Any]:
    """How people and how a judge see it."""
    return {
        "criteria": rubric.criteria,
        "for_people": [each for each in rubric.criteria if each.scored_by != "judges"],
        "for_judges": judges_view(rubric),
    }


def _rubric(project: Project, pk: int) -> Rubric:
    return get_object_or_404(rubrics_of(project), pk=pk)


def _chosen(versions: list[Rubric], pk: int | None, now: Rubric) -> Rubric:
    """The version to compare with: the one asked for, else the one before ``now``, else the only one there is."""
    earlier = [version for version in versions if version.version < now.version]
    asked = [version for version in versions if version.pk == pk]
    return (asked or earlier or versions)[0]


def _may_write(request: HttpRequest, project: Project) -> bool:
    return Permission.ENGINEER in grants(request.user, project)
