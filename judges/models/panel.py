"""Panels: several judges whose stored judgments become one, never edited."""

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from feedback.models import Job, Project, Rater
from feedback.models.fields import FrozenRow
from judges.models.judge import Judge


class PanelRule(models.TextChoices):
    MAJORITY = "majority", _("majority, one vote each")
    WEIGHTED = "weighted", _("majority of the weights")
    MEAN_SCORE = "mean_score", _("mean of the scores")


class Panel(FrozenRow):
    """One version of a panel, a rater of its own; a change of members or rule is a new version.

    ``quorum``: how many members must have given a verdict. ``cap_families``: judges of one family together weigh no
    more than the heaviest of them, since they err together. ``tie_margin`` is for mean scores, which go from 0 to 1.
    """

    rater = models.OneToOneField(Rater, on_delete=models.PROTECT, primary_key=True, related_name="panel")
    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="panels")
    name = models.CharField(max_length=100)
    version = models.PositiveIntegerField(default=1)
    rule = models.CharField(max_length=10, choices=PanelRule.choices)
    quorum = models.PositiveSmallIntegerField()
    cap_families = models.BooleanField(default=True)
    tie_margin = models.FloatField(default=0.0)
    sha256 = models.CharField(max_length=64)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ("name", "-version")
        constraints = (
            models.UniqueConstraint(fields=("project", "name", "version"), name="panel_version_once"),
            models.CheckConstraint(condition=Q(rule__in=PanelRule.values), name="panel_rule_known"),
            models.CheckConstraint(condition=Q(quorum__gte=1), name="panel_quorum_at_least_1"),
        )

    def __str__(self) -> str:
        return f"{self.name} v{self.version}"


class PanelMember(FrozenRow):
    panel = models.ForeignKey(Panel, on_delete=models.CASCADE, related_name="members")
    judge = models.ForeignKey(Judge, on_delete=models.PROTECT, related_name="memberships")
    weight = models.FloatField(default=1.0)
    position = models.PositiveSmallIntegerField()

    class Meta:
        ordering = ("panel", "position")
        constraints = (
            models.UniqueConstraint(fields=("panel", "judge"), name="panel_member_once"),
            models.CheckConstraint(condition=Q(weight__gt=0), name="panel_weight_above_0"),
        )

    def __str__(self) -> str:
        return str(self.judge)


class PanelRun(models.Model):
    """One pass over the members' judgments; what has not changed since the last one is not stored again."""

    panel = models.ForeignKey(Panel, on_delete=models.PROTECT, related_name="runs")
    job = models.OneToOneField(Job, on_delete=models.PROTECT, related_name="panel_run")
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="panel_runs"
    )
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ("-pk",)

    def __str__(self) -> str:
        return f"{self.panel} run {self.pk}"
