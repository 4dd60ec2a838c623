"""The queue's narrow tables: what is open, who holds what, and where each person has got to."""

from django.db import models
from django.db.models import F, Q

from feedback.models.comparison import Comparison
from feedback.models.fields import IntTupleField
from feedback.models.project import Project


class Pool(models.Model):
    """The comparisons of a project that ask the same of people: a language, a skill, both, or neither."""

    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="pools")
    language = models.CharField(max_length=35, blank=True)
    skill = models.CharField(max_length=60, blank=True)

    class Meta:
        constraints = (models.UniqueConstraint(fields=("project", "language", "skill"), name="pool_once"),)

    def __str__(self) -> str:
        return " ".join(part for part in (self.language, self.skill) if part) or "everybody"


class QueueItem(models.Model):
    """The narrow hot row that the queue works on, apart from the texts.

    ``slots_free`` = the comparison's overlap - its open assignments - its people's current verdicts. The database
    refuses a negative one, so no concurrency can give a comparison to more people than it asks for.
    """

    comparison = models.OneToOneField(
        Comparison, on_delete=models.CASCADE, primary_key=True, related_name="queue_item"
    )
    # Not foreign keys: their rows would become locks that every take waits on.
    project_id = models.BigIntegerField()
    pool_id = models.BigIntegerField()
    priority = models.IntegerField(default=0)
    slots_free = models.SmallIntegerField()

    class Meta:
        constraints = (
            models.CheckConstraint(condition=Q(slots_free__gte=0), name="queue_slots_not_negative"),
        )
        indexes = (
            models.Index(
                F("pool_id"),
                F("priority").desc(),
                F("comparison_id").desc(),
                condition=Q(slots_free__gt=0),
                name="queue_open",
            ),
        )

    def __str__(self) -> str:
        return f"{self.comparison_id}: {self.slots_free} free"


class Assignment(models.Model):
    """The lease of one comparison to one person until ``expires_at``.

    ``expires_at`` is null where no lease is held: it lapsed or was given back, and the same person may take it again,
    with its sides as before. ``shown`` holds canonical positions in the order shown: ``(1, 0)`` puts the second response on the left.
    ``done_at`` is set by the verdict or the skip; the row then stays, so that nobody is asked twice.
    """

    comparison = models.ForeignKey(Comparison, on_delete=models.CASCADE, related_name="assignments")
    rater = models.ForeignKey("feedback.Rater", on_delete=models.CASCADE, related_name="assignments")
    shown = IntTupleField()
    created_at = models.DateTimeField(auto_now_add=True)
    expires_at = models.DateTimeField(null=True, blank=True)
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


class QueueCursor(models.Model):
    """How far one person has come in one pool, so that a take does not walk over all they have done.

    Everything that sorts before (``priority``, ``comparison_id``) was given to them or was taken by others when they
    passed. It holds while the pool's order does: ``epoch`` is the project's queue epoch it was made in.
    """

    rater = models.ForeignKey("feedback.Rater", on_delete=models.CASCADE, related_name="cursors")
    pool_id = models.BigIntegerField()
    priority = models.IntegerField()
    comparison_id = models.BigIntegerField()
    epoch = models.BigIntegerField()
    set_at = models.DateTimeField()

    class Meta:
        constraints = (models.UniqueConstraint(fields=("rater", "pool_id"), name="cursor_once"),)

    def __str__(self) -> str:
        return f"{self.rater_id} in {self.pool_id}: {self.priority}, {self.comparison_id}"


class QueueEpoch(models.Model):
    """A number that grows whenever the queue's order changes, so that cursors made before are known to be stale."""

    project = models.OneToOneField(
        Project, on_delete=models.CASCADE, primary_key=True, related_name="queue_epoch"
    )
    number = models.BigIntegerField(default=0)

    def __str__(self) -> str:
        return f"{self.project_id}: {self.number}"
