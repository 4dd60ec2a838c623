"""Who calls the API: a person by a personal token or by the session of their browser, and what the token may do."""

from django.utils import timezone
from rest_framework.authentication import BaseAuthentication
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.permissions import SAFE_METHODS, BasePermission
from rest_framework.request import Request

from feedback.actions.tokens import token_sha256
from feedback.models import ApiToken, TokenScope
from feedback.people import Person


class TokenAuthentication(BaseAuthentication):
    """``Authorization: Bearer SECRET``; the secret is looked up by its hash and never kept or logged."""

    def authenticate(self, request: Request) -> tuple[Person, ApiToken] | None:
        scheme, _, secret = request.META.get("HTTP_AUTHORIZATION", "").partition(" ")
        if scheme.lower() != "bearer":
            return None
        sha256 = token_sha256(secret.strip())
        token = ApiToken.objects.select_related("user").filter(sha256=sha256).first()
        problem = _problem(token)
        if token is None or problem:
            raise AuthenticationFailed(problem)
        return token.user, token

    def authenticate_header(self, request: Request) -> str:  # noqa: ARG002  the library's signature
        return "Bearer"


def _problem(token: ApiToken | None) -> str | None:
    """Why the token opens nothing, as one sentence, or None."""
    if token is None:
        return "This token is not known here; check that it is whole, or make a new one."
    if token.revoked_at is not None:
        return "This token was revoked; make a new one."
    if token.expires_at is not None and token.expires_at <= timezone.now():
        return "This token has expired; make a new one."
    if not token.user.is_active:
        return "This token's owner can not log in any more; ask an administrator."
    return None


class ScopedAccess(BasePermission):
    """Somebody who is logged in; with a token of the read scope, only to read."""

    message = "This token can only read; use one with the write scope."

    def has_permission(self, request: Request, view: object) -> bool:  # noqa: ARG002  the library's signature
        if not request.user or not request.user.is_authenticated:
            return False
        read_only = isinstance(request.auth, ApiToken) and request.auth.scope != TokenScope.WRITE
        return request.method in SAFE_METHODS or not read_only
