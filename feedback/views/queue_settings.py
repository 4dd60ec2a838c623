"""The queue as its leads steer it: settings, rules of slices, pause, people who were stopped, live counts."""

from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from feedback.actions.notices import settle_notice
from feedback.actions.queue_settings import set_queue
from feedback.actions.slices import remove_slice_rule, set_slice_rule
from feedback.actions.standing import let_go_on, pause, unpause
from feedback.errors import Refused
from feedback.forms.queue import GoOnForm, QueueForm, SliceRuleForm
from feedback.models import BulkChange, Notice, Project, Rater, SliceRule, Tag
from feedback.people import logged_in
from feedback.permissions import Permission, project_for
from feedback.queries.measuring import (
    answers_needed,
    checks_in,
    checks_without_judges,
    queue_counts,
    stopped_people,
)


@require_http_methods(["GET", "POST"])
def queue_settings(request: HttpRequest, slug: str) -> HttpResponse:
    """The page; a POST changes the settings."""
    project = project_for(request.user, slug, Permission.ENGINEER)
    form = QueueForm(request.POST or None, initial=QueueForm.initial_of(project))
    if form.is_valid():
        try:
            set_queue(project=project, settings=form.settings(), by=logged_in(request.user))
            messages.success(request, _("The queue works like this from now on."))
            return redirect("feedback:queue", project.slug)
        except Refused as refusal:
            form.add_error(_form_field(refusal.field, form), refusal.sentence)
    return render(request, "feedback/queue.html", _page(project, form=form))


@require_GET
def counts(request: HttpRequest, slug: str) -> HttpResponse:
    """The live counts alone, as the page asks for them again and again."""
    project = project_for(request.user, slug, Permission.ENGINEER)
    context = {"project": project, "counts": queue_counts(project)}
    return render(request, "feedback/queue_counts.html", context)


@require_POST
def slice_rule_set(request: HttpRequest, slug: str) -> HttpResponse:
    project = project_for(request.user, slug, Permission.ENGINEER)
    form = SliceRuleForm(request.POST, tags=_tags(project))
    if form.is_valid():
        tag = get_object_or_404(Tag, project=project, pk=form.cleaned_data.pop("tag"))
        try:
            done = set_slice_rule(tag=tag, by=logged_in(request.user), **form.cleaned_data)
            if isinstance(done, BulkChange):
                return redirect("feedback:bulk-change", project.slug, done.pk)
            messages.success(
                request, _("The comparisons of %(tag)s go by this rule now.") % {"tag": tag.name}
            )
            return redirect("feedback:queue", project.slug)
        except Refused as refusal:
            form.add_error(refusal.field, refusal.sentence)
    return render(request, "feedback/queue.html", _page(project, rule_form=form))


@require_POST
def slice_rule_remove(request: HttpRequest, slug: str, pk: int) -> HttpResponse:
    project = project_for(request.user, slug, Permission.ENGINEER)
    rule = get_object_or_404(SliceRule.objects.select_related("tag"), project=project, pk=pk)
    try:
        moving = remove_slice_rule(rule=rule, by=logged_in(request.user))
        if moving:
            return redirect("feedback:bulk-change", project.slug, moving.pk)
        messages.success(request, _("The rule of %(tag)s is gone.") % {"tag": rule.tag.name})
    except Refused as refusal:
        messages.error(request, refusal.sentence)
    return redirect("feedback:queue", project.slug)


@require_POST
def set_pause(request: HttpRequest, slug: str) -> HttpResponse:
    """Pause the project, or with ``go_on`` let it work again."""
    project = project_for(request.user, slug, Permission.ENGINEER)
    if "go_on" in request.POST:
        unpause(project=project, by=logged_in(request.user))
        messages.success(request, _("The work goes on."))
    else:
        pause(project=project, by=logged_in(request.user))
        messages.success(request, _("Paused: nobody is given anything more until you let the work go on."))
    return redirect("feedback:queue", project.slug)


@require_POST
def person_goes_on(request: HttpRequest, slug: str, pk: int) -> HttpResponse:
    project = project_for(request.user, slug, Permission.ENGINEER)
    rater = get_object_or_404(Rater.objects.select_related("project"), project=project, pk=pk)
    try:
        let_go_on(rater=rater, reason=request.POST.get("reason", ""), by=logged_in(request.user))
        messages.success(request, _("%(name)s may go on, measured from now.") % {"name": rater.name})
    except Refused as refusal:
        messages.error(request, refusal.sentence)
    return redirect("feedback:queue", project.slug)


@require_POST
def notice_settle(request: HttpRequest, slug: str, pk: int) -> HttpResponse:
    project = project_for(request.user, slug, Permission.ENGINEER)
    notice = get_object_or_404(Notice.objects.select_related("project"), project=project, pk=pk)
    settle_notice(notice=notice, by=logged_in(request.user))
    messages.success(request, _("Settled."))
    return redirect("loop", project.slug)


def _page(
    project: Project, *, form: QueueForm | None = None, rule_form: SliceRuleForm | None = None
) -> dict[str, Any]:
    tags = _tags(project)
    return {
        "project": project,
        "form": form or QueueForm(initial=QueueForm.initial_of(project)),
        "rule_form": rule_form or SliceRuleForm(tags=tags),
        "rules": project.slice_rules.select_related("tag").order_by("tag__name"),
        "has_tags": bool(tags),
        "counts": queue_counts(project),
        "stopped": stopped_people(project),
        "reason_form": GoOnForm(),
        "too_few_checks": project.gold_minimum is not None and checks_in(project) < answers_needed(project),
        "checks": checks_in(project),
        "without_judges": checks_without_judges(project),
        "needed": answers_needed(project),
    }


def _tags(project: Project) -> list[Tag]:
    return list(project.tags.order_by("name"))


def _form_field(field: str | None, form: QueueForm) -> str | None:
    """The form's field for the action's; the lease goes by another name here."""
    name = "lease_minutes" if field == "lease_seconds" else field
    return name if name in form.fields else None
