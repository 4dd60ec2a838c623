"""The store: one aggregate a file."""

from feedback.models.access import ApiToken, AuditEntry, TokenScope
from feedback.models.comparison import Assignment, Comparison, Purpose, QueueItem, Slot, Tag
from feedback.models.job import RESUMABLE, UNFINISHED, Job, JobState
from feedback.models.judgment import Judgment, Outcome, Score
from feedback.models.project import Member, Project, Role
from feedback.models.prompt import Prompt, Response
from feedback.models.rater import Rater, RaterKind
from feedback.models.rubric import Criterion, Rubric

__all__ = [
    "RESUMABLE",
    "UNFINISHED",
    "ApiToken",
    "Assignment",
    "AuditEntry",
    "Comparison",
    "Criterion",
    "Job",
    "JobState",
    "Judgment",
    "Member",
    "Outcome",
    "Project",
    "Prompt",
    "Purpose",
    "QueueItem",
    "Rater",
    "RaterKind",
    "Response",
    "Role",
    "Rubric",
    "Score",
    "Slot",
    "Tag",
    "TokenScope",
]
