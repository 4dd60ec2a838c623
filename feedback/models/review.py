"""The reviewers' queue: what people's judgments of a comparison add up to, and what was sent back to a person."""

from django.conf import settings
from django.db import models
from django.db.models import Q

from feedback.models.comparison import Comparison
from feedback.models.judgment import Judgment
from feedback.models.rater import Rater


class ReviewItem(models.Model):
    """The narrow row that the reviewers' queue works on: one for each comparison that a person has judged.

    ``agreement`` is the share, in thousandths, of the pairs of people and pairs of responses on which both people say
    the same; 1000 where fewer than two gave a verdict (``verdicts``). ``conflict`` is a disagreement that no reviewer
    has decided or let stand; ``asked`` is set where somebody sent the comparison here, until that is settled. ``flags``
    and ``returns`` count those still open. ``open`` is what waits for a reviewer.
    Written by ``feedback.actions.review_items`` only.
    """

    comparison = models.OneToOneField(
        Comparison, on_delete=models.CASCADE, primary_key=True, related_name="review_item"
    )
    project_id = models.BigIntegerField()
    verdicts = models.PositiveSmallIntegerField(default=0)
    agreement = models.PositiveSmallIntegerField(default=1000)
    conflict = models.BooleanField(default=False)
    let_stand = models.BooleanField(default=False)
    asked = models.BooleanField(default=False)
    flags = models.PositiveSmallIntegerField(default=0)
    returns = models.PositiveSmallIntegerField(default=0)
    open = models.BooleanField(default=False)

    class Meta:
        constraints = (
            models.CheckConstraint(condition=Q(agreement__lte=1000), name="review_agreement_is_a_share"),
        )
        indexes = (
            models.Index(
                fields=("project_id", "agreement", "comparison"), condition=Q(open=True), name="review_open"
            ),
            models.Index(fields=("project_id",), condition=Q(returns__gt=0), name="review_returned"),
        )

    def __str__(self) -> str:
        return f"{self.comparison_id}: {self.agreement} of 1000"


class Return(models.Model):
    """A judgment sent back to its rater with a comment; they judge the comparison again, and that answers it.

    Until then the judgment stays current and keeps its slot, so that no vote is lost while its rater is away. ``rater``
    is the judgment's, so that the queue finds what comes first for a person in one look.
    """

    judgment = models.ForeignKey(Judgment, on_delete=models.CASCADE, related_name="returns")
    rater = models.ForeignKey(Rater, on_delete=models.CASCADE, related_name="returns")
    comment = models.TextField()
    returned_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="returned_judgments"
    )
    returned_at = models.DateTimeField(auto_now_add=True)
    answered_by = models.OneToOneField(
        Judgment, null=True, blank=True, on_delete=models.SET_NULL, related_name="answers_return"
    )

    class Meta:
        constraints = (
            models.UniqueConstraint(
                fields=("judgment",), condition=Q(answered_by=None), name="return_open_once"
            ),
        )
        indexes = (
            models.Index(fields=("rater",), condition=Q(answered_by=None), name="return_open_by_rater"),
        )

    def __str__(self) -> str:
        return self.comment[:80]
