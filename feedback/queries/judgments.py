"""Reads of judgments: those that count, reviewers' decisions, and what the AI judges say."""

from collections.abc import Iterator

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


def current_judgments(project: Project, *, purpose: str = Purpose.TRAIN) -> QuerySet[Judgment]:
    """The judgments that count, in a fixed order: not on retired comparisons, and without reviewers' decisions, which
    were made after seeing the others'.
    """
    raters = Rater.objects.filter(project=project)
    votes = Judgment.objects.filter(
        current=True, adjudicates=False, comparison__purpose=purpose, comparison__retired_at=None
    )
    return votes.filter(rater__in=raters).order_by("comparison_id", "rater_id")


def judgment_rows(project: Project) -> Iterator[tuple[int, int, int, int, str, str]]:
    """(judgment, comparison, prompt, rater, outcome, ranking) of every current judgment for training, in any order.

    The ranking is the text in the store: a million of them hold few different ones, to be read once each.
    """
    return (
        current_judgments(project)
        .order_by()
        .annotate(text=Cast("ranking", TextField()))
        .values_list("pk", "comparison_id", "comparison__prompt_id", "rater_id", "outcome", "text")
        .iterator(chunk_size=20_000)
    )


def adjudications(project: Project) -> QuerySet[Judgment]:
    """The reviewers' decisions in force on comparisons for training, at most one each."""
    decisions = Judgment.objects.filter(current=True, adjudicates=True, comparison__purpose=Purpose.TRAIN)
    standing = decisions.filter(comparison__project=project, comparison__retired_at=None)
    return standing.order_by("comparison_id")


def judges_view(comparison: Comparison) -> list[Judgment]:
    """The AI judges' current verdicts on a comparison, by name; for whoever has given their own."""
    said = comparison.judgments.filter(current=True, rater__kind=RaterKind.JUDGE, outcome=Outcome.RANKED)
    return list(said.select_related("rater").order_by("rater__name"))
