"""Judgments: one rater's answer on one comparison, people's and machines' in one table."""

from django.conf import settings
from django.db import models
from django.db.models import F, Q

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
    ``submission_id`` is made by the client: the same one twice is stored once. ``all_bad`` says that no response is
    good enough, whatever their ranks. ``adjudicates`` marks a reviewer's decision, taken after seeing the others': it
    is no vote, holds no slot, and stands beside the reviewer's own judgment if there is one.
    """

    comparison = models.ForeignKey(Comparison, on_delete=models.CASCADE, related_name="judgments")
    # Without an index of its own: judgment_by_rater begins with it.
    rater = models.ForeignKey(Rater, on_delete=models.PROTECT, related_name="judgments", db_index=False)
    submission_id = models.UUIDField()
    current = models.BooleanField(default=True)
    outcome = models.CharField(max_length=12, choices=Outcome.choices)
    ranking = IntTupleField()
    strength = models.PositiveSmallIntegerField(null=True, blank=True)
    shown = IntTupleField()
    all_bad = models.BooleanField(default=False)
    adjudicates = models.BooleanField(default=False)
    rationale = models.TextField(blank=True)
    seconds = models.FloatField(null=True, blank=True)
    at = models.DateTimeField()

    class Meta:
        constraints = (
            models.UniqueConstraint(
                fields=("comparison", "rater"),
                condition=Q(current=True, adjudicates=False),
                name="judgment_one_current",
            ),
            # Two reviewers who decide at the same moment are one too many.
            models.UniqueConstraint(
                fields=("comparison",),
                condition=Q(current=True, adjudicates=True),
                name="judgment_one_adjudication",
            ),
            models.CheckConstraint(
                condition=Q(adjudicates=False) | Q(outcome="ranked"), name="judgment_adjudication_ranks"
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


class Span(models.Model):
    """A comment on a part of one response: characters ``start`` to ``end`` of its text, counted in code points."""

    judgment = models.ForeignKey(Judgment, on_delete=models.CASCADE, related_name="spans")
    position = models.PositiveSmallIntegerField()
    start = models.PositiveIntegerField()
    end = models.PositiveIntegerField()
    comment = models.TextField()

    class Meta:
        ordering = ("judgment", "position", "start")
        constraints = (models.CheckConstraint(condition=Q(start__lt=F("end")), name="span_not_empty"),)

    def __str__(self) -> str:
        return f"[{self.start}:{self.end}] {self.comment[:40]}"


class FlagKind(models.TextChoices):
    UNSAFE = "unsafe"
    LEAKS_SOURCE = "leaks_source", "tells who wrote it"
    BROKEN = "broken"
    NOT_MY_LANGUAGE = "not_my_language", "not my language"


class Flag(models.Model):
    """Something a person found wrong with a comparison; it brings the comparison before a reviewer, who settles it."""

    judgment = models.ForeignKey(Judgment, on_delete=models.CASCADE, related_name="flags")
    comparison = models.ForeignKey(Comparison, on_delete=models.CASCADE, related_name="flags")
    kind = models.CharField(max_length=20, choices=FlagKind.choices)
    settled_at = models.DateTimeField(null=True, blank=True)
    settled_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
        related_name="settled_flags",
    )
    settled_because = models.TextField(blank=True)

    class Meta:
        constraints = (
            models.UniqueConstraint(fields=("judgment", "kind"), name="flag_once"),
            models.CheckConstraint(condition=Q(kind__in=FlagKind.values), name="flag_kind_known"),
        )
        indexes = (models.Index(fields=("comparison",), condition=Q(settled_at=None), name="flag_open"),)

    def __str__(self) -> str:
        return self.kind


class SecondLook(models.Model):
    """A person's word after seeing the judges' view: they agree, or stand by their own. Their judgment stays."""

    judgment = models.OneToOneField(
        Judgment, on_delete=models.CASCADE, primary_key=True, related_name="second_look"
    )
    agrees = models.BooleanField()
    at = models.DateTimeField()

    def __str__(self) -> str:
        return "agrees" if self.agrees else "stands by theirs"
