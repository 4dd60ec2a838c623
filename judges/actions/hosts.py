"""Which servers judges may be sent to: those that an administrator allows, so that nobody who configures a judge can
point this server at addresses of the network it stands in.

Allowed are the providers' own hosts, those that the environment names with its keys, and those of JUDGE_HOSTS, each
``host`` or ``host:port``. A host that is not listed is refused, whatever it resolves to.
"""

import os
from urllib.parse import urlsplit

from django.conf import settings

from feedback.errors import Refused
from judges.core.providers import Provider
from judges.core.providers.grader import GraderProvider

OFFICIAL = ("api.anthropic.com:443", "api.openai.com:443")
NAMED_BY = ("ANTHROPIC_BASE_URL", "OPENAI_BASE_URL")
PORTS = {"http": 80, "https": 443}


def check_host(provider: Provider) -> None:
    """Refused where a server of the provider's is not one that an administrator allowed. Free ones have none."""
    for base_url in servers_of(provider):
        if _allowed(base_url):
            continue
        host = urlsplit(base_url).netloc
        raise Refused(
            f"This server may not send judges to {host!r:.100}. An administrator can allow it: add it to JUDGE_HOSTS.",
            field="settings",
        )


def servers_of(provider: Provider) -> tuple[str, ...]:
    """The addresses it asks: one of a language model's, any number of a grader's, none of a free one's."""
    if isinstance(provider, GraderProvider):
        return provider.servers
    base_url = getattr(provider, "base_url", None)
    return () if base_url is None else (base_url,)


def _allowed(base_url: str) -> bool:
    parts = urlsplit(base_url)
    host = (parts.hostname or "").lower()
    port = parts.port or PORTS[parts.scheme]
    listed = {entry.strip().lower() for entry in (*OFFICIAL, *settings.JUDGE_HOSTS)}
    for name in NAMED_BY:
        if given := os.environ.get(name, "").strip():
            listed.add(urlsplit(given).netloc.lower())
    return bool({host, f"{host}:{port}", f"[{host}]", f"[{host}]:{port}"} & listed)
