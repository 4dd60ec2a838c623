"""Who acts: a user of the system, or None where the system itself acts (a command, a sweep)."""

from django.contrib.auth.models import AnonymousUser, User
from django.core.exceptions import PermissionDenied

Person = User | None


def logged_in(user: User | AnonymousUser) -> User:
    """The user of a request that the log-in middleware let through."""
    if isinstance(user, AnonymousUser):
        raise PermissionDenied("Log in first.")
    return user
