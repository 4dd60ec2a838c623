"""What is wrong with a run spec, said in one place for all that check a part of it. Pure."""

from __future__ import annotations


class SpecError(ValueError):
    """A spec that cannot run; the message names the field and the fix."""


def require(condition: bool, name: str, fix: str) -> None:
    """Raise SpecError, naming the field, where the condition does not hold."""
    if not condition:
        raise SpecError(f"{name}: {fix}")
