"""Projects, their members and their raters."""

from django.contrib.auth.models import User
from django.db import IntegrityError, transaction
from django.db.models import QuerySet
from django.utils import timezone
from django.utils.text import slugify
from django.utils.translation import gettext as _

from feedback.actions.assignments import MOST_PEOPLE, release_assignment
from feedback.actions.audit import record
from feedback.actions.guidelines import publish_guidelines
from feedback.errors import Refused
from feedback.models import Assignment, Invitation, Member, Pool, Project, QueueEpoch, Rater, RaterKind, Role
from feedback.people import Person
from feedback.permissions import may_create_projects
from feedback.statements import one

_RATER = "SELECT * FROM feedback_rater WHERE project_id = %s AND user_id = %s"


def create_project(
    *, name: str, by: Person, description: str = "", guidelines: str = "", overlap: int = 1
) -> Project:
    """A new project, owned by ``by``. Refused: a name that is empty or taken, somebody who may make none."""
    if by is not None and not may_create_projects(by):
        raise Refused(_("You may not make projects on this server; ask an administrator to allow it."))
    slug = slugify(name)[:80]
    if not slug:
        raise Refused(
            _("%(name)r can not be a project's name: it needs a letter or a digit.") % {"name": name},
            field="name",
        )
    if Project.objects.filter(slug=slug).exists():
        raise _name_taken(name)
    if not 0 <= overlap <= MOST_PEOPLE:
        raise Refused(
            _("The overlap is the number of people asked about each comparison, from 0 to %(most)s.")
            % {"most": MOST_PEOPLE},
            field="overlap",
        )
    try:
        with transaction.atomic():
            project = Project.objects.create(name=name, slug=slug, description=description, overlap=overlap)
            QueueEpoch.objects.create(project=project)
            Pool.objects.create(project=project)
            if by is not None:
                Member.objects.create(project=project, user=by, role=Role.OWNER)
            record(by=by, verb="create", target=project, project=project)
            if guidelines.strip():
                publish_guidelines(project=project, texts={"en": guidelines}, by=by)
    except IntegrityError as error:
        raise _name_taken(name) from error
    return project


def set_member(*, project: Project, user: User, role: str, by: Person) -> Member:
    """Give ``user`` a role in the project, instead of an earlier one if there was one.

    Refused: the project's only owner in another role, and somebody who was deactivated here.
    """
    if role not in Role.values:
        raise Refused(
            _("%(role)r is no role; use one of %(choices)s.")
            % {"role": role, "choices": ", ".join(Role.values)},
            field="role",
        )
    with transaction.atomic():
        members = _locked_members(project)
        if members.filter(user=user).exclude(deactivated_at=None).exists():
            said = _("%(name)s was deactivated in %(project)s; let them in again first.")
            raise Refused(said % {"name": user.get_username(), "project": project.name}, field="username")
        if role != Role.OWNER:
            _refuse_to_be_ownerless(project, user)
            _revoke_invitations_of(user, project)
        member, _made = members.update_or_create(project=project, user=user, defaults={"role": role})
        record(by=by, verb="set member", target=member, project=project, user=user.pk, role=role)
    return member


def deactivate_member(*, member: Member, by: Person) -> None:
    """Take all access from a member and give back what they hold; their work and their role stay on record.

    Refused: the project's only owner.
    """
    project = member.project
    with transaction.atomic():
        _refuse_to_be_ownerless(project, _locked_members(project).get(pk=member.pk).user)
        active = Member.objects.filter(pk=member.pk, deactivated_at=None)
        if active.update(deactivated_at=timezone.now()):
            _revoke_invitations_of(member.user, project)
            _release_all(member)
            record(by=by, verb="deactivate", target=member, project=project, user=member.user_id)


def reactivate_member(*, member: Member, by: Person) -> None:
    """Let a deactivated member in again, in the role they had."""
    with transaction.atomic():
        if Member.objects.filter(pk=member.pk).exclude(deactivated_at=None).update(deactivated_at=None):
            record(by=by, verb="reactivate", target=member, project=member.project, user=member.user_id)


def _locked_members(project: Project) -> QuerySet[Member]:
    """The project's members, whom nobody else changes meanwhile: two owners must not step down at once."""
    Project.objects.select_for_update().get(pk=project.pk)
    return Member.objects.filter(project=project)


def _revoke_invitations_of(user: User, project: Project) -> None:
    """Who does not own the project any more lets nobody in any more either."""
    sent = Invitation.objects.filter(project=project, created_by=user, used_at=None, revoked_at=None)
    sent.update(revoked_at=timezone.now())


def _release_all(member: Member) -> None:
    held = Assignment.objects.filter(
        rater__project=member.project_id, rater__user=member.user_id, done_at=None, expires_at__isnull=False
    )
    for assignment in held.select_related("rater"):
        release_assignment(rater=assignment.rater, comparison_id=assignment.comparison_id)


def _name_taken(name: str) -> Refused:
    return Refused(
        _("There is already a project called %(name)r or nearly so; choose another name.") % {"name": name},
        field="name",
    )


def _refuse_to_be_ownerless(project: Project, user: User) -> None:
    owners = project.members.filter(role=Role.OWNER, deactivated_at=None)
    if set(owners.values_list("user", flat=True)) == {user.pk}:
        said = _("%(name)s is the only owner of %(project)s; make somebody else an owner first.")
        raise Refused(said % {"name": user.get_username(), "project": project.name}, field="username")


def rater_of(*, project: Project, user: User) -> Rater:
    """The rater that ``user`` is in this project, made on first use."""
    rater = one(Rater, _RATER, [project.pk, user.pk])
    if rater:
        rater.project = project
        return rater
    name = user.get_username()
    taken = Rater.objects.filter(project=project, kind=RaterKind.HUMAN, name=name).exists()
    rater, _made = Rater.objects.get_or_create(
        project=project,
        user=user,
        defaults={"kind": RaterKind.HUMAN, "name": f"{name} (user {user.pk})" if taken else name},
    )
    return rater
