"""Policies: one version with its certificates, a form for a new one, and applying, stopping and routing."""

from collections.abc import Callable
from typing import Any

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext_lazy, ngettext
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from alignment.actions.labels import apply_policy
from alignment.actions.policies import create_policy
from alignment.actions.routing import route_to_people
from alignment.models import Labelling, Policy
from alignment.policy.document import PolicyDocument
from alignment.queries import decision_counts, newest_labelling
from feedback.actions.jobs import cancel_job, resume_job
from feedback.errors import Refused
from feedback.parameters import whole_number
from feedback.people import logged_in
from feedback.permissions import Permission, grants, project_for

DEFAULT = PolicyDocument()


def _share(label: Any, initial: float, help_text: Any) -> forms.FloatField:
    widget = forms.NumberInput(attrs={"step": "any", "min": 0, "max": 1})
    return forms.FloatField(label=label, initial=initial, help_text=help_text, widget=widget)


class PolicyForm(forms.Form):
    name = forms.CharField(
        max_length=100,
        label=gettext_lazy("Name"),
        initial="default",
        help_text=gettext_lazy("The same name with other values makes a new version of it."),
    )
    epsilon = _share(
        gettext_lazy("Margin ε"),
        DEFAULT.epsilon,
        gettext_lazy(
            "What a judge may be worse than a person and still stand in for them, because it costs less: "
            "0.2 where people are experts, 0.15 where they are skilled, 0.1 for a crowd."
        ),
    )
    q = _share(
        gettext_lazy("False discovery rate q"),
        DEFAULT.q,
        gettext_lazy("How often a judge may seem to match a person by chance alone."),
    )
    min_items = forms.IntegerField(
        label=gettext_lazy("Fewest comparisons a person"),
        min_value=2,
        initial=DEFAULT.min_items,
        help_text=gettext_lazy(
            "A person counts in the test with this many comparisons shared with the judge and another person."
        ),
    )
    min_winning_rate = _share(
        gettext_lazy("Least winning rate"),
        DEFAULT.min_winning_rate,
        gettext_lazy("The share of people that a trusted judge could replace."),
    )
    min_agreement_low = _share(
        gettext_lazy("Least agreement"),
        DEFAULT.min_agreement_low,
        gettext_lazy(
            "Where the interval of the judge's agreement with the majority of people must begin at least."
        ),
    )
    min_confidence = _share(
        gettext_lazy("Least confidence"),
        DEFAULT.min_confidence,
        gettext_lazy("The chance that a label is right, below which its comparison goes to people."),
    )
    conflict = forms.ChoiceField(
        label=gettext_lazy("Where trusted judges contradict the majority of people"),
        choices=(
            ("route", gettext_lazy("ask more people")),
            ("people_win", gettext_lazy("people win")),
            ("drop", gettext_lazy("drop it")),
        ),
        initial=DEFAULT.conflict,
    )
    ties = forms.ChoiceField(
        label=gettext_lazy("Ties"),
        choices=(("keep", gettext_lazy("keep")), ("drop", gettext_lazy("drop"))),
        initial=DEFAULT.ties,
    )
    unjudged = forms.ChoiceField(
        label=gettext_lazy("Where no verdict counts"),
        choices=(("route", gettext_lazy("ask people")), ("drop", gettext_lazy("drop it"))),
        initial=DEFAULT.unjudged,
    )


@require_http_methods(["GET", "POST"])
def policy_new(request: HttpRequest, slug: str) -> HttpResponse:
    """Make a policy, or find the one with these values, and apply it; ``from`` is a version to start from."""
    project = project_for(request.user, slug, Permission.ENGINEER)
    start = project.policies.filter(pk=whole_number(request, "from") or 0).first()
    form = PolicyForm(request.POST or None, initial={"name": start.name, **start.document} if start else None)
    if form.is_valid():
        document = {name: value for name, value in form.cleaned_data.items() if name != "name"}
        try:
            user = logged_in(request.user)
            made = create_policy(project=project, name=form.cleaned_data["name"], document=document, by=user)
            apply_policy(policy=made, by=user)
            return redirect("alignment:labels", project.slug)
        except Refused as refusal:
            form.add_error(refusal.field, refusal.sentence)
    return render(request, "alignment/policy_new.html", {"project": project, "form": form})


@require_GET
def policy(request: HttpRequest, slug: str, pk: int) -> HttpResponse:
    project = project_for(request.user, slug, Permission.REVIEW)
    found = get_object_or_404(Policy.objects.select_related("created_by"), project=project, pk=pk)
    context = {
        "project": project,
        "policy": found,
        "fields": _fields(found.document),
        "counts": decision_counts(found),
        "labelling": newest_labelling(project, found),
        "versions": project.policies.filter(name=found.name),
        "may_apply": Permission.ENGINEER in grants(request.user, project),
    }
    return render(request, "alignment/policy.html", context)


@require_POST
def policy_apply(request: HttpRequest, slug: str, pk: int) -> HttpResponse:
    project = project_for(request.user, slug, Permission.ENGINEER)
    found = get_object_or_404(Policy, project=project, pk=pk)
    apply_policy(policy=found, by=logged_in(request.user))
    return redirect("alignment:labels", project.slug)


@require_POST
def policy_route(request: HttpRequest, slug: str, pk: int) -> HttpResponse:
    project = project_for(request.user, slug, Permission.ENGINEER)
    found = get_object_or_404(Policy, project=project, pk=pk)
    try:
        count = route_to_people(policy=found, by=logged_in(request.user))
        messages.success(
            request,
            ngettext(
                "%(count)d comparison waits for people now.",
                "%(count)d comparisons wait for people now, the most doubtful first.",
                count,
            )
            % {"count": count},
        )
    except Refused as refusal:
        messages.error(request, refusal.sentence)
    return redirect("alignment:labels", project.slug)


@require_POST
def labelling_cancel(request: HttpRequest, slug: str, pk: int) -> HttpResponse:
    return _labelling_job(request, slug, pk, cancel_job)


@require_POST
def labelling_resume(request: HttpRequest, slug: str, pk: int) -> HttpResponse:
    return _labelling_job(request, slug, pk, resume_job)


def _labelling_job(request: HttpRequest, slug: str, pk: int, action: Callable[..., None]) -> HttpResponse:
    project = project_for(request.user, slug, Permission.ENGINEER)
    labelling = get_object_or_404(Labelling.objects.select_related("job"), policy__project=project, pk=pk)
    try:
        action(job=labelling.job, by=logged_in(request.user))
    except Refused as refusal:
        messages.error(request, refusal.sentence)
    return redirect("alignment:labels", project.slug)


def _fields(document: dict[str, Any]) -> list[tuple[str, Any, str]]:
    """(label, value, what it means) of each of a policy's fields, in the order of the form."""
    fields = {name: field for name, field in PolicyForm().fields.items() if name in document}
    return [
        (str(field.label), _in_words(field, document[name]), str(field.help_text))
        for name, field in fields.items()
    ]


def _in_words(field: forms.Field, value: Any) -> Any:
    choices: Any = getattr(field, "choices", ())
    return dict(choices).get(value, value)
