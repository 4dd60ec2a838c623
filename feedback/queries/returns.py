"""Reads of what reviewers sent back to people."""

from feedback.models import Assignment, Rater, Return
from feedback.statements import rows

_RETURNED = """
SELECT j.comparison_id FROM feedback_return t JOIN feedback_judgment j ON j.id = t.judgment_id
WHERE t.rater_id = %s AND t.answered_by_id IS NULL ORDER BY t.id
"""


def returned_assignments(rater: Rater) -> list[Assignment]:
    """What reviewers sent back to this person and they have not answered yet, the longest waiting first."""
    comparisons = [comparison for (comparison,) in rows(_RETURNED, [rater.pk])]
    if not comparisons:
        return []
    found = Assignment.objects.filter(rater=rater, comparison__in=comparisons).select_related("comparison")
    return sorted(found, key=lambda assignment: comparisons.index(assignment.comparison_id))


def open_return(rater: Rater, comparison_id: int) -> Return | None:
    """The reviewer's comment that this person has yet to answer on this comparison."""
    waiting = Return.objects.filter(rater=rater, judgment__comparison=comparison_id, answered_by=None)
    return waiting.select_related("returned_by").first()
