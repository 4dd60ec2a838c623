"""Projects, their members and their raters."""

from django.contrib.auth.models import User
from django.db import IntegrityError, transaction
from django.utils.text import slugify

from feedback.actions.assignments import MOST_PEOPLE
from feedback.actions.audit import record
from feedback.actions.guidelines import publish_guidelines
from feedback.errors import Refused
from feedback.models import Member, Pool, Project, QueueEpoch, Rater, RaterKind, Role
from feedback.people import Person


def create_project(
    *, name: str, by: Person, description: str = "", guidelines: str = "", overlap: int = 1
) -> Project:
    """A new project, owned by ``by``. Refused where the name is empty or taken."""
    slug = slugify(name)[:80]
    if not slug:
        raise Refused(f"{name!r} can not be a project's name: it needs a letter or a digit.", field="name")
    if Project.objects.filter(slug=slug).exists():
        raise _name_taken(name)
    if not 0 <= overlap <= MOST_PEOPLE:
        raise Refused(
            f"The overlap is the number of people asked about each comparison, from 0 to {MOST_PEOPLE}.",
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

    Refused: the project's only owner in another role.
    """
    if role not in Role.values:
        raise Refused(f"{role!r} is no role; use one of {', '.join(Role.values)}.", field="role")
    with transaction.atomic():
        # Two owners must not step down at the same moment.
        Project.objects.select_for_update().get(pk=project.pk)
        if role != Role.OWNER:
            _refuse_to_be_ownerless(project, user)
        member, _ = Member.objects.update_or_create(project=project, user=user, defaults={"role": role})
        record(by=by, verb="set member", target=member, project=project, user=user.pk, role=role)
    return member


def _name_taken(name: str) -> Refused:
    return Refused(
        f"There is already a project called {name!r} or nearly so; choose another name.", field="name"
    )


def _refuse_to_be_ownerless(project: Project, user: User) -> None:
    owners = set(project.members.filter(role=Role.OWNER).values_list("user", flat=True))
    if owners == {user.pk}:
        raise Refused(
            f"{user.get_username()} is the only owner of {project.name}; make somebody else an owner first.",
            field="username",
        )


def rater_of(*, project: Project, user: User) -> Rater:
    """The rater that ``user`` is in this project, made on first use."""
    rater = Rater.objects.filter(project=project, user=user).first()
    if rater:
        return rater
    name = user.get_username()
    taken = Rater.objects.filter(project=project, kind=RaterKind.HUMAN, name=name).exists()
    rater, _ = Rater.objects.get_or_create(
        project=project,
        user=user,
        defaults={"kind": RaterKind.HUMAN, "name": f"{name} (user {user.pk})" if taken else name},
    )
    return rater
