"""Whose request it is, as far as the network can tell: what the lockout after wrong passwords counts by."""

from django.conf import settings
from django.http import HttpRequest


def address(request: HttpRequest) -> str | None:
    """The client's address; behind ``TRUSTED_PROXIES`` proxies, the one that the outermost of them has seen.

    Each proxy appends the address it was called from to X-Forwarded-For. What stands further left comes from the
    client itself, who may write anything there.
    """
    seen = [part.strip() for part in request.headers.get("X-Forwarded-For", "").split(",") if part.strip()]
    proxies: int = settings.TRUSTED_PROXIES
    if proxies and len(seen) >= proxies:
        return seen[-proxies]
    remote: str | None = request.META.get("REMOTE_ADDR")
    return remote
