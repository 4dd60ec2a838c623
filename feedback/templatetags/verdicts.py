"""Verdicts and decisions in words, in every room's templates."""

from django import template

from feedback.models import Judgment

register = template.Library()


@register.filter
def ranking(ranks: tuple[int, ...]) -> str:
    """A ranking as people write it, by canonical position from 1: ``1 > 2``, ``1 = 2``; nothing where empty."""
    levels: dict[int, list[str]] = {}
    for position, rank in enumerate(ranks, start=1):
        levels.setdefault(rank, []).append(str(position))
    return " > ".join(" = ".join(levels[rank]) for rank in sorted(levels))


@register.filter
def verdict(judgment: Judgment) -> str:
    """What a judgment says: its ranking, or else the outcome that is no verdict."""
    return ranking(judgment.ranking) or words(judgment.outcome)


@register.filter
def words(code: str) -> str:
    """A reason or an outcome as it reads: ``low_confidence`` is ``low confidence``."""
    return code.replace("_", " ")
