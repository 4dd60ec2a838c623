"""Reads of what judges' stored calls say beyond their verdicts: in either order, and which model answered."""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from django.db.models import Count, Prefetch

from alignment.policy.verdicts import Mask
from alignment.queries import Judgments
from alignment.statistics.verdicts import FIRST, MISSING, SECOND, TIE, Codes
from alignment.weeks import Week
from feedback.models import Comparison, Project, Slot
from judges.asked import Answer, answers_of
from judges.core.combining import combine
from judges.core.rendering import JudgeText
from judges.models import CallPurpose, Judge, JudgeCall
from judges.queries import judge_text

# Comparisons of each judge whose calls are read again: each is rendered anew, which takes a millisecond.
READ_AGAIN = 400
_PAIR: dict[tuple[int, ...], int] = {(1, 2): FIRST, (2, 1): SECOND, (1, 1): TIE}


class Orders(NamedTuple):
    """What a judge said of pairs in either order: ``as_given`` with the first response shown first, ``turned`` with the
    second; both are verdicts by canonical position, MISSING where there is none. ``asked`` counts the comparisons
    from which these were drawn."""

    comparison: Codes
    as_given: Codes
    turned: Codes
    asked: int

    def kept(self, mask: Mask) -> "Orders":
        rows = mask[self.comparison]
        comparison = (np.cumsum(mask) - 1)[self.comparison[rows]]
        return Orders(comparison, self.as_given[rows], self.turned[rows], self.asked)


class Served(NamedTuple):
    """A model that answered for a judge in one week, and in how many calls."""

    week: int
    model: str
    calls: int


def orders_of(judge: Judge, number: int, judgments: Judgments) -> Orders:
    """What the judge's stored calls say in either order, on at most READ_AGAIN comparisons drawn at random."""
    comparison, _ = judgments.of(number)
    nothing = np.zeros(0, dtype=np.int64)
    if not judge.both_orders or not len(comparison):
        return Orders(nothing, nothing, nothing, 0)
    drawn = np.sort(np.random.default_rng(0).permutation(comparison)[:READ_AGAIN])
    keys = judgments.comparison_ids[drawn].tolist()
    slots = Prefetch("slots", Slot.objects.select_related("response").order_by("position"))
    found = Comparison.objects.select_related("prompt").prefetch_related(slots).in_bulk(keys)
    answers = answers_of(judge, [found[key] for key in keys])
    text = judge_text(judge)
    said = [(_in_order(text, answer, (0, 1)), _in_order(text, answer, (1, 0))) for answer in answers]
    given, turned = np.array(said, dtype=np.int64).reshape(-1, 2).T
    known = (given != MISSING) | (turned != MISSING)
    return Orders(drawn[known], given[known], turned[known], len(comparison))


def _in_order(text: JudgeText, answer: Answer, order: tuple[int, int]) -> int:
    """The verdict of the calls that showed the two responses in this order, or MISSING."""
    calls = [each.said for each in answer.asked if each.said is not None and each.said.shown == order]
    if not calls or len(answer.comparison.slots.all()) != 2:
        return MISSING
    return _PAIR.get(combine(text, calls).ranking, MISSING)


def served_by(project: Project, numbers: Mapping[int, int]) -> dict[int, list[Served]]:
    """By rater, which model answered in which week, as the provider named it; ``numbers`` are the raters'."""
    calls = JudgeCall.objects.filter(
        judge__project=project, purpose=CallPurpose.RUN, answered_at__isnull=False
    )
    counted = (
        calls.exclude(served_model="")
        .annotate(week=Week("answered_at"))
        .order_by()
        .values_list("judge_id", "week", "served_model")
        .annotate(n=Count("pk"))
    )
    served: dict[int, list[Served]] = {}
    for judge, week, model, n in sorted(counted):
        if judge in numbers:
            served.setdefault(numbers[judge], []).append(Served(week, model, n))
    return served
