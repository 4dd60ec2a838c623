"""Invitations: a link that lets one person into a project once. It is shown when made and kept only as a hash."""

import secrets
from datetime import datetime, timedelta

from django.contrib.auth.models import User
from django.db import IntegrityError, transaction
from django.db.models import QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _

from feedback.actions.audit import record
from feedback.actions.projects import set_member
from feedback.actions.tokens import token_sha256
from feedback.errors import Refused
from feedback.models import Invitation, Member, Project, Role
from feedback.people import Person

LIFETIMES = (1, 7, 30)  # days


def create_invitation(
    *, project: Project, role: str, days: int, by: Person, note: str = ""
) -> tuple[Invitation, str]:
    """A new invitation and its secret, which can not be read again. Refused: no such role or lifetime."""
    if role not in Role.values:
        raise Refused(
            _("%(role)r is no role; use one of %(choices)s.")
            % {"role": role, "choices": ", ".join(Role.values)},
            field="role",
        )
    if days not in LIFETIMES:
        raise Refused(
            _("An invitation lasts %(choices)s days.") % {"choices": ", ".join(map(str, LIFETIMES))},
            field="days",
        )
    secret = secrets.token_urlsafe(32)
    with transaction.atomic():
        invitation = Invitation.objects.create(
            project=project,
            role=role,
            note=note,
            sha256=token_sha256(secret),
            created_by=by,
            expires_at=timezone.now() + timedelta(days=days),
        )
        record(by=by, verb="invite", target=invitation, project=project, role=role, days=days)
    return invitation, secret


def revoke_invitation(*, invitation: Invitation, by: Person) -> None:
    """End an invitation that nobody has used."""
    with transaction.atomic():
        if _open(timezone.now()).filter(pk=invitation.pk).update(revoked_at=timezone.now()):
            record(by=by, verb="revoke invitation", target=invitation, project=invitation.project)


def open_invitation(secret: str) -> Invitation | None:
    """The invitation of this secret, if it still lets somebody in."""
    found = _open(timezone.now()).filter(sha256=token_sha256(secret))
    return found.select_related("project", "created_by").first()


def accept_invitation(*, invitation: Invitation, user: User) -> Member:
    """Make ``user`` a member by an invitation, which then opens nothing any more.

    Refused where it has been used, revoked or has expired meanwhile, and for somebody who is or was a member.
    """
    project, now = invitation.project, timezone.now()
    with transaction.atomic():
        if Member.objects.filter(project=project, user=user).exists():
            raise Refused(
                _("You are a member of this project already; only its owner changes what you may do.")
            )
        if not _open(now).filter(pk=invitation.pk).update(used_at=now, used_by=user):
            raise Refused(_("This invitation was used or ended at this very moment; ask for another one."))
        record(by=user, verb="accept invitation", target=invitation, project=project, role=invitation.role)
        return set_member(project=project, user=user, role=invitation.role, by=invitation.created_by)


def join_as_new_user(*, invitation: Invitation, username: str, password: str) -> User:
    """A new account, and a member by the invitation: both or neither. Refused: a name somebody took just now."""
    try:
        with transaction.atomic():
            user = User.objects.create_user(username=username, password=password)
            record(by=user, verb="create account", target=user, project=invitation.project)
            accept_invitation(invitation=invitation, user=user)
    except IntegrityError as error:
        raise Refused(_("Somebody else has taken this name just now."), field="username") from error
    return user


def _open(now: datetime) -> QuerySet[Invitation]:
    return Invitation.objects.filter(used_at=None, revoked_at=None, expires_at__gt=now)
