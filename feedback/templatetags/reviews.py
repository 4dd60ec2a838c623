"""Flags, outcomes and reviewers' doings in words."""

from django import template
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from feedback.models import FlagKind, Outcome
from feedback.queries.review import MOST_COUNTED

register = template.Library()

_FLAGS: dict[str, Promise] = {
    FlagKind.UNSAFE: _("unsafe"),
    FlagKind.LEAKS_SOURCE: _("tells who wrote it"),
    FlagKind.BROKEN: _("broken"),
    FlagKind.NOT_MY_LANGUAGE: _("not my language"),
}
_OUTCOMES: dict[str, Promise] = {
    Outcome.SKIPPED: _("skipped"),
    Outcome.REFUSED: _("refused"),
    Outcome.UNPARSEABLE: _("unparseable"),
    Outcome.INCONSISTENT: _("inconsistent"),
}
_DOINGS: dict[str, Promise] = {
    "adjudicate": _("decided"),
    "dismiss flags": _("dismissed the flags"),
    "let stand": _("let the disagreement stand"),
    "send back": _("sent a judgment back"),
    "ask for review": _("asked for a review"),
    "doubt guidelines": _("found the guidelines unclear"),
}


@register.filter
def flag_words(kind: str) -> str:
    """A kind of flag as people read it."""
    return str(_FLAGS.get(kind, kind))


@register.filter
def outcome_words(outcome: str) -> str:
    """An outcome that is no verdict, as people read it."""
    return str(_OUTCOMES.get(outcome, outcome))


@register.filter
def doing_words(verb: str) -> str:
    """What a reviewer did, as the history says it after their name."""
    return str(_DOINGS.get(verb, verb))


@register.filter
def percent(thousandths: int) -> int:
    """A share in whole percents, rounded down: 100 means all."""
    return thousandths // 10


@register.filter
def capped(count: int) -> bool:
    """Was counting stopped at this number?"""
    return count >= MOST_COUNTED
