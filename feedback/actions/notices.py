"""Things the leads of a project must be told, once while they are open."""

from django.db import transaction
from django.utils import timezone

from feedback.actions.audit import record
from feedback.models import Notice, Project
from feedback.people import Person


def notify(*, project: Project, kind: str, subject: str, text: str) -> Notice:
    """The open notice of this kind about this subject, made if there is none."""
    notice, _ = Notice.objects.get_or_create(
        project=project, kind=kind, subject=subject, settled_at=None, defaults={"text": text}
    )
    return notice


def settle_notice(*, notice: Notice, by: Person) -> None:
    """The leads have dealt with it; the next of its kind will be told again."""
    with transaction.atomic():
        Notice.objects.filter(pk=notice.pk, settled_at=None).update(settled_at=timezone.now(), settled_by=by)
        record(by=by, verb="settle", target=notice, project=notice.project)
