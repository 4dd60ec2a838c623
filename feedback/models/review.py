"""A reviewer's word to a person about one of their judgments."""

from django.conf import settings
from django.db import models
from django.db.models import Q

from feedback.models.judgment import Judgment


class Return(models.Model):
    """A judgment sent back to its rater with a comment; they judge the comparison again, and that answers it."""

    judgment = models.ForeignKey(Judgment, on_delete=models.CASCADE, related_name="returns")
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

    def __str__(self) -> str:
        return self.comment[:80]
