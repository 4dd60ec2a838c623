"""The store: one aggregate a file."""

from feedback.models.access import ApiToken, AuditEntry, Invitation, TokenScope
from feedback.models.bulk import BulkChange
from feedback.models.comparison import MEASURING, Comparison, GoldAnswer, Purpose, Slot, Tag
from feedback.models.guideline import Doubt, Guideline, GuidelineReading
from feedback.models.job import RESUMABLE, UNFINISHED, Job, JobState
from feedback.models.judgment import Flag, FlagKind, Judgment, Outcome, Score, SecondLook, Span
from feedback.models.lookups import Among
from feedback.models.project import Member, Notice, Project, Role, SliceRule
from feedback.models.prompt import Prompt, Response
from feedback.models.queue import Assignment, Pool, QueueCursor, QueueEpoch, QueueItem, ShownTurn
from feedback.models.rater import Qualification, Rater, RaterKind
from feedback.models.review import Return, ReviewItem
from feedback.models.rubric import Criterion, Rubric, ScoredBy

__all__ = [
    "MEASURING",
    "RESUMABLE",
    "UNFINISHED",
    "Among",
    "ApiToken",
    "Assignment",
    "AuditEntry",
    "BulkChange",
    "Comparison",
    "Criterion",
    "Doubt",
    "Flag",
    "FlagKind",
    "GoldAnswer",
    "Guideline",
    "GuidelineReading",
    "Invitation",
    "Job",
    "JobState",
    "Judgment",
    "Member",
    "Notice",
    "Outcome",
    "Pool",
    "Project",
    "Prompt",
    "Purpose",
    "Qualification",
    "QueueCursor",
    "QueueEpoch",
    "QueueItem",
    "Rater",
    "RaterKind",
    "Response",
    "Return",
    "ReviewItem",
    "Role",
    "Rubric",
    "Score",
    "ScoredBy",
    "SecondLook",
    "ShownTurn",
    "SliceRule",
    "Slot",
    "Span",
    "Tag",
    "TokenScope",
]
