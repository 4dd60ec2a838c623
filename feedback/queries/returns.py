"""Reads of what reviewers sent back to people."""

from feedback.models import (
    Assignment,
    Rater,
    Return,
)


def returned_assignments(rater: Rater) -> list[Assignment]:
    """What reviewers sent back to this person and they have not answered yet, the longest waiting first."""
    returns = Return.objects.filter(rater=rater, answered_by=None).order_by("pk")
    comparisons = list(returns.values_list("judgment__comparison_id", flat=True))
    if not comparisons:
        return []
    found = Assignment.objects.filter(rater=rater, comparison__in=comparisons).select_related("comparison")
    return sorted(found, key=lambda assignment: comparisons.index(assignment.comparison_id))


def open_return(rater: Rater, comparison_id: int) -> Return | None:
    """The reviewer's comment that this person has yet to answer on this comparison."""
    waiting = Return.objects.filter(rater=rater, judgment__comparison=comparison_id, answered_by=None)
    return waiting.select_related("returned_by").first()
