"""The items that measure people, mixed into their queue: practice, gold, attention checks and repeats."""

from feedback.models import Comparison, Rater


def next_extra(rater: Rater) -> Comparison | None:
    """The measuring item that is due for this person now, or None."""
    return None
