"""May this person go on? Asked before every take, and after every answer."""

from feedback.models import Judgment, Rater


def check_may_work(rater: Rater) -> None:
    """Refused, with the reason as ``field``, where this person is to be given nothing now."""


def after_answer(judgment: Judgment) -> None:
    """What a person's answer changes for them, in the transaction that stores it."""
