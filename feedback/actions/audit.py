"""The audit trail: a line beside every change, in the change's own transaction."""

from typing import Any

from django.db.models import Model

from feedback.models import AuditEntry, Project
from feedback.people import Person


def record(*, by: Person, verb: str, target: Model, project: Project | None, **detail: Any) -> None:
    """Note that ``by`` did ``verb`` to ``target``; None is the system itself."""
    AuditEntry.objects.create(
        actor=by,
        verb=verb,
        target=target._meta.model_name or "",
        target_id=target.pk,
        project=project,
        detail=detail,
    )
