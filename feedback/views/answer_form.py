"""How a project's people answer, set by its owners, with the page that people will see beside it."""

from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_http_methods

from feedback.actions.answer_forms import set_answer_form
from feedback.answers import AnswerForm
from feedback.forms.answers import AnswerFormFields
from feedback.models import Assignment, Comparison, Project, Prompt
from feedback.people import logged_in
from feedback.permissions import Permission, project_for
from feedback.queries.rubrics import criteria_for_people
from feedback.views.items import EMPTY, Item


@require_http_methods(["GET", "POST"])
def answer_form(request: HttpRequest, slug: str) -> HttpResponse:
    project = project_for(request.user, slug, Permission.OWN)
    now = AnswerForm.of(project.form)
    chosen = {**now.to_json(), "show_judges": project.show_judges, "rubric": project.scored_rubric}
    fields = AnswerFormFields(project, request.POST or None, initial=chosen)
    if fields.is_valid():
        set_answer_form(
            project=project,
            form=fields.answer_form(),
            show_judges=fields.cleaned_data["show_judges"],
            rubric=fields.cleaned_data["rubric"],
            by=logged_in(request.user),
        )
        messages.success(request, _("Saved: the next item asks people like this."))
        return redirect("feedback:answer-form", project.slug)
    context = {
        "project": project,
        "form": fields,
        "item": _sample(project, now),
        "criteria": criteria_for_people(project.pk),
    }
    return render(request, "feedback/answer_form.html", context)


@require_GET
def sample(request: HttpRequest, slug: str) -> HttpResponse:
    """What people would see, were the form saved as it is filled in; nothing new while it can not be."""
    project = project_for(request.user, slug, Permission.OWN)
    fields = AnswerFormFields(project, request.GET)
    if not fields.is_valid():
        return HttpResponse(status=204)
    context = {"project": project, "item": _sample(project, fields.answer_form())}
    return render(request, "feedback/item.html", context)


def _sample(project: Project, form: AnswerForm) -> Item:
    """An item that nobody was given, of two responses, or three where they are ranked."""
    texts = [
        _("Sorry about the kettle. We will **replace** it today."),
        _("Thank you for writing. Kettles are covered for two years; please send us the receipt."),
        _("Have you tried turning it off and on again?"),
    ]
    shown = tuple(range(3 if form.choice == "ranking" else 2))
    prompt = Prompt(project=project, messages=[{"role": "user", "content": _("My kettle is broken.")}])
    return Item(
        assignment=Assignment(pk=0, comparison=Comparison(pk=0, project=project, prompt=prompt), shown=shown),
        form=form,
        criteria=criteria_for_people(project.pk) if form.scores else (),
        texts=texts,
        draft=EMPTY,
        submission_id=UUID(int=0),
    )
