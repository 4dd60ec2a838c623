"""Comparisons: what is judged, a prompt and two or more of its responses in a canonical order."""

from django.db import models
from django.db.models import F, Q

from feedback.models.fields import IntTupleField
from feedback.models.project import Project
from feedback.models.prompt import Prompt, Response


class Tag(models.Model):
    """A name for a slice of a project's comparisons."""

    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="tags")
    name = models.CharField(max_length=100)

    class Meta:
        ordering = ("name",)
        constraints = (models.UniqueConstraint(fields=("project", "name"), name="tag_once_per_project"),)

    def __str__(self) -> str:
        return self.name


class Purpose(models.TextChoices):
    TRAIN = "train"  # may become a label and train a model
    EVALUATE = "evaluate"  # compares two models on held-out prompts; never in a snapshot


class Comparison(models.Model):
    """One prompt and 2 to n of its responses. Rankings refer to the canonical order of ``slots``.

    ``external_id`` is the id of the file it came from, or the hash of its content where the file has none; the
    same id twice is the same comparison. ``content_sha256`` does not depend on the order of the responses.
    """

    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="comparisons")
    prompt = models.ForeignKey(Prompt, on_delete=models.CASCADE, related_name="comparisons")
    external_id = models.CharField(max_length=200)
    content_sha256 = models.CharField(max_length=64)
    purpose = models.CharField(max_length=10, choices=Purpose.choices, default=Purpose.TRAIN)
    overlap = models.PositiveSmallIntegerField()
    metadata = models.JSONField(default=dict, blank=True)
    tags = models.ManyToManyField(Tag, related_name="comparisons")
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = (
            models.UniqueConstraint(fields=("project", "external_id"), name="comparison_id_once_per_project"),
            models.CheckConstraint(condition=Q(purpose__in=Purpose.values), name="comparison_purpose_known"),
        )
        indexes = (
            models.Index(fields=("project", "purpose", "id"), name="comparison_by_purpose"),
            models.Index(fields=("project", "content_sha256"), name="comparison_by_content"),
        )

    def __str__(self) -> str:
        return self.external_id


class Slot(models.Model):
    """One response's place in a comparison's canonical order, from 0."""

    comparison = models.ForeignKey(Comparison, on_delete=models.CASCADE, related_name="slots")
    response = models.ForeignKey(Response, on_delete=models.CASCADE, related_name="slots")
    position = models.PositiveSmallIntegerField()
    key = models.CharField(max_length=100, help_text="The response's id in the file it came from.")

    class Meta:
        ordering = ("comparison", "position")
        constraints = (
            models.UniqueConstraint(fields=("comparison", "position"), name="slot_position_once"),
            models.UniqueConstraint(fields=("comparison", "response"), name="slot_response_once"),
            models.UniqueConstraint(fields=("comparison", "key"), name="slot_key_once"),
        )

    def __str__(self) -> str:
        return f"{self.comparison_id}[{self.position}]"


class QueueItem(models.Model):
    """The narrow hot row that the queue works on, apart from the texts.

    ``slots_free`` = the comparison's overlap - its open assignments - its people's current verdicts. The database
    refuses a negative one, so no concurrency can give a comparison to more people than it asks for.
    """

    comparison = models.OneToOneField(
        Comparison, on_delete=models.CASCADE, primary_key=True, related_name="queue_item"
    )
    # Not a foreign key: its row would become a lock every take waits on.
    project_id = models.BigIntegerField()
    priority = models.IntegerField(default=0)
    slots_free = models.SmallIntegerField()

    class Meta:
        constraints = (
            models.CheckConstraint(condition=Q(slots_free__gte=0), name="queue_slots_not_negative"),
        )
        indexes = (
            models.Index(
                F("project_id"),
                F("priority").desc(),
                F("comparison_id"),
                condition=Q(slots_free__gt=0),
                name="queue_open",
            ),
        )

    def __str__(self) -> str:
        return f"{self.comparison_id}: {self.slots_free} free"


class Assignment(models.Model):
    """The lease of one comparison to one person until ``expires_at``; a lease that lapses is deleted.

    ``shown`` holds canonical positions in the order shown: ``(1, 0)`` puts the second response on the left.
    ``done_at`` is set by the verdict or the skip; the row then stays, so that nobody is asked twice.
    """

    comparison = models.ForeignKey(Comparison, on_delete=models.CASCADE, related_name="assignments")
    rater = models.ForeignKey("feedback.Rater", on_delete=models.CASCADE, related_name="assignments")
    shown = IntTupleField()
    created_at = models.DateTimeField(auto_now_add=True)
    expires_at = models.DateTimeField()
    done_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = (
            models.UniqueConstraint(fields=("comparison", "rater"), name="assignment_once_per_rater"),
        )
        indexes = (
            models.Index(fields=("expires_at",), condition=Q(done_at=None), name="assignment_open_by_expiry"),
            models.Index(fields=("rater", "done_at"), name="assignment_by_rater"),
        )

    def __str__(self) -> str:
        return f"{self.comparison_id} to {self.rater_id}"
