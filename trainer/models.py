"""Training runs, what they said, what they made, and how that was judged."""

from django.conf import settings
from django.db import models
from django.db.models import Q

from alignment.models import Snapshot
from feedback.models import Comparison, Job, Project, Rater, Tag
from feedback.models.fields import FrozenRow
from judges.models import Judge, JudgeRun


class Run(models.Model):
    """One execution of a run spec. Its state is its job's; its truth is the event log in its folder.

    ``events_offset`` is how far into the log, in bytes, the rows below have been read. ``base`` stays empty
    until a worker has registered a base that was given as a folder. ``seconds`` is how long runners have
    worked on it, over all attempts; ``curves`` is ``trainer.curves.Curves`` as JSON.
    """

    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="runs")
    job = models.OneToOneField(Job, on_delete=models.PROTECT, related_name="run")
    name = models.CharField(max_length=200)
    method = models.CharField(max_length=20)
    snapshot = models.ForeignKey(Snapshot, null=True, on_delete=models.PROTECT, related_name="runs")
    base = models.ForeignKey(
        "trainer.ModelVersion", null=True, on_delete=models.PROTECT, related_name="runs_from"
    )
    spec = models.JSONField()
    spec_sha256 = models.CharField(max_length=64)
    launcher = models.CharField(max_length=20, default="local")
    events_offset = models.PositiveBigIntegerField(default=0)
    step = models.PositiveIntegerField(default=0)
    total_steps = models.PositiveIntegerField(null=True, blank=True)
    seconds = models.FloatField(default=0.0)
    curves = models.JSONField(default=dict)
    result = models.JSONField(null=True, blank=True)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="runs"
    )
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ("-id",)
        constraints = (models.UniqueConstraint(fields=("project", "name"), name="run_name_once"),)
        indexes = (models.Index(fields=("project", "-id"), name="run_by_project"),)

    def __str__(self) -> str:
        return f"{self.name} ({self.method})"


class RunEvent(FrozenRow):
    """One line of a run's event log, by its sequence number."""

    run = models.ForeignKey(Run, on_delete=models.CASCADE, related_name="events")
    seq = models.PositiveIntegerField()
    kind = models.CharField(max_length=20)
    step = models.PositiveIntegerField(null=True)
    data = models.JSONField()
    at = models.DateTimeField()

    class Meta:
        ordering = ("run", "seq")
        constraints = (models.UniqueConstraint(fields=("run", "seq"), name="run_event_once"),)
        indexes = (models.Index(fields=("run", "kind", "seq"), name="run_event_by_kind"),)

    def __str__(self) -> str:
        return f"{self.kind} at {self.step}"


class Preflight(models.Model):
    """A run before it starts: what is asked for, and what a few timed steps of it say.

    ``asked`` holds the fields of a spec file; ``probe`` is ``trainer.actions.preflights.Probe`` as JSON, null
    until the ``job`` has ended.
    """

    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="preflights")
    job = models.OneToOneField(Job, on_delete=models.PROTECT, related_name="preflight")
    asked = models.JSONField()
    probe = models.JSONField(null=True, blank=True)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="preflights"
    )
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ("-id",)

    def __str__(self) -> str:
        return f"check {self.pk}"


class ModelKind(models.TextChoices):
    POLICY = "policy"
    REWARD = "reward"


class ModelVersion(FrozenRow):
    """Weights that a run made or started from; its responses carry its name as their source.

    ``path`` is a folder under the runs' root, or an absolute path where the weights came from elsewhere;
    ``base`` is what it started from; ``sha256`` covers the weights.
    """

    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="model_versions")
    name = models.CharField(max_length=200)
    kind = models.CharField(max_length=10, choices=ModelKind.choices)
    run = models.OneToOneField(Run, null=True, on_delete=models.PROTECT, related_name="model_version")
    base = models.ForeignKey("self", null=True, on_delete=models.PROTECT, related_name="derived")
    path = models.CharField(max_length=500)
    sha256 = models.CharField(max_length=64)
    metrics = models.JSONField(default=dict)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ("-id",)
        constraints = (
            models.UniqueConstraint(fields=("project", "name"), name="model_version_name_once"),
            models.CheckConstraint(condition=Q(kind__in=ModelKind.values), name="model_version_kind_known"),
        )

    def __str__(self) -> str:
        return self.name


class Evaluation(models.Model):
    """A model version against its base: comparisons of their responses, judged like any other.

    The job samples the responses, stores the comparisons and asks the ``judges``, whose verdicts decide.
    ``prompts`` is a list of conversations, ``left_out`` counts the pairs that became no comparison by reason,
    and ``result`` holds statistics as ``{"value", "low", "high", "n"}``; null until the judgments are in.
    """

    model_version = models.ForeignKey(ModelVersion, on_delete=models.PROTECT, related_name="evaluations")
    base = models.ForeignKey(ModelVersion, on_delete=models.PROTECT, related_name="evaluations_as_base")
    job = models.OneToOneField(Job, on_delete=models.PROTECT, related_name="evaluation")
    snapshot = models.ForeignKey(Snapshot, null=True, on_delete=models.PROTECT, related_name="evaluations")
    prompts = models.JSONField()
    parameters = models.JSONField()
    seed = models.PositiveBigIntegerField(default=0)
    judges = models.ManyToManyField(Judge, related_name="evaluations")
    judge_runs = models.ManyToManyField(JudgeRun, related_name="evaluations")
    comparisons = models.ManyToManyField(Comparison, related_name="evaluations")
    left_out = models.JSONField(default=dict)
    result = models.JSONField(null=True, blank=True)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="evaluations"
    )
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ("-id",)
        constraints = (
            models.CheckConstraint(
                condition=~Q(model_version=models.F("base")), name="evaluation_needs_two_models"
            ),
        )

    def __str__(self) -> str:
        return f"{self.model_version} against {self.base}"


class Scoring(models.Model):
    """One pass of a reward model, as the ``rater`` of its name, over a project's comparisons or those of a tag.

    Scores that differ by no more than ``margin`` are a tie. What is left is read from the judgments.
    """

    model_version = models.ForeignKey(ModelVersion, on_delete=models.PROTECT, related_name="scorings")
    rater = models.ForeignKey(Rater, on_delete=models.PROTECT, related_name="scorings")
    job = models.OneToOneField(Job, on_delete=models.PROTECT, related_name="scoring")
    tag = models.ForeignKey(Tag, null=True, blank=True, on_delete=models.PROTECT, related_name="scorings")
    margin = models.FloatField(default=0.0)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="scorings"
    )
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ("-id",)
        constraints = (
            models.CheckConstraint(condition=Q(margin__gte=0), name="scoring_margin_not_negative"),
        )

    def __str__(self) -> str:
        return f"{self.model_version} scoring {self.pk}"
