"""A project: one alignment effort with its members and its guidelines. Everything else hangs from it."""

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _


class Project(models.Model):
    """One alignment effort.

    ``overlap`` is the number of people asked about each new comparison; 0 where judges come first and people are
    asked only about what is chosen for them. ``form`` says how people answer (``feedback.answers.AnswerForm``), and
    ``scored_rubric`` names the rubric whose newest version they score with; empty, it is the newest of all.

    ``batch_size`` is how many leases a person holds at once: the item at hand and those loaded ahead. The rates are
    the shares of a person's items that are gold, attention checks and repeats of their own. Below ``gold_minimum``,
    the share right among the last ``gold_window`` gold items, a person is stopped and the lead told.
    ``pay_per_hour`` is what a person costs, in dollars as judges' calls do.
    """

    name = models.CharField(max_length=200, unique=True)
    slug = models.SlugField(max_length=80, unique=True)
    description = models.TextField(blank=True)
    overlap = models.PositiveSmallIntegerField(default=1)
    lease_seconds = models.PositiveIntegerField(default=1800)
    batch_size = models.PositiveSmallIntegerField(default=2)
    form = models.JSONField(default=dict, blank=True)
    scored_rubric = models.CharField(max_length=100, blank=True)
    show_judges = models.BooleanField(default=False)
    paused = models.BooleanField(default=False)
    cap_per_day = models.PositiveIntegerField(null=True, blank=True)
    cap_per_person = models.PositiveIntegerField(null=True, blank=True)
    gold_rate = models.FloatField(default=0.0)
    attention_rate = models.FloatField(default=0.0)
    repeat_rate = models.FloatField(default=0.0)
    gold_minimum = models.FloatField(null=True, blank=True)
    gold_window = models.PositiveSmallIntegerField(default=20)
    pay_per_hour = models.FloatField(null=True, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ("name",)
        constraints = (
            models.CheckConstraint(condition=Q(overlap__lte=9), name="project_overlap_at_most_9"),
            models.CheckConstraint(
                condition=Q(batch_size__gte=1, batch_size__lte=50), name="project_batch_1_to_50"
            ),
            models.CheckConstraint(
                condition=Q(gold_rate__gte=0, attention_rate__gte=0, repeat_rate__gte=0)
                & Q(gold_rate__lte=0.5, attention_rate__lte=0.5, repeat_rate__lte=0.5),
                name="project_rates_at_most_half",
            ),
            models.CheckConstraint(
                condition=Q(gold_minimum=None) | Q(gold_minimum__gt=0, gold_minimum__lte=1),
                name="project_gold_minimum_is_a_share",
            ),
            models.CheckConstraint(
                condition=Q(pay_per_hour=None) | Q(pay_per_hour__gt=0), name="project_pay_is_positive"
            ),
        )

    def __str__(self) -> str:
        return self.name


class Role(models.TextChoices):
    ANNOTATOR = "annotator", _("Annotator")
    REVIEWER = "reviewer", _("Reviewer")
    ENGINEER = "engineer", _("Engineer")
    OWNER = "owner", _("Owner")


class Member(models.Model):
    """What one person may do in one project; nothing any more from ``deactivated_at`` on, while it is set."""

    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="members")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="memberships")
    role = models.CharField(max_length=20, choices=Role.choices)
    deactivated_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = (
            models.UniqueConstraint(fields=("project", "user"), name="member_once_per_project"),
            models.CheckConstraint(condition=Q(role__in=Role.values), name="member_role_known"),
        )

    def __str__(self) -> str:
        return f"{self.user} ({self.role})"


class SliceRule(models.Model):
    """What the comparisons of one tag ask for instead of the project's default; empty parts ask nothing special."""

    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="slice_rules")
    tag = models.OneToOneField("feedback.Tag", on_delete=models.CASCADE, related_name="slice_rule")
    overlap = models.PositiveSmallIntegerField(null=True, blank=True)
    language = models.CharField(max_length=35, blank=True)
    skill = models.CharField(max_length=60, blank=True)

    class Meta:
        constraints = (
            models.CheckConstraint(
                condition=Q(overlap=None) | Q(overlap__lte=9), name="slice_overlap_at_most_9"
            ),
        )

    def __str__(self) -> str:
        return f"{self.tag}"


class Notice(models.Model):
    """Something the leads of a project must be told. ``kind`` and ``subject`` say what it is about, once while open."""

    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="notices")
    kind = models.CharField(max_length=40)
    subject = models.CharField(max_length=200)
    text = models.TextField()
    created_at = models.DateTimeField(auto_now_add=True)
    settled_at = models.DateTimeField(null=True, blank=True)
    settled_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="settled_notices"
    )

    class Meta:
        ordering = ("-pk",)
        constraints = (
            models.UniqueConstraint(
                fields=("project", "kind", "subject"), condition=Q(settled_at=None), name="notice_open_once"
            ),
        )

    def __str__(self) -> str:
        return self.text
