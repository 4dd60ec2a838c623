"""What agreement decides: reports, policies, labels and snapshots."""

from django.conf import settings
from django.db import models
from django.db.models import Q

from feedback.models import Comparison, Job, Judgment, Project
from feedback.models.fields import FrozenRow, IntTupleField


class AgreementReport(FrozenRow):
    """The statistics between a project's raters, on all comparisons and on each slice, frozen as JSON.

    ``inputs_sha256`` covers the judgments it was computed from, so the same judgments give the same report.
    """

    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="reports")
    inputs_sha256 = models.CharField(max_length=64)
    sha256 = models.CharField(max_length=64)
    body = models.JSONField()
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ("-id",)
        constraints = (models.UniqueConstraint(fields=("project", "sha256"), name="report_once"),)

    def __str__(self) -> str:
        return f"report {self.sha256[:12]}"


class Policy(FrozenRow):
    """One version of the rule that turns judgments and agreement into labels."""

    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="policies")
    name = models.CharField(max_length=100)
    version = models.PositiveIntegerField(default=1)
    document = models.JSONField()
    sha256 = models.CharField(max_length=64)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="policies"
    )
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ("name", "-version")
        verbose_name_plural = "policies"
        constraints = (
            models.UniqueConstraint(fields=("project", "name", "version"), name="policy_version_once"),
        )

    def __str__(self) -> str:
        return f"{self.name} v{self.version}"


class Labelling(models.Model):
    """One application of a policy, with the certificates it gave, as a job. Its labels are the project's newest."""

    policy = models.ForeignKey(Policy, on_delete=models.PROTECT, related_name="labellings")
    report = models.ForeignKey(
        AgreementReport, null=True, on_delete=models.PROTECT, related_name="labellings"
    )
    job = models.OneToOneField(Job, on_delete=models.PROTECT, related_name="labelling")
    certificates = models.JSONField(default=list)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ("-id",)

    def __str__(self) -> str:
        return f"{self.policy} applied ({self.pk})"


class Decision(models.TextChoices):
    USED = "used"
    ROUTED = "routed"
    DROPPED = "dropped"


class Label(models.Model):
    """A policy's decision on one comparison, with the judgments it rests on and its reason.

    A label is a function of policy, report and judgments: applying a policy again replaces its labels, and on the
    same judgments writes the same ones. What trained a model is kept, frozen, in the snapshot.
    """

    policy = models.ForeignKey(Policy, on_delete=models.CASCADE, related_name="labels")
    comparison = models.ForeignKey(Comparison, on_delete=models.CASCADE, related_name="labels")
    labelling = models.ForeignKey(Labelling, on_delete=models.PROTECT, related_name="labels")
    decision = models.CharField(max_length=8, choices=Decision.choices)
    ranking = IntTupleField()
    confidence = models.FloatField(null=True, blank=True)
    weight = models.FloatField(default=1.0)
    reason = models.CharField(max_length=40)
    sentence = models.CharField(max_length=300)

    class Meta:
        constraints = (
            models.UniqueConstraint(fields=("policy", "comparison"), name="label_once_per_policy"),
            models.CheckConstraint(condition=Q(decision__in=Decision.values), name="label_decision_known"),
            models.CheckConstraint(
                condition=~Q(decision="used") | ~Q(ranking=""), name="label_used_has_a_ranking"
            ),
            models.CheckConstraint(
                condition=Q(confidence=None) | Q(confidence__gte=0, confidence__lte=1),
                name="label_confidence_is_a_probability",
            ),
        )
        indexes = (models.Index(fields=("policy", "decision", "comparison"), name="label_by_decision"),)

    def __str__(self) -> str:
        return f"{self.comparison_id}: {self.decision}"


class LabelSource(models.Model):
    """A judgment that a label rests on."""

    label = models.ForeignKey(Label, on_delete=models.CASCADE, related_name="sources")
    judgment = models.ForeignKey(Judgment, on_delete=models.PROTECT, related_name="label_sources")

    class Meta:
        constraints = (models.UniqueConstraint(fields=("label", "judgment"), name="label_source_once"),)

    def __str__(self) -> str:
        return f"{self.label_id} from {self.judgment_id}"


class Snapshot(FrozenRow):
    """A frozen dataset: a folder of Parquet files named by the hash of its content.

    The manifest holds rows, splits, and the hashes of the policy and the report that made it.
    """

    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="snapshots")
    sha256 = models.CharField(max_length=64)
    policy = models.ForeignKey(Policy, on_delete=models.PROTECT, related_name="snapshots")
    report = models.ForeignKey(AgreementReport, null=True, on_delete=models.PROTECT, related_name="snapshots")
    train_rows = models.PositiveBigIntegerField()
    test_rows = models.PositiveBigIntegerField()
    manifest = models.JSONField()
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="snapshots"
    )
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ("-id",)
        constraints = (models.UniqueConstraint(fields=("project", "sha256"), name="snapshot_once"),)

    def __str__(self) -> str:
        return f"snapshot {self.sha256[:12]}"
