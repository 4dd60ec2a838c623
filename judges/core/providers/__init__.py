"""The providers by name: each is one file of this folder, a class made from a judge's settings.

``provider_for(name, settings, key=None)`` makes one; ``async with`` opens it; ``ask`` asks. See ``provider``
for what all of them do, ``failures`` for what can go wrong.
"""

from collections.abc import Mapping
from typing import Any, Protocol

from judges.core.providers.anthropic import AnthropicProvider
from judges.core.providers.failures import Failure
from judges.core.providers.grader import GRADER, GraderProvider
from judges.core.providers.keys import Key
from judges.core.providers.openai import OpenAIProvider
from judges.core.providers.provider import (
    BadSettings,
    Batch,
    BatchProvider,
    BatchResult,
    Provider,
    Reply,
    TokenCount,
)
from judges.core.providers.rules import RulesProvider

__all__ = [
    "GRADER",
    "PROVIDERS",
    "BadSettings",
    "Batch",
    "BatchProvider",
    "BatchResult",
    "Failure",
    "Key",
    "Provider",
    "Reply",
    "TokenCount",
    "provider_for",
]


class _Made(Protocol):
    def __call__(self, settings: Mapping[str, Any], key: Key | None = None, /) -> Provider: ...


PROVIDERS: dict[str, _Made] = {
    "rules": RulesProvider,
    "anthropic": AnthropicProvider,
    "openai": OpenAIProvider,
    GRADER: GraderProvider,
}


def provider_for(name: str, settings: Mapping[str, Any], *, key: Key | None = None) -> Provider:
    """The provider, ready to be opened. Raises BadSettings for a name or settings that can not be used.

    Without ``key`` that of the environment is used. A key goes to no server but its own.
    """
    if name not in PROVIDERS:
        raise BadSettings("provider", f"{name!r} is not known; use one of {', '.join(sorted(PROVIDERS))}")
    return PROVIDERS[name](settings, key)
