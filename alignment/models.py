"""What agreement says of people, and decides: figures, reports, policies, labels and snapshots."""

from django.conf import settings
from django.db import models
from django.db.models import Q

from feedback.models import Comparison, Job, Project, Rater
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


class PersonMeasure(models.Model):
    """What a person's answers say of them, as JSON, measured at one moment and again when asked.

    ``figures`` are over all time, ``weeks`` the same for each week with an answer, from the earliest.
    """

    rater = models.OneToOneField(Rater, on_delete=models.CASCADE, primary_key=True, related_name="measure")
    figures = models.JSONField()
    weeks = models.JSONField()
    measured_at = models.DateTimeField()

    def __str__(self) -> str:
        return f"{self.rater_id}, measured {self.measured_at}"


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
    """One application of a policy, with the certificates it gave, as a job. Its labels are the project's newest.

    ``basis`` is all that it learnt, as JSON, and decides by. With a ``base`` it is an update: it learnt nothing, and
    decided again, by what its base had learnt, on the comparisons judged since. ``judgments_until`` and ``audit_until``
    are the newest judgment and audit entry that it saw, ``labels_sha256`` covers all labels, without a primary key: the
    same data gives the same everywhere.
    """

    policy = models.ForeignKey(Policy, on_delete=models.PROTECT, related_name="labellings")
    report = models.ForeignKey(
        AgreementReport, null=True, on_delete=models.PROTECT, related_name="labellings"
    )
    job = models.OneToOneField(Job, on_delete=models.PROTECT, related_name="labelling")
    base = models.ForeignKey("self", null=True, on_delete=models.PROTECT, related_name="updates")
    certificates = models.JSONField(default=list)
    basis = models.JSONField(default=dict)
    judgments_until = models.BigIntegerField(default=0)
    audit_until = models.BigIntegerField(default=0)
    labels_sha256 = models.CharField(max_length=64, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ("-id",)

    def __str__(self) -> str:
        return f"{self.policy} applied ({self.pk})"


class Asking(models.Model):
    """On what ground a policy sent a comparison to people that no person had judged; only what was drawn at random may
    show how often people contradict labels. Of several times a draw counts, else the first."""

    class Ground(models.TextChoices):
        DRAWN = "drawn"  # out of all that nobody had judged
        SLICE = "slice"  # within a slice, to certify a judge there
        GAIN = "gain"  # because it is doubtful

    comparison = models.OneToOneField(
        Comparison, on_delete=models.CASCADE, primary_key=True, related_name="asking"
    )
    ground = models.CharField(max_length=5, choices=Ground.choices)
    asked_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = (
            models.CheckConstraint(
                condition=Q(ground__in=("drawn", "slice", "gain")), name="asking_ground_known"
            ),
        )

    def __str__(self) -> str:
        return f"{self.comparison_id}: {self.ground}"


class Decision(models.TextChoices):
    USED = "used"
    ROUTED = "routed"
    DROPPED = "dropped"


class Label(models.Model):
    """A policy's decision on one comparison, with the judgments it rests on and its reason.

    A label is a function of policy, report and judgments: applying a policy again replaces its labels, and on the
    same judgments writes the same ones. What trained a model is kept, frozen, in the snapshot. ``margin`` is the log
    odds of the ranking by the verdicts, ``sources`` the numbers of the judgments that counted, for and against;
    ``digest`` covers all that the label says, to tell which ones change.
    """

    # A million of them are written at once, so they are one row each, their sources in it, and the database does not
    # look up, and lock, what each names: of all that is named nothing is ever deleted but with its project.
    policy = models.ForeignKey(
        Policy, on_delete=models.CASCADE, related_name="labels", db_constraint=False, db_index=False
    )
    comparison = models.ForeignKey(
        Comparison, on_delete=models.CASCADE, related_name="labels", db_constraint=False
    )
    labelling = models.ForeignKey(
        Labelling, on_delete=models.PROTECT, related_name="labels", db_constraint=False, db_index=False
    )
    decision = models.CharField(max_length=8, choices=Decision.choices)
    ranking = IntTupleField()
    confidence = models.FloatField(null=True, blank=True)
    weight = models.FloatField(default=1.0)
    margin = models.FloatField(null=True, blank=True)
    reason = models.CharField(max_length=40)
    sentence = models.CharField(max_length=300)
    sources = IntTupleField(max_length=None)
    digest = models.BigIntegerField(default=0)

    class Meta:
        constraints = (
            models.UniqueConstraint(fields=("policy", "comparison"), name="label_once_per_policy"),
            models.CheckConstraint(condition=Q(decision__in=Decision.values), name="label_decision_known"),
            models.CheckConstraint(
                condition=~Q(decision="used") | ~Q(ranking=""), name="label_used_has_a_ranking"
            ),
            models.CheckConstraint(
                condition=~Q(decision="used") | ~Q(sources=""), name="label_used_rests_on_judgments"
            ),
            models.CheckConstraint(
                condition=Q(confidence=None) | Q(confidence__gte=0, confidence__lte=1),
                name="label_confidence_is_a_probability",
            ),
        )
        indexes = (models.Index(fields=("policy", "decision", "comparison"), name="label_by_decision"),)

    def __str__(self) -> str:
        return f"{self.comparison_id}: {self.decision}"


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


class HealthCheck(models.Model):
    """What was found in a policy's labels before they were frozen, as a job: ``findings`` as ``alignment.health`` gives
    them, of the split that freezing with the same values would make."""

    policy = models.ForeignKey(Policy, on_delete=models.CASCADE, related_name="health_checks")
    test_share = models.FloatField()
    seed = models.PositiveBigIntegerField()
    job = models.OneToOneField(Job, on_delete=models.PROTECT, related_name="health_check")
    findings = models.JSONField(default=list)

    class Meta:
        ordering = ("-id",)

    def __str__(self) -> str:
        return f"health of {self.policy} ({self.pk})"


class Freezing(models.Model):
    """A policy's labels on their way into a snapshot, as a job; ``snapshot`` is what came of it."""

    policy = models.ForeignKey(Policy, on_delete=models.PROTECT, related_name="freezings")
    test_share = models.FloatField()
    seed = models.PositiveBigIntegerField()
    balance = models.CharField(max_length=8, default="none")
    job = models.OneToOneField(Job, on_delete=models.PROTECT, related_name="freezing")
    snapshot = models.ForeignKey(Snapshot, null=True, on_delete=models.PROTECT, related_name="freezings")

    class Meta:
        ordering = ("-id",)

    def __str__(self) -> str:
        return f"{self.policy} frozen ({self.pk})"


class FileImport(models.Model):
    """A file that somebody sent to be imported: first looked at, then stored, at once or by a worker.

    ``key`` names its folder, ``name`` is what its sender called it and is only ever shown. ``mapping`` is the document
    that says which column is what, empty for a format that is known. The counts go up in the transaction that stores
    the rows; ``line`` is the last line they cover and ``rejects_bytes`` how much of the file of rejects, so that work
    that was stopped goes on exactly there. ``resumed_at_line`` is where the newest attempt began.
    """

    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="file_imports")
    key = models.UUIDField(unique=True)
    name = models.CharField(max_length=200)
    size = models.BigIntegerField()
    format = models.CharField(max_length=30, blank=True)
    mapping = models.JSONField(default=dict, blank=True)
    job = models.OneToOneField(Job, null=True, on_delete=models.CASCADE, related_name="file_import")
    line = models.BigIntegerField(default=0)
    resumed_at_line = models.BigIntegerField(default=0)
    comparisons_new = models.BigIntegerField(default=0)
    comparisons_known = models.BigIntegerField(default=0)
    judgments_new = models.BigIntegerField(default=0)
    judgments_known = models.BigIntegerField(default=0)
    rejected = models.BigIntegerField(default=0)
    rejects_bytes = models.BigIntegerField(default=0)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="file_imports"
    )
    created_at = models.DateTimeField(auto_now_add=True)
    finished_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ("-id",)

    def __str__(self) -> str:
        return self.name
