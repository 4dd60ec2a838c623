"""Who may do what: one table of roles, asked by every page and every endpoint alike."""

from enum import Enum

from django.contrib.auth.models import AnonymousUser, User
from django.db.models import QuerySet
from django.http import Http404

from feedback.models import Member, Project, Role


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
    role = Member.objects.filter(project=project, user=user).values_list("role", flat=True).first()
    return GRANTS[role] if role else frozenset()


def projects_of(user: User | AnonymousUser) -> QuerySet[Project]:
    """The projects whose existence ``user`` may know of."""
    if isinstance(user, AnonymousUser):
        return Project.objects.none()
    return Project.objects.all() if user.is_superuser else Project.objects.filter(members__user=user)


def project_for(user: User | AnonymousUser, slug: str, permission: Permission) -> Project:
    """The project, if ``user`` has ``permission`` in it; otherwise 404, which does not tell whether it exists."""
    project = Project.objects.filter(slug=slug).first()
    if project is None or permission not in grants(user, project):
        raise Http404(f"There is no project {slug!r} that you may use for this.")
    return project
