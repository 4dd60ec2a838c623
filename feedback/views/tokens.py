"""A person's own API tokens: made here, shown once, revoked here."""

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST

from feedback.actions.tokens import create_token, revoke_token
from feedback.forms.projects import TokenForm
from feedback.models import ApiToken
from feedback.people import logged_in


@never_cache
@require_http_methods(["GET", "POST"])
def token_list(request: HttpRequest) -> HttpResponse:
    """The secret is in the answer to the POST only: it is kept nowhere, so a reload can not show it again."""
    user, secret = logged_in(request.user), None
    form = TokenForm(request.POST or None)
    if form.is_valid():
        _, secret = create_token(user=user, **form.cleaned_data)
        form = TokenForm()
    context = {"form": form, "secret": secret, "tokens": ApiToken.objects.filter(user=user)}
    return render(request, "feedback/tokens.html", context)


@require_POST
def token_revoke(request: HttpRequest, pk: int) -> HttpResponse:
    user = logged_in(request.user)
    token = get_object_or_404(ApiToken, pk=pk, user=user)
    revoke_token(token=token, by=user)
    messages.success(request, f"The token {token.name!r} opens nothing any more.")
    return redirect("feedback:tokens")
