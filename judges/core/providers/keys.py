"""Keys to providers: a secret together with the one server it may be sent to.

A judge's settings can name any server. The key of the environment goes to the provider's own address (or the
one that the environment names with it) and nowhere else, so that nobody who may configure a judge can have it
sent to a server of theirs.
"""

import os
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from judges.core.providers.provider import BadSettings

LONGEST_URL = 500  # characters
NO_KEY = "none"  # what is sent to a server of one's own, which asks for no key


@dataclass(frozen=True)
class Key:
    """``secret`` is shown nowhere: not by repr, in no message, in no log."""

    secret: str = field(repr=False)
    base_url: str


def environment_key(variable: str, base_url_variable: str, default_base_url: str) -> Key | None:
    """The key in an environment variable, bound to the server that the environment names, or the provider's."""
    secret = os.environ.get(variable, "").strip()
    server = environment_server(base_url_variable, default_base_url)
    return Key(secret, server) if secret else None


def environment_server(variable: str, default: str) -> str:
    """The server that the environment's keys and headers are meant for."""
    return (os.environ.get(variable, "").strip() or default).rstrip("/")


def checked_url(value: object) -> str:
    """The address of a server, without a slash at its end. Raises BadSettings where it can not be one."""
    if not isinstance(value, str) or len(value) > LONGEST_URL or not value.isprintable() or " " in value:
        raise BadSettings(
            "base_url", f"must be an address such as http://localhost:8000/v1, not {value!r:.80}"
        )
    try:
        parts = urlsplit(value)
        port = parts.port
    except ValueError:
        raise BadSettings("base_url", f"is no address that can be read: {value!r:.80}") from None
    if parts.scheme not in ("http", "https") or not parts.hostname or port == 0:
        raise BadSettings(
            "base_url", f"must begin with http:// or https:// and name a server, not {value!r:.80}"
        )
    if parts.username or parts.password or parts.query or parts.fragment:
        raise BadSettings(
            "base_url", "must hold no password, question mark or hash; a key is kept apart from it"
        )
    return value.rstrip("/")
