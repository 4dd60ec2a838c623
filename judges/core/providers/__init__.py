"""The providers by name: each is one file of this folder, a class made from a judge's settings."""

from collections.abc import Callable, Mapping
from typing import Any

from judges.core.providers.provider import BadSettings, Provider, Reply
from judges.core.providers.rules import RulesProvider

__all__ = ["PROVIDERS", "BadSettings", "Provider", "Reply", "provider_for"]

PROVIDERS: dict[str, Callable[[Mapping[str, Any]], Provider]] = {"rules": RulesProvider}


def provider_for(name: str, settings: Mapping[str, Any]) -> Provider:
    """The provider, ready to be asked. Raises BadSettings for a name or settings that can not be used."""
    if name not in PROVIDERS:
        raise BadSettings("provider", f"{name!r} is not known; use one of {', '.join(sorted(PROVIDERS))}")
    return PROVIDERS[name](settings)
