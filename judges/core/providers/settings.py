"""Reading a judge's settings: what providers of language models have in common."""

from collections.abc import Collection, Mapping
from typing import Any

from judges.core.providers.provider import BadSettings

EFFORTS = ("none", "minimal", "low", "medium", "high", "xhigh", "max")


def only(settings: Mapping[str, Any], known: Collection[str]) -> None:
    """Raise BadSettings for a name that is not known."""
    unknown = sorted(str(name) for name in set(settings) - set(known))
    if unknown:
        raise BadSettings(unknown[0], f"is not known; use {', '.join(known)}")


def choice(settings: Mapping[str, Any], name: str, options: Collection[str], default: str) -> str:
    value = settings.get(name, default)
    if value not in (*options, default) or not isinstance(value, str):
        raise BadSettings(name, f"must be one of {', '.join(options)}, not {value!r:.80}")
    return value


def whole(settings: Mapping[str, Any], name: str, default: int, *, least: int, most: int) -> int:
    value = settings.get(name, default)
    if type(value) is not int or not least <= value <= most:
        raise BadSettings(name, f"must be a whole number from {least} to {most}, not {value!r:.80}")
    return value


def yes_or_no(settings: Mapping[str, Any], name: str, default: bool) -> bool:
    value = settings.get(name, default)
    if type(value) is not bool:
        raise BadSettings(name, f"must be true or false, not {value!r:.80}")
    return value
