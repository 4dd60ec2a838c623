"""The queue's narrow tables: what is open, who holds what, and where each person has got to."""

from django.db import models
from django.db.models import Case, F, Q, Value, When

from feedback.models.comparison import Comparison
from feedback.models.fields import IntTupleField
from feedback.models.project import Project
from feedback.models.storage import TableStorage

# A priority is worth this many places in the line: more than there will ever be comparisons.
PRIORITY_STEP = 2**40
MOST_URGENT_PRIORITY = 1_000_000


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

    ``ticket`` is its place in its pool's line, and null while nobody can take it: the lowest is called first, and
    that is the most urgent one, then the oldest. It does not change while slots remain, so that taking one of several
    touches no index. A comparison that is nobody's business (retired, or one that measures people) has no item.
    """

    comparison = models.OneToOneField(
        Comparison, on_delete=models.CASCADE, primary_key=True, related_name="queue_item"
    )
    # Not foreign keys: their rows would become locks that every take waits on.
    project_id = models.BigIntegerField()
    pool_id = models.BigIntegerField()
    priority = models.IntegerField(default=0)
    slots_free = models.SmallIntegerField()
    responses = models.PositiveSmallIntegerField()
    ticket = models.GeneratedField(
        expression=Case(
            When(
                slots_free__gt=0,
                then=F("comparison_id")
                - F("priority") * Value(PRIORITY_STEP, output_field=models.BigIntegerField()),
            )
        ),
        output_field=models.BigIntegerField(null=True),
        db_persist=True,
    )

    class Meta:
        constraints = (
            models.CheckConstraint(condition=Q(slots_free__gte=0), name="queue_slots_not_negative"),
            models.CheckConstraint(
                condition=Q(priority__gte=-MOST_URGENT_PRIORITY, priority__lte=MOST_URGENT_PRIORITY),
                name="queue_priority_in_range",
            ),
            # Room on each page, so that a slot taken is written beside the old row and its indexes stay as they are.
            TableStorage(name="queue_storage", fillfactor=80, autovacuum_vacuum_scale_factor="0.02"),
        )
        indexes = (
            models.Index(fields=("pool_id", "ticket"), condition=Q(ticket__isnull=False), name="queue_line"),
        )

    def __str__(self) -> str:
        return f"{self.comparison_id}: {self.slots_free} free"


class Assignment(models.Model):
    """The lease of one comparison to one person until ``expires_at``.

    ``expires_at`` is null where no lease is held: it lapsed or was given back, and the same person may take it again,
    with its sides as before. ``shown`` holds canonical positions in the order shown: ``(1, 0)`` puts the second
    response on the left. ``done_at`` is set by the verdict or the skip; the row then stays, so that nobody is asked
    twice.
    """

    # Without indexes of their own: assignment_once_per_rater and assignment_by_rater begin with them.
    comparison = models.ForeignKey(
        Comparison, on_delete=models.CASCADE, related_name="assignments", db_index=False
    )
    rater = models.ForeignKey(
        "feedback.Rater", on_delete=models.CASCADE, related_name="assignments", db_index=False
    )
    shown = IntTupleField()
    created_at = models.DateTimeField(auto_now_add=True)
    expires_at = models.DateTimeField(null=True, blank=True)
    done_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = (
            models.UniqueConstraint(fields=("comparison", "rater"), name="assignment_once_per_rater"),
        )
        indexes = (
            models.Index(
                fields=("expires_at",),
                condition=Q(done_at=None, expires_at__isnull=False),
                name="assignment_open_by_expiry",
            ),
            models.Index(
                fields=("rater",),
                condition=Q(done_at=None, expires_at__isnull=False),
                name="assignment_held",
            ),
            models.Index(fields=("rater", "done_at"), name="assignment_by_rater"),
        )

    def __str__(self) -> str:
        return f"{self.comparison_id} to {self.rater_id}"


class QueueCursor(models.Model):
    """How far one person has come in one pool, so that a take does not walk over all they have done.

    Every ticket up to ``reached`` was theirs, or nobody could take it, when they passed. What has changed there since
    is found by looking back: ``looked_back`` is how far such a round has come, null when none is under way. A round
    begins when ``epoch`` is not the project's any more, and some minutes after ``round_at``, when the last one began.
    """

    rater = models.ForeignKey("feedback.Rater", on_delete=models.CASCADE, related_name="cursors")
    pool_id = models.BigIntegerField()
    reached = models.BigIntegerField()
    looked_back = models.BigIntegerField(null=True, blank=True)
    epoch = models.BigIntegerField()
    round_at = models.DateTimeField()

    class Meta:
        constraints = (
            models.UniqueConstraint(fields=("rater", "pool_id"), name="cursor_once"),
            TableStorage(name="cursor_storage", fillfactor=50),
        )

    def __str__(self) -> str:
        return f"{self.rater_id} in {self.pool_id}: {self.reached}"


class QueueEpoch(models.Model):
    """A number that grows whenever the line's order changes, so that everybody looks back at what they have passed."""

    project = models.OneToOneField(
        Project, on_delete=models.CASCADE, primary_key=True, related_name="queue_epoch"
    )
    number = models.BigIntegerField(default=0)

    def __str__(self) -> str:
        return f"{self.project_id}: {self.number}"


class ShownTurn(models.Model):
    """How many comparisons of so many responses one person was given: their sides are balanced over these turns."""

    rater = models.ForeignKey("feedback.Rater", on_delete=models.CASCADE, related_name="shown_turns")
    responses = models.PositiveSmallIntegerField()
    turns = models.PositiveIntegerField()

    class Meta:
        constraints = (
            models.UniqueConstraint(fields=("rater", "responses"), name="shown_turn_once"),
            TableStorage(name="shown_turn_storage", fillfactor=50),
        )

    def __str__(self) -> str:
        return f"{self.rater_id}: {self.turns} of {self.responses}"
