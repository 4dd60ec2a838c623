"""Writing a grader: its JSON beside help and an example of each kind, tried on comparisons, made a rater."""

from typing import Any

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_http_methods

from feedback.errors import Refused
from feedback.people import logged_in
from feedback.permissions import Permission, project_for
from judges.actions.graders import Tried, create_grader, try_grader
from judges.core.graders import BadGrader
from judges.core.graders.examples import EXAMPLES
from judges.core.graders.export import openai_grader
from judges.core.providers import GRADER
from judges.core.sandbox import NoSandbox, sandbox
from judges.forms_graders import GraderForm
from judges.models import Judge
from judges.queries import first_comparisons

TRIED = 5  # comparisons at once


@require_http_methods(["GET", "POST"])
def grader_new(request: HttpRequest, slug: str) -> HttpResponse:
    """``?kind=`` starts from an example of that kind; a POST tries the grader, or creates it."""
    project = project_for(request.user, slug, Permission.ENGINEER)
    form = GraderForm(request.POST or None, project=project, kind=request.GET.get("kind", ""))
    tried: list[Tried] | None = None
    if form.is_valid():
        try:
            if "create" in request.POST:
                name = form.cleaned_data["name"]
                grader = create_grader(
                    project=project, name=name, settings=form.settings(), by=logged_in(request.user)
                )
                return redirect("judges:judge", project.slug, grader.pk)
            comparisons = first_comparisons(project, form.cleaned_data["tag"], TRIED)
            tried = try_grader(settings=form.settings(), comparisons=comparisons)
        except Refused as refusal:
            field = "grader" if refusal.field == "settings" else refusal.field
            form.add_error(field if field in form.fields else None, refusal.sentence)
    context = {"project": project, "form": form, "tried": tried, "examples": EXAMPLES, "walls": _walls()}
    return render(request, "judges/grader_new.html", context)


@require_GET
def grader_export(request: HttpRequest, slug: str, pk: int) -> HttpResponse:
    """The grader as OpenAI takes it, to be saved; 409 with a sentence where it has nothing like it."""
    project = project_for(request.user, slug, Permission.REVIEW)
    grader = get_object_or_404(Judge, project=project, pk=pk, provider=GRADER)
    try:
        exported: Any = openai_grader(grader.settings["grader"])
    except BadGrader as bad:
        return HttpResponse(
            _("Not for OpenAI: {reason}").format(reason=bad), status=409, content_type="text/plain"
        )
    response = JsonResponse(exported, json_dumps_params={"indent": 2, "ensure_ascii": False})
    response["Content-Disposition"] = f'attachment; filename="grader-{grader.pk}.json"'
    return response


def _walls() -> str:
    """How code is kept apart on this machine, as the page says it."""
    try:
        return sandbox().level
    except NoSandbox:
        return ""
