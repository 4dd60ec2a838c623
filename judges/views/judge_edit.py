"""Configuring a judge: a new one, or the next version of one, with what it will be asked beside the form."""

from typing import Any

from django.contrib import messages
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_http_methods

from feedback.differences import differences, with_context
from feedback.errors import Refused
from feedback.models import Project
from feedback.parameters import plain_text, whole_number
from feedback.people import logged_in
from feedback.permissions import Permission, project_for
from judges.actions.budgets import set_budget
from judges.actions.judges import create_judge
from judges.actions.pricing import current_prices
from judges.core.configuration import Configuration
from judges.core.prices import BadPrices, Price, price_from
from judges.core.rendering.templates import MESSAGE, SYSTEM
from judges.forms.judges import MODELS, RULES_EXAMPLE, JudgeForm, initial_of
from judges.models import Budget, Judge
from judges.previews import comparison_to_show, judge_yaml, preview_of
from judges.queries import adjudicated_comparisons, configuration_of, example_of, judges_of

MOST_DECIDED = 50  # to choose examples from
START = Configuration(provider="anthropic", model="", parse_retries=1)


@require_http_methods(["GET", "POST"])
def judge_new(request: HttpRequest, slug: str) -> HttpResponse:
    project = project_for(request.user, slug, Permission.ENGINEER)
    initial = initial_of(START) | {"rubric": project.rubrics.order_by("-pk").first()}
    if plain_text(request, "provider") == "rules":
        initial |= {"provider": "rules", "settings": RULES_EXAMPLE}
    return _editor(request, project, None, initial)


@require_http_methods(["GET", "POST"])
def judge_edit(request: HttpRequest, slug: str, pk: int) -> HttpResponse:
    """Write the next version from this one."""
    project = project_for(request.user, slug, Permission.ENGINEER)
    judge = get_object_or_404(judges_of(project), pk=pk)
    limit = Budget.objects.filter(project=project, judge_name=judge.name).values_list("limit", flat=True)
    initial = initial_of(configuration_of(judge)) | {
        "name": judge.name,
        "rubric": judge.rubric,
        "budget": limit.first(),
    }
    return _editor(request, project, judge, initial)


@require_GET
def judge_changes(request: HttpRequest, slug: str, pk: int) -> HttpResponse:
    """What this version says differently from another, ``from``, or from the one before it; the rubric included."""
    project = project_for(request.user, slug, Permission.REVIEW)
    now = get_object_or_404(judges_of(project), pk=pk)
    versions = list(judges_of(project).filter(name=now.name))
    earlier = [version for version in versions if version.version < now.version]
    asked = [version for version in versions if version.pk == whole_number(request, "from")]
    before = (asked or earlier or versions)[0]
    lines = differences(judge_yaml(before), judge_yaml(now))
    whole = plain_text(request, "whole") == "1"
    context = {
        "project": project,
        "judge": now,
        "before": before,
        "versions": versions,
        "lines": lines if whole else list(with_context(lines)),
        "same": all(line.change == "same" for line in lines),
        "whole": whole,
    }
    return render(request, "judges/judge_changes.html", context)


@require_GET
def judge_export(request: HttpRequest, slug: str, pk: int) -> HttpResponse:
    """The judge with its rubric, as ``create_judge_from`` reads it."""
    project = project_for(request.user, slug, Permission.REVIEW)
    judge = get_object_or_404(judges_of(project), pk=pk)
    answer = HttpResponse(judge_yaml(judge), content_type="application/yaml; charset=utf-8")
    answer["Content-Disposition"] = f'attachment; filename="judge-{judge.pk}.yaml"'
    return answer


def _editor(
    request: HttpRequest, project: Project, judge: Judge | None, initial: dict[str, Any]
) -> HttpResponse:
    """The form with its preview; nothing is stored before ``do`` says save."""
    form = JudgeForm(
        request.POST or None,
        initial=initial,
        project=project,
        given=configuration_of(judge).examples if judge else (),
        decided={
            each.external_id: str(each.prompt) for each in adjudicated_comparisons(project)[:MOST_DECIDED]
        },
        fixed=judge.name if judge else "",
    )
    configuration = _configuration(form, project) if form.is_bound else _unchanged(judge)
    saving = request.POST.get("do") == "save"
    if saving and configuration and (stored := _stored(request, project, form, configuration)):
        return redirect("judges:judge", project.slug, stored.pk)
    rubric = form.cleaned_data.get("rubric") if form.is_bound else initial["rubric"]
    comparison = comparison_to_show(project, request.POST.get("comparison", ""))
    context = {
        "project": project,
        "judge": judge,
        "form": form,
        "comparison": comparison,
        "default_system": SYSTEM,
        "default_message": MESSAGE,
        "known_models": sorted({model for model, _since in current_prices().rows}),
        "asks_a_model": configuration is not None and configuration.provider in MODELS,
        "price": _price(configuration) if configuration else None,
        "preview": preview_of(configuration, rubric, comparison) if configuration and rubric else None,
    }
    return render(request, "judges/judge_edit.html", context)


def _price(configuration: Configuration) -> Price | None:
    """What the calls cost today: the judge's own price, else the table's; None where neither is known."""
    today = timezone.now().date()
    if configuration.price is None:
        return current_prices().price(configuration.model, on=today)
    try:
        return price_from({"model": configuration.model, "since": today, **configuration.price})
    except BadPrices:
        return None


def _unchanged(judge: Judge | None) -> Configuration | None:
    """What there is to show before anything is filled in."""
    return configuration_of(judge) if judge else None


def _configuration(form: JudgeForm, project: Project) -> Configuration | None:
    if not form.is_valid():
        return None
    chosen = adjudicated_comparisons(project).filter(external_id__in=form.new_examples())
    return form.configuration({comparison.external_id: example_of(comparison) for comparison in chosen})


def _stored(
    request: HttpRequest, project: Project, form: JudgeForm, configuration: Configuration
) -> Judge | None:
    said, by = form.cleaned_data, logged_in(request.user)
    try:
        with transaction.atomic():
            judge = create_judge(
                project=project, name=said["name"], rubric=said["rubric"], by=by, **vars(configuration)
            )
            if "budget" in form.changed_data:
                set_budget(project=project, judge_name=judge.name, limit=said["budget"], by=by)
    except Refused as refusal:
        form.add_error(form.field_of(refusal.field), refusal.sentence)
        return None
    messages.success(request, _("%(judge)s is configured like this.") % {"judge": judge})
    return judge
