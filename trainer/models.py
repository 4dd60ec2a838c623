"""Training runs, what they said, what they made, and how that was judged."""

from django.conf import settings
from django.db import models
from django.db.models import Q

from alignment.models import Labelling, Policy, Snapshot
from feedback.models import Comparison, Job, Project, Rater, Tag
from feedback.models.fields import FrozenRow
from judges.models import Judge, JudgeRun


class Started(models.Model):
    """What somebody, or a command, has begun: by whom, and when."""

    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+"
    )
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        abstract = True


class Run(Started):
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


class Preflight(Started):
    """A run before it starts: what is asked for, and what a few timed steps of it say.

    ``asked`` holds the fields of a spec file; ``probe`` is ``trainer.actions.preflights.Probe`` as JSON, null
    until the ``job`` has ended.
    """

    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="preflights")
    job = models.OneToOneField(Job, on_delete=models.PROTECT, related_name="preflight")
    asked = models.JSONField()
    probe = models.JSONField(null=True, blank=True)

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
    ``base`` is what it started from; ``sha256`` covers the weights. ``licence`` is what its model card names, or its
    base's; empty where neither does.
    """

    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="model_versions")
    name = models.CharField(max_length=200)
    kind = models.CharField(max_length=10, choices=ModelKind.choices)
    run = models.OneToOneField(Run, null=True, on_delete=models.PROTECT, related_name="model_version")
    base = models.ForeignKey("self", null=True, on_delete=models.PROTECT, related_name="derived")
    path = models.CharField(max_length=500)
    sha256 = models.CharField(max_length=64)
    licence = models.CharField(max_length=100, blank=True)
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


class Evaluation(Started):
    """A model version against its base: comparisons of their responses, judged like any other.

    The job samples the responses, stores the comparisons and asks the ``judges``, whose verdicts decide; the
    ``reward_models`` score the responses, and a random ``people_pairs`` of the pairs go blind to the queue, each to
    ``people_each`` people. ``prompts`` is a list of conversations and ``items`` what is known of each of them: its
    ``tags``, ``reference`` and ``metadata``. Those with the ``regression_tag`` must not get worse. ``left_out`` counts
    the pairs that became no comparison by reason, and ``result`` holds statistics as ``{"value", "low", "high",
    "n"}``; null until the judgments are in, and made anew when people have said more.
    """

    model_version = models.ForeignKey(ModelVersion, on_delete=models.PROTECT, related_name="evaluations")
    base = models.ForeignKey(ModelVersion, on_delete=models.PROTECT, related_name="evaluations_as_base")
    job = models.OneToOneField(Job, on_delete=models.PROTECT, related_name="evaluation")
    snapshot = models.ForeignKey(Snapshot, null=True, on_delete=models.PROTECT, related_name="evaluations")
    prompts = models.JSONField()
    items = models.JSONField(default=list)
    regression_tag = models.ForeignKey(
        Tag, null=True, blank=True, on_delete=models.SET_NULL, related_name="evaluations"
    )
    people_pairs = models.PositiveIntegerField(default=0)
    people_each = models.PositiveSmallIntegerField(default=1)
    parameters = models.JSONField()
    seed = models.PositiveBigIntegerField(default=0)
    judges = models.ManyToManyField(Judge, related_name="evaluations")
    reward_models = models.ManyToManyField(ModelVersion, related_name="evaluations_scored")
    judge_runs = models.ManyToManyField(JudgeRun, related_name="evaluations")
    comparisons = models.ManyToManyField(Comparison, related_name="evaluations")
    left_out = models.JSONField(default=dict)
    result = models.JSONField(null=True, blank=True)

    class Meta:
        ordering = ("-id",)
        constraints = (
            models.CheckConstraint(
                condition=~Q(model_version=models.F("base")), name="evaluation_needs_two_models"
            ),
        )

    def __str__(self) -> str:
        return f"{self.model_version} against {self.base}"


class Scoring(Started):
    """One pass of a reward model, as the ``rater`` of its name, over a project's comparisons or those of a tag.

    Scores that differ by no more than ``margin`` are a tie. What is left is read from the judgments.
    """

    model_version = models.ForeignKey(ModelVersion, on_delete=models.PROTECT, related_name="scorings")
    rater = models.ForeignKey(Rater, on_delete=models.PROTECT, related_name="scorings")
    job = models.OneToOneField(Job, on_delete=models.PROTECT, related_name="scoring")
    tag = models.ForeignKey(Tag, null=True, blank=True, on_delete=models.PROTECT, related_name="scorings")
    margin = models.FloatField(default=0.0)

    class Meta:
        ordering = ("-id",)
        constraints = (
            models.CheckConstraint(condition=Q(margin__gte=0), name="scoring_margin_not_negative"),
        )

    def __str__(self) -> str:
        return f"{self.model_version} scoring {self.pk}"


class RewardCheck(Started):
    """A reward model on the held-out labels of a snapshot: accuracy, by slice, and whether its margins keep their word.

    ``result`` is null until the rows have been scored.
    """

    model_version = models.ForeignKey(ModelVersion, on_delete=models.PROTECT, related_name="checks")
    snapshot = models.ForeignKey(Snapshot, on_delete=models.PROTECT, related_name="checks")
    job = models.OneToOneField(Job, on_delete=models.PROTECT, related_name="reward_check")
    result = models.JSONField(null=True, blank=True)

    class Meta:
        ordering = ("-id",)

    def __str__(self) -> str:
        return f"{self.model_version} on {self.snapshot}"


class Stage(models.TextChoices):
    NONE = "none"
    CANDIDATE = "candidate"
    APPROVED = "approved"


class StageChange(Started, FrozenRow):
    """Where a model version was put by whom, and why; its newest one says where it stands.

    ``evaluation`` is what an approval rests on. ``overrides`` says that its regression set had got worse, and that
    ``reason`` says why that was accepted.
    """

    model_version = models.ForeignKey(ModelVersion, on_delete=models.CASCADE, related_name="stages")
    stage = models.CharField(max_length=10, choices=Stage.choices)
    evaluation = models.ForeignKey(
        Evaluation, null=True, on_delete=models.PROTECT, related_name="stage_changes"
    )
    overrides = models.BooleanField(default=False)
    reason = models.TextField(blank=True)

    class Meta:
        ordering = ("-id",)
        constraints = (
            models.CheckConstraint(condition=Q(stage__in=Stage.values), name="stage_known"),
            models.CheckConstraint(
                condition=~Q(stage="approved") | Q(evaluation__isnull=False),
                name="stage_approved_by_evaluation",
            ),
            models.CheckConstraint(
                condition=Q(overrides=False) | ~Q(reason=""), name="stage_override_has_a_reason"
            ),
        )

    def __str__(self) -> str:
        return f"{self.model_version}: {self.stage}"


class Push(Started):
    """A model version on its way to a hub's repository; ``url`` is where it lies once the job has succeeded."""

    model_version = models.ForeignKey(ModelVersion, on_delete=models.PROTECT, related_name="pushes")
    job = models.OneToOneField(Job, on_delete=models.PROTECT, related_name="push")
    repository = models.CharField(max_length=200)
    private = models.BooleanField(default=True)
    url = models.CharField(max_length=500, blank=True)

    class Meta:
        ordering = ("-id",)

    def __str__(self) -> str:
        return f"{self.model_version} to {self.repository}"


class Generation(Started):
    """New responses to prompts of the store, from a ``model_version`` of ours or a ``provider``'s ``model``.

    ``source`` is the name that they carry. Two samples of a prompt become a comparison; a single one is compared with
    the prompt's newest response from elsewhere. Dollars: ``spent`` on replies, at most ``budget`` (null for none);
    ``held`` at most for requests whose reply never came. ``made`` counts what came of it.
    """

    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="generations")
    job = models.OneToOneField(Job, on_delete=models.PROTECT, related_name="generation")
    model_version = models.ForeignKey(
        ModelVersion, null=True, on_delete=models.PROTECT, related_name="generations"
    )
    provider = models.CharField(max_length=20, blank=True)
    model = models.CharField(max_length=200, blank=True)
    provider_settings = models.JSONField(default=dict, blank=True)
    source = models.CharField(max_length=200)
    tag = models.ForeignKey(Tag, null=True, blank=True, on_delete=models.PROTECT, related_name="generations")
    most_prompts = models.PositiveIntegerField(null=True, blank=True)
    parameters = models.JSONField()
    seed = models.PositiveBigIntegerField(default=0)
    budget = models.DecimalField(max_digits=12, decimal_places=6, null=True, blank=True)
    spent = models.DecimalField(max_digits=14, decimal_places=6, default=0)
    held = models.DecimalField(max_digits=14, decimal_places=6, default=0)
    comparisons = models.ManyToManyField(Comparison, related_name="generations")
    made = models.JSONField(default=dict)

    class Meta:
        ordering = ("-id",)
        constraints = (
            models.CheckConstraint(
                condition=Q(model_version__isnull=False) ^ ~Q(provider=""), name="generation_has_one_source"
            ),
        )

    def __str__(self) -> str:
        return f"responses of {self.source}"


class Round(Started):
    """One turn of the loop: new responses, judged and labelled, and people are asked what the policy leaves to them.

    ``most_routed`` is how many comparisons may go to people, ``routed`` how many did; null before that.
    """

    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="rounds")
    number = models.PositiveIntegerField()
    job = models.OneToOneField(Job, on_delete=models.PROTECT, related_name="round")
    generation = models.OneToOneField(Generation, on_delete=models.PROTECT, related_name="round")
    policy = models.ForeignKey(Policy, on_delete=models.PROTECT, related_name="rounds")
    judges = models.ManyToManyField(Judge, related_name="rounds")
    judge_runs = models.ManyToManyField(JudgeRun, related_name="rounds")
    labelling = models.ForeignKey(Labelling, null=True, on_delete=models.PROTECT, related_name="rounds")
    most_routed = models.PositiveIntegerField(null=True, blank=True)
    routed = models.PositiveIntegerField(null=True, blank=True)

    class Meta:
        ordering = ("-number",)
        constraints = (models.UniqueConstraint(fields=("project", "number"), name="round_once"),)

    def __str__(self) -> str:
        return f"round {self.number}"
