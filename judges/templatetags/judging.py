"""What the judges' pages say in their templates."""

from decimal import Decimal
from typing import NamedTuple

from django import template
from django.template import Context
from django.utils.formats import number_format
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from feedback.permissions import Permission, grants
from judges.core.verdict import CallVerdict

register = template.Library()


class Tab(NamedTuple):
    name: str
    view: str
    words: str | Promise
    permission: Permission


TABS = (
    Tab("judges", "judges:judges", gettext_lazy("Judges"), Permission.REVIEW),
    Tab("rubrics", "judges:rubrics", gettext_lazy("Rubrics"), Permission.REVIEW),
    Tab("playground", "judges:playground", gettext_lazy("Playground"), Permission.REVIEW),
    Tab("panels", "judges:panels", gettext_lazy("Panels"), Permission.REVIEW),
    Tab("keys", "judges:keys", gettext_lazy("Keys and budgets"), Permission.ENGINEER),
)


@register.simple_tag(takes_context=True)
def room_tabs(context: Context) -> list[Tab]:
    """The room's pages that this person may open."""
    allowed = grants(context["request"].user, context["project"])
    return [tab for tab in TABS if tab.permission in allowed]


@register.filter
def call_verdict(said: CallVerdict) -> str:
    """What one call prefers, by canonical position from 1: ``2 > 1``; a response judged alone passes or fails."""
    if len(said.shown) == 1:
        return _("pass") if said.ranking == (1,) else _("fail")
    levels: dict[int, list[str]] = {}
    for place, rank in zip(sorted(said.shown), said.ranking, strict=True):
        levels.setdefault(rank, []).append(str(place + 1))
    return " > ".join(" = ".join(levels[rank]) for rank in sorted(levels))


@register.filter
def dollars(amount: float | Decimal | None) -> str:
    """Dollars as text: to the cent from one on, finer below it, so that a small price is not shown as nothing."""
    if amount is None:
        return _("unknown")
    value = Decimal(amount)
    digits = 2 if value >= 1 or value == 0 else 4 if value >= Decimal("0.01") else 6
    return f"${number_format(value, decimal_pos=digits, force_grouping=True)}"


@register.filter
def rounded(amount: float) -> int:
    """A count that was estimated, to three digits: more of them would be made up."""
    whole = round(amount)
    return round(whole, min(0, 3 - len(str(whole))))
