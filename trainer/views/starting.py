"""Starting a run: the form of one method, the same run again with a change, and the check before the start."""

from collections.abc import Mapping
from typing import Any

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from feedback.errors import Refused
from feedback.models import Project
from feedback.parameters import whole_number
from feedback.people import logged_in
from feedback.permissions import Permission, project_for
from trainer.actions.checks import BAD, Check
from trainer.actions.preflights import check_preflight, start_checked, start_preflight
from trainer.actions.runs import start_run
from trainer.forms import RunForm, like_asked, like_run
from trainer.methods import TRAINING_METHODS
from trainer.models import ModelVersion, Preflight, Run
from trainer.queries import runs_of
from trainer.stories import duration
from trainer.trials import trials_of

# Every method that trains: its name, and what it does.
METHODS = {
    "sft": (
        _("Supervised (SFT)"),
        _("A language model learns to write the best response to each prompt."),
    ),
    "dpo": (
        _("Policy (DPO)"),
        _("Direct preference optimisation: a language model learns to prefer the chosen responses."),
    ),
    "kto": (
        _("Policy (KTO)"),
        _("A language model learns from responses that are good or bad, each by itself."),
    ),
    "orpo": (
        _("Policy (ORPO)"),
        _("Supervised fine-tuning and preferences in one, without a reference model."),
    ),
    "reward": (
        _("Reward model"),
        _("A reward model: it learns to give the chosen response of each pair the higher number."),
    ),
    "ppo": (
        _("PPO"),
        _("A language model answers, rewards say how well, and a value model learns to expect them."),
    ),
    "grpo": (
        _("GRPO"),
        _("A language model answers each prompt several times; better than the others is rewarded."),
    ),
    "rloo": (_("RLOO"), _("As GRPO; each answer is compared with the mean of the others.")),
}


@require_http_methods(["GET", "POST"])
def run_new(request: HttpRequest, slug: str) -> HttpResponse:
    """The form of one method; ``method``, and ``like`` (a run) or ``check``, with whose settings it begins.

    ``trial`` is the number of a trial of a search: its parameters, for that one training.
    """
    project = project_for(request.user, slug, Permission.ENGINEER)
    wanted = request.GET.get("method")
    method = wanted if wanted in TRAINING_METHODS else "dpo"
    form = RunForm(project, method, request.POST or None, initial=_initial(request, project))
    if form.is_valid():
        try:
            return _checked_or_started(request, project, form)
        except Refused as refusal:
            form.add_error(_field_of(form, refusal), refusal.sentence)
    context = {
        "project": project,
        "form": form,
        "method": method,
        "methods": [(name, METHODS[name][0]) for name in TRAINING_METHODS],
        "lead": METHODS[method][1],
        "bases": ModelVersion.objects.filter(project=project),
        "has_snapshots": project.snapshots.exists(),
    }
    return render(request, "trainer/run_new.html", context)


@require_GET
def run_check(request: HttpRequest, slug: str, pk: int) -> HttpResponse:
    """What speaks for and against a run, and what it will take, before it starts."""
    project = project_for(request.user, slug, Permission.ENGINEER)
    preflight = _preflight(project, pk)
    context = {"project": project, "preflight": preflight, "asked": preflight.asked, "job": preflight.job}
    try:
        check = check_preflight(preflight)
    except Refused as refusal:  # something it names is gone since
        context["gone"] = refusal.sentence
    else:
        context |= {"check": check, "figures": _figures(check), "must_confirm": check.level == BAD}
    return render(request, "trainer/run_check.html", context)


@require_POST
def check_start(request: HttpRequest, slug: str, pk: int) -> HttpResponse:
    project = project_for(request.user, slug, Permission.ENGINEER)
    preflight = _preflight(project, pk)
    try:
        confirm = bool(request.POST.get("confirm"))
        run = start_checked(preflight=preflight, by=logged_in(request.user), confirm=confirm)
    except Refused as refusal:
        messages.error(request, refusal.sentence)
        return redirect("trainer:run-check", slug, pk)
    return redirect("trainer:run", slug, run.pk)


def _checked_or_started(request: HttpRequest, project: Project, form: RunForm) -> HttpResponse:
    by = logged_in(request.user)
    if request.POST.get("do") == "check":
        preflight = start_preflight(project=project, asked=form.asked(), by=by)
        return redirect("trainer:run-check", project.slug, preflight.pk)
    run = start_run(**form.values(), by=by)
    return redirect("trainer:run", project.slug, run.pk)


def _field_of(form: RunForm, refusal: Refused) -> str | None:
    """The form's field that a refusal names; a parameter's range stands among all ranges."""
    name = refusal.field or ""
    name = "search.ranges" if name.startswith("search.ranges.") else name
    return name if name in form.fields else None


def _preflight(project: Project, pk: int) -> Preflight:
    return get_object_or_404(Preflight.objects.select_related("job", "project"), project=project, pk=pk)


def _figures(check: Check) -> list[tuple[str, str, str]]:
    """Name, value and note of each tile."""
    memory, device = check.memory, check.device_gib
    of = gettext("of %(device)s GiB") % {"device": f"{device:.1f}"} if device else ""
    return [
        (gettext("Steps"), _count(check.steps), ""),
        (gettext("Tokens"), _count(round(check.tokens)), gettext("estimated from the characters")),
        (gettext("Memory"), f"{memory.total:.1f} GiB" if memory else "?", of),
        (gettext("Time"), "?" if check.seconds is None else duration(check.seconds), ""),
        (gettext("Cost"), "–" if check.cost is None else f"{check.cost:.2f}", ""),
    ]


def _parameters_of(run: Run, number: int | None) -> Mapping[str, Any] | None:
    if number is None:
        return None
    found = {trial.number: trial.parameters for trial in (trials_of(run) if run.spec.get("search") else [])}
    if number not in found:
        raise Http404("This run has no such trial.")
    return {name: value for name, value in found[number].items() if name in run.spec["search"]["ranges"]}


def _count(number: int) -> str:
    return f"{number:,}".replace(",", "\u202f")


def _initial(request: HttpRequest, project: Project) -> dict[str, Any]:
    """What the form begins with: nothing, a run's settings, or those of a check."""
    like, checked = whole_number(request, "like"), whole_number(request, "check")
    if like is not None:
        run = get_object_or_404(runs_of(project), pk=like)
        return like_run(run, _parameters_of(run, whole_number(request, "trial")))
    if checked is not None:
        return like_asked(project, _preflight(project, checked).asked)
    return {}
