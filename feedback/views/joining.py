"""The page behind an invitation's link, open to whoever has the link: make an account or log in, and join."""

from __future__ import annotations

from django.contrib import messages
from django.contrib.auth import login
from django.contrib.auth.decorators import login_not_required
from django.contrib.auth.forms import UserCreationForm
from django.contrib.auth.models import User
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods

from feedback.actions.invitations import accept_invitation, join_as_new_user, open_invitation
from feedback.errors import Refused
from feedback.models import Invitation

_BACKEND = "django.contrib.auth.backends.ModelBackend"


@login_not_required
@never_cache
@sensitive_post_parameters()
@require_http_methods(["GET", "POST"])
def join(request: HttpRequest, secret: str) -> HttpResponse:
    """One answer for a secret that was used, has ended or never was: it tells nothing of the project."""
    invitation = open_invitation(secret)
    if invitation is None:
        return render(request, "feedback/join_ended.html", status=404)
    if isinstance(request.user, User):
        return _with_account(request, request.user, invitation)
    form: UserCreationForm[User] = UserCreationForm(request.POST or None)
    if form.is_valid() and _make_account(request, form, invitation):
        return _welcome(request, invitation)
    return render(request, "feedback/join.html", {"invitation": invitation, "form": form})


def _with_account(request: HttpRequest, user: User, invitation: Invitation) -> HttpResponse:
    refused = None
    if request.method == "POST":
        try:
            accept_invitation(invitation=invitation, user=user)
            return _welcome(request, invitation)
        except Refused as refusal:
            refused = refusal.sentence
    return render(request, "feedback/join.html", {"invitation": invitation, "refused": refused})


def _make_account(request: HttpRequest, form: UserCreationForm[User], invitation: Invitation) -> bool:
    """Whether the account was made and is logged in; the form says why not."""
    name, password = form.cleaned_data["username"], form.cleaned_data["password1"]
    try:
        user = join_as_new_user(invitation=invitation, username=name, password=password)
    except Refused as refusal:
        form.add_error(refusal.field if refusal.field in form.fields else None, refusal.sentence)
        return False
    login(request, user, backend=_BACKEND)
    return True


def _welcome(request: HttpRequest, invitation: Invitation) -> HttpResponse:
    messages.success(request, _("Welcome to %(project)s.") % {"project": invitation.project.name})
    return redirect("loop", invitation.project.slug)
