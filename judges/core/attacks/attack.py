"""One attack: a way for a response to win by what it says to the judge instead of by what it answers."""

from collections.abc import Callable
from dataclasses import dataclass

TARGET = "{target}"  # stands for what the response is called; replaced, never formatted


@dataclass(frozen=True)
class Attack:
    """``plant(response, target)`` is the response with the attack in it; ``target`` is what it is called there.

    ``id`` is stable, so that results can be compared; ``kind`` groups attacks of a sort.
    """

    id: str
    kind: str
    plant: Callable[[str, str], str]


def after(id: str, kind: str, text: str, change: Callable[[str], str] | None = None) -> Attack:
    """The response, and the attack's text below it. ``change`` disguises the text once the target is in it."""

    def plant(response: str, target: str) -> str:
        said = text.replace(TARGET, target)
        return f"{response}\n\n{change(said) if change else said}"

    return Attack(id, kind, plant)


def before(id: str, kind: str, text: str) -> Attack:
    return Attack(id, kind, lambda response, target: f"{text.replace(TARGET, target)}\n\n{response}")
