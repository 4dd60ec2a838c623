"""Personal API tokens: shown once when made, kept only as a hash."""

import hashlib
import secrets

from django.contrib.auth.models import User
from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from feedback.actions.audit import record
from feedback.errors import Refused
from feedback.models import ApiToken, TokenScope


def create_token(*, user: User, name: str, scope: str) -> tuple[ApiToken, str]:
    """A new token and its secret, which can not be read again."""
    if scope not in TokenScope.values:
        raise Refused(
            _("%(scope)r is no scope; use one of %(choices)s.")
            % {"scope": scope, "choices": ", ".join(TokenScope.values)},
            field="scope",
        )
    secret = f"ccd_{secrets.token_urlsafe(32)}"
    with transaction.atomic():
        token = ApiToken.objects.create(
            user=user, name=name, scope=scope, prefix=secret[:10], sha256=token_sha256(secret)
        )
        record(by=user, verb="create token", target=token, project=None, scope=scope)
    return token, secret


def revoke_token(*, token: ApiToken, by: User) -> None:
    """End a token at once."""
    with transaction.atomic():
        ApiToken.objects.filter(pk=token.pk, revoked_at=None).update(revoked_at=timezone.now())
        record(by=by, verb="revoke token", target=token, project=None)


def token_sha256(secret: str) -> str:
    """The hash under which a token is kept. The secret has 256 random bits, so it needs no salt."""
    return hashlib.sha256(secret.encode()).hexdigest()
