"""Who may do what: one table of roles, asked by every page and every endpoint alike."""

from enum import Enum

from django.contrib.auth.models import AnonymousUser, User
from django.db.models import QuerySet
from django.http import Http404

from feedback.models import Member, Project, Role
from feedback.statements import one

_OF_MEMBER = """
SELECT p.*, m.role AS role FROM feedback_project p JOIN feedback_member m ON m.project_id = p.id
WHERE p.slug = %s AND m.user_id = %s AND m.deactivated_at IS NULL
"""


class Permission(Enum):
    VIEW = "see the project's name, guidelines and one's own work"
    ANNOTATE = "take comparisons from the queue and judge them"
    REVIEW = "see every judgment, agreement, labels and sources"
    ENGINEER = "import, export, run judges and train"
    OWN = "change the project and its members"


_ANNOTATOR = frozenset({Permission.VIEW, Permission.ANNOTATE})
_REVIEWER = _ANNOTATOR | {Permission.REVIEW}
_ENGINEER = _REVIEWER | {Permission.ENGINEER}
GRANTS: dict[str, frozenset[Permission]] = {
    Role.ANNOTATOR: _ANNOTATOR,
    Role.REVIEWER: _REVIEWER,
    Role.ENGINEER: _ENGINEER,
    Role.OWNER: frozenset(Permission),
}


def grants(user: User | AnonymousUser, project: Project) -> frozenset[Permission]:
    """What ``user`` may do in ``project``; an administrator of the server may do everything."""
    if isinstance(user, AnonymousUser) or not user.is_active:
        return frozenset()
    if user.is_superuser:
        return frozenset(Permission)
    return GRANTS.get(role_in(project, user) or "", frozenset())


def role_in(project: Project, user: User) -> str | None:
    """The role in which ``user`` is an active member of the project, or None."""
    active = Member.objects.filter(project=project, user=user, deactivated_at=None)
    return active.values_list("role", flat=True).first()


def may_create_projects(user: User | AnonymousUser) -> bool:
    """Staff, and those who were given the permission: whoever makes a project may train in it, from any folder."""
    return user.is_active and (user.is_staff or user.has_perm("feedback.add_project"))


def projects_of(user: User | AnonymousUser) -> QuerySet[Project]:
    """The projects whose existence ``user`` may know of."""
    if isinstance(user, AnonymousUser):
        return Project.objects.none()
    if user.is_superuser:
        return Project.objects.all()
    return Project.objects.filter(members__user=user, members__deactivated_at=None)


def project_for(user: User | AnonymousUser, slug: str, permission: Permission) -> Project:
    """The project, if ``user`` has ``permission`` in it; otherwise 404, which does not tell whether it exists."""
    project, granted = _found(user, slug)
    if project is None or permission not in granted:
        raise Http404(f"There is no project {slug!r} that you may use for this.")
    return project


def _found(user: User | AnonymousUser, slug: str) -> tuple[Project | None, frozenset[Permission]]:
    """The project and what ``user`` may do there; a member's both come in one read."""
    if isinstance(user, AnonymousUser) or user.is_superuser or not user.is_active:
        project = Project.objects.filter(slug=slug).first()
        return project, grants(user, project) if project else frozenset()
    project = one(Project, _OF_MEMBER, [slug, user.pk])
    return project, GRANTS[project.role] if project else frozenset()  # type: ignore[attr-defined]  # selected


def engineers_somewhere(user: User | AnonymousUser) -> bool:
    """May ``user`` do an engineer's work in any project at all?"""
    if isinstance(user, AnonymousUser) or not user.is_active:
        return False
    roles = [role for role, granted in GRANTS.items() if Permission.ENGINEER in granted]
    return user.is_superuser or Member.objects.filter(user=user, role__in=roles, deactivated_at=None).exists()
