"""Reads of judgments: those that count, reviewers' decisions, and what the AI judges say."""

from typing import NamedTuple

import numpy as np
from django.db.models import QuerySet, TextField
from django.db.models.functions import Cast

from feedback.models import (
    Comparison,
    Judgment,
    Outcome,
    Project,
    Purpose,
    Rater,
    RaterKind,
)
from feedback.queries.columns import Column, columns


def current_judgments(project: Project, *, purpose: str = Purpose.TRAIN) -> QuerySet[Judgment]:
    """The judgments that count, in a fixed order: not on retired comparisons, and without reviewers' decisions, which
    were made after seeing the others'.
    """
    raters = Rater.objects.filter(project=project)
    votes = Judgment.objects.filter(
        current=True, adjudicates=False, comparison__purpose=purpose, comparison__retired_at=None
    )
    return votes.filter(rater__in=raters).order_by("comparison_id", "rater_id")


class JudgmentColumns(NamedTuple):
    """Every current judgment for training, in any order: whole numbers, ``outcome`` an index into Outcome's values and
    ``ranking`` one into ``rankings``, the texts in the store, "" for none. A million judgments hold few different ones.
    """

    judgment: Column
    comparison: Column
    prompt: Column
    rater: Column
    outcome: Column
    ranking: Column
    rankings: list[str]


def judgment_columns(project: Project) -> JudgmentColumns:
    """48 bytes a judgment."""
    rows = current_judgments(project).annotate(ranks=Cast("ranking", TextField()))
    found = columns(
        rows, keys=("rater_id", "outcome", "ranks"), numbers=("pk", "comparison_id", "comparison__prompt_id")
    )
    outcomes = {name: index for index, name in enumerate(Outcome.values)}
    rankings = {ranks: None for _rater, _outcome, ranks in found.keys}
    place = {ranks: index for index, ranks in enumerate(rankings)}
    codes = [(int(rater), outcomes[outcome], place[ranks]) for rater, outcome, ranks in found.keys]
    rater, outcome, ranking = np.array(codes, dtype=np.int64).reshape(-1, 3)[found.key].T
    judgment, comparison, prompt = found.numbers
    return JudgmentColumns(judgment, comparison, prompt, rater, outcome, ranking, list(rankings))


def adjudications(project: Project) -> QuerySet[Judgment]:
    """The reviewers' decisions in force on comparisons for training, at most one each."""
    decisions = Judgment.objects.filter(current=True, adjudicates=True, comparison__purpose=Purpose.TRAIN)
    standing = decisions.filter(comparison__project=project, comparison__retired_at=None)
    return standing.order_by("comparison_id")


def judges_view(comparison: Comparison) -> list[Judgment]:
    """The AI judges' current verdicts on a comparison, by name; for whoever has given their own.

    On one that is asked again they are those on the first, so that it can not be told apart.
    """
    first = comparison.repeat_of_id or comparison.pk
    said = Judgment.objects.filter(comparison=first, current=True, rater__kind=RaterKind.JUDGE)
    said = said.filter(outcome=Outcome.RANKED)
    return list(said.select_related("rater").order_by("rater__name"))
