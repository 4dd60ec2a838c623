"""Comparisons: what is judged, a prompt and two or more of its responses in a canonical order."""

from django.db import models
from django.db.models import Q

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
    # The rest measure people. They are given past the queue, to everybody, and never become labels.
    GOLD = "gold"  # has a known answer; looks like any other
    ATTENTION = "attention"  # so plain that only somebody who does not read gets it wrong
    PRACTICE = "practice"  # comes before the real queue, its answer explained
    REPEAT = "repeat"  # the same texts as ``repeat_of``, to compare a person with themselves


MEASURING = (Purpose.GOLD, Purpose.ATTENTION, Purpose.PRACTICE, Purpose.REPEAT)


class Comparison(models.Model):
    """One prompt and 2 to n of its responses. Rankings refer to the canonical order of ``slots``.

    ``external_id`` is the id of the file it came from, or the hash of its content where the file has none; the
    same id twice is the same comparison. ``content_sha256`` does not depend on the order of the responses. One that is
    ``retired_at`` some time is given to nobody, and leaves labels and snapshots made from then on.
    """

    # Without an index of its own: comparison_in_order begins with it.
    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="comparisons", db_index=False)
    prompt = models.ForeignKey(Prompt, on_delete=models.CASCADE, related_name="comparisons")
    external_id = models.CharField(max_length=200)
    content_sha256 = models.CharField(max_length=64)
    purpose = models.CharField(max_length=10, choices=Purpose.choices, default=Purpose.TRAIN)
    repeat_of = models.OneToOneField(
        "self", null=True, blank=True, on_delete=models.CASCADE, related_name="repeat"
    )
    retired_at = models.DateTimeField(null=True, blank=True)
    overlap = models.PositiveSmallIntegerField()
    metadata = models.JSONField(default=dict, blank=True)
    tags = models.ManyToManyField(Tag, related_name="comparisons")
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = (
            models.UniqueConstraint(fields=("project", "external_id"), name="comparison_id_once_per_project"),
            models.CheckConstraint(condition=Q(purpose__in=Purpose.values), name="comparison_purpose_known"),
            models.CheckConstraint(
                condition=Q(purpose="repeat", repeat_of__isnull=False)
                | (~Q(purpose="repeat") & Q(repeat_of=None)),
                name="comparison_repeats_something",
            ),
        )
        indexes = (
            models.Index(fields=("project", "id"), name="comparison_in_order"),
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


class GoldAnswer(models.Model):
    """The known answer of a gold, attention or practice comparison: ``ranking`` by canonical position.

    ``explanation`` is shown after a practice item, and nowhere else to annotators.
    """

    comparison = models.OneToOneField(
        Comparison, on_delete=models.CASCADE, primary_key=True, related_name="gold_answer"
    )
    ranking = IntTupleField()
    explanation = models.TextField(blank=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = (models.CheckConstraint(condition=~Q(ranking=""), name="gold_answer_ranks"),)

    def __str__(self) -> str:
        return f"{self.comparison_id}: {self.ranking}"
