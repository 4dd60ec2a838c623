"""A project's keys to providers and what it may spend: set by its owners, seen by those who run judges."""

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_POST

from feedback.errors import Refused
from feedback.models import Project
from feedback.people import logged_in
from feedback.permissions import Permission, grants, project_for
from judges.actions.budgets import set_budget
from judges.actions.keys import delete_key, store_key
from judges.forms.keys import BudgetForm, KeyForm
from judges.models import ProviderKey
from judges.spending import spending_of


@never_cache
@require_GET
def keys(request: HttpRequest, slug: str) -> HttpResponse:
    project = project_for(request.user, slug, Permission.ENGINEER)
    return _page(request, project, KeyForm())


@never_cache
@require_POST
def key_store(request: HttpRequest, slug: str) -> HttpResponse:
    project = project_for(request.user, slug, Permission.OWN)
    form = KeyForm(request.POST)
    if form.is_valid():
        try:
            key = store_key(project=project, **form.cleaned_data, by=logged_in(request.user))
            messages.success(
                request,
                _("The key that ends in %(last)s is stored for %(server)s.")
                % {"last": key.last4, "server": key.base_url},
            )
            return redirect("judges:keys", project.slug)
        except Refused as refusal:
            form.add_error(refusal.field if refusal.field in form.fields else None, refusal.sentence)
    return _page(request, project, form)


@require_POST
def key_delete(request: HttpRequest, slug: str, pk: int) -> HttpResponse:
    project = project_for(request.user, slug, Permission.OWN)
    key = get_object_or_404(ProviderKey, project=project, pk=pk)
    delete_key(key=key, by=logged_in(request.user))
    messages.success(
        request, _("The key is forgotten. Runs that are under way go on with it until they end.")
    )
    return redirect("judges:keys", project.slug)


@require_POST
def budget_set(request: HttpRequest, slug: str) -> HttpResponse:
    """Limit what the project may spend, which is its owners' to say, or the judge that ``judge`` names."""
    name, form = request.POST.get("judge", ""), BudgetForm(request.POST)
    project = project_for(request.user, slug, Permission.ENGINEER if name else Permission.OWN)
    if name and not project.judges.filter(name=name).exists():
        raise Http404("The project has no judge of this name.")
    try:
        if form.is_valid():
            limit = form.cleaned_data["limit"]
            set_budget(project=project, judge_name=name, limit=limit, by=logged_in(request.user))
            messages.success(
                request, _("The budget is set.") if limit is not None else _("The limit is lifted.")
            )
        else:
            messages.error(request, _("A budget is a number of dollars from 0."))
    except Refused as refusal:
        messages.error(request, refusal.sentence)
    return redirect("judges:keys", project.slug)


def _page(request: HttpRequest, project: Project, form: KeyForm) -> HttpResponse:
    may_own = Permission.OWN in grants(request.user, project)
    context = {
        "project": project,
        "keys": ProviderKey.objects.filter(project=project).select_related("created_by"),
        "form": form,
        "spending": [
            {"row": row, "form": BudgetForm(initial={"limit": row.limit}, auto_id=f"limit_{number}_%s")}
            for number, row in enumerate(spending_of(project))
        ],
        "may_own": may_own,
    }
    return render(request, "judges/keys.html", context)
