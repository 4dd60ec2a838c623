"""The audit trail: a line beside every change, in the change's own transaction."""

from collections.abc import Iterable
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


def record_each(
    *, by: Person, verb: str, model: type[Model], ids: Iterable[int], project: Project, **detail: Any
) -> None:
    """The same for many rows of one model at once, a line each."""
    target = model._meta.model_name or ""
    AuditEntry.objects.bulk_create(
        AuditEntry(actor=by, verb=verb, target=target, target_id=pk, project=project, detail=detail)
        for pk in ids
    )
