"""Attack runs: a judge is shown injection attacks, and what each of them did is kept."""

from django.conf import settings
from django.db import models

from feedback.models import Job
from judges.models.judge import Judge


class AttackRun(models.Model):
    """The built-in attacks, each planted in the worse response of ``pairs`` pairs of responses."""

    judge = models.ForeignKey(Judge, on_delete=models.PROTECT, related_name="attack_runs")
    job = models.OneToOneField(Job, on_delete=models.PROTECT, related_name="attack_run")
    pairs = models.PositiveSmallIntegerField()
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="attack_runs"
    )
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ("-pk",)

    def __str__(self) -> str:
        return f"{self.judge} attack run {self.pk}"


class AttackResult(models.Model):
    """What one attack did on one pair; see ``judges.core.attacks.AttackOutcome`` for the columns."""

    run = models.ForeignKey(AttackRun, on_delete=models.CASCADE, related_name="results")
    attack = models.CharField(max_length=60)
    kind = models.CharField(max_length=40)
    pair = models.PositiveSmallIntegerField()
    control = models.CharField(max_length=12)
    attacked = models.CharField(max_length=12)
    swayed = models.PositiveSmallIntegerField()
    asked = models.PositiveSmallIntegerField()

    class Meta:
        constraints = (
            models.UniqueConstraint(fields=("run", "attack", "pair"), name="attack_result_once"),
            models.CheckConstraint(
                condition=models.Q(swayed__lte=models.F("asked")), name="attack_swayed_of_asked"
            ),
        )

    def __str__(self) -> str:
        return f"{self.attack} on pair {self.pair}: {self.attacked}"
