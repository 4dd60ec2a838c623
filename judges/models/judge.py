"""Judges: configured AI raters, never edited."""

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from feedback.models import Project, Rater, Rubric
from feedback.models.fields import FrozenRow


class JudgeMode(models.TextChoices):
    PAIRWISE = "pairwise", _("which of two is better")
    SCORES = "scores", _("scores, turned into a ranking")
    BEST_OF_N = "best_of_n", _("the best of all")
    PASS_FAIL = "pass_fail", _("pass or fail, each alone")


class Judge(FrozenRow):
    """One version of a configured AI rater; a change is a new version with a rater of its own.

    The columns from ``provider`` to ``price`` are its configuration, see ``judges.core.configuration``. ``examples``
    are kept whole, so that nothing that happens to the comparisons they came from changes the judge. ``sha256``
    covers all of the configuration.
    """

    rater = models.OneToOneField(Rater, on_delete=models.PROTECT, primary_key=True, related_name="judge")
    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="judges")
    name = models.CharField(max_length=100)
    version = models.PositiveIntegerField(default=1)
    rubric = models.ForeignKey(Rubric, on_delete=models.PROTECT, related_name="judges")
    provider = models.CharField(max_length=40)
    model = models.CharField(max_length=100)
    settings = models.JSONField(default=dict, blank=True)
    family = models.CharField(max_length=60, blank=True)
    mode = models.CharField(max_length=10, choices=JudgeMode.choices, default=JudgeMode.PAIRWISE)
    both_orders = models.BooleanField(default=True)
    samples = models.PositiveSmallIntegerField(default=1)
    tie_margin = models.FloatField(default=0.0)
    use_reference = models.BooleanField(default=False)
    system_template = models.TextField(blank=True)
    message_template = models.TextField(blank=True)
    examples = models.JSONField(default=list, blank=True)
    parse_retries = models.PositiveSmallIntegerField(default=0)
    price = models.JSONField(null=True, blank=True)
    sha256 = models.CharField(max_length=64)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ("name", "-version")
        constraints = (
            models.UniqueConstraint(fields=("project", "name", "version"), name="judge_version_once"),
            models.CheckConstraint(condition=Q(samples__gte=1, samples__lte=9), name="judge_samples_1_to_9"),
            models.CheckConstraint(condition=Q(mode__in=JudgeMode.values), name="judge_mode_known"),
        )

    def __str__(self) -> str:
        return f"{self.name} v{self.version}"
