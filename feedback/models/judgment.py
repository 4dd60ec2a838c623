"""Judgments: one rater's answer on one comparison, people's and machines' in one table."""

from django.db import models
from django.db.models import Q

from feedback.models.comparison import Comparison
from feedback.models.fields import IntTupleField
from feedback.models.rater import Rater
from feedback.models.rubric import Criterion


class Outcome(models.TextChoices):
    RANKED = "ranked"
    SKIPPED = "skipped"
    REFUSED = "refused"
    UNPARSEABLE = "unparseable"
    INCONSISTENT = "inconsistent"


class Judgment(models.Model):
    """One answer. A revision supersedes the earlier one, which stays with ``current`` off.

    ``ranking`` gives each canonical position its rank from 1, equal ranks being ties: ``(1, 2)`` prefers the
    first response, ``(1, 1)`` is a tie. It is empty exactly where the outcome is no verdict, so a missing verdict
    can not be taken for a tie. ``shown`` is the order of positions the rater saw, empty where a file did not say.
    ``submission_id`` is made by the client: the same one twice is stored once.
    """

    comparison = models.ForeignKey(Comparison, on_delete=models.CASCADE, related_name="judgments")
    rater = models.ForeignKey(Rater, on_delete=models.PROTECT, related_name="judgments")
    submission_id = models.UUIDField()
    current = models.BooleanField(default=True)
    outcome = models.CharField(max_length=12, choices=Outcome.choices)
    ranking = IntTupleField()
    strength = models.PositiveSmallIntegerField(null=True, blank=True)
    shown = IntTupleField()
    rationale = models.TextField(blank=True)
    seconds = models.FloatField(null=True, blank=True)
    at = models.DateTimeField()

    class Meta:
        constraints = (
            models.UniqueConstraint(
                fields=("comparison", "rater"), condition=Q(current=True), name="judgment_one_current"
            ),
            models.UniqueConstraint(fields=("rater", "submission_id"), name="judgment_submission_once"),
            models.CheckConstraint(condition=Q(outcome__in=Outcome.values), name="judgment_outcome_known"),
            models.CheckConstraint(
                condition=(Q(outcome="ranked") & ~Q(ranking="")) | (~Q(outcome="ranked") & Q(ranking="")),
                name="judgment_ranking_iff_ranked",
            ),
        )
        indexes = (
            models.Index(fields=("rater", "current", "comparison"), name="judgment_by_rater"),
            models.Index(fields=("rater", "at"), name="judgment_by_time"),
        )

    def __str__(self) -> str:
        return f"{self.outcome} {self.ranking}" if self.ranking else self.outcome


class Score(models.Model):
    """The level a judgment gave one response (by canonical position) on one criterion."""

    judgment = models.ForeignKey(Judgment, on_delete=models.CASCADE, related_name="scores")
    criterion = models.ForeignKey(Criterion, on_delete=models.PROTECT, related_name="scores")
    position = models.PositiveSmallIntegerField()
    value = models.SmallIntegerField()

    class Meta:
        constraints = (
            models.UniqueConstraint(fields=("judgment", "criterion", "position"), name="score_once"),
        )

    def __str__(self) -> str:
        return f"{self.criterion_id}[{self.position}] = {self.value}"
