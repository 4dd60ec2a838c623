"""Members: deactivated with their history kept, let in again, invited by a link that works once."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from django.contrib.auth.models import Permission as DjangoPermission
from django.contrib.auth.models import User
from django.db import connection
from django.utils import timezone

from feedback.actions.assignments import take_next
from feedback.actions.guidelines import mark_read
from feedback.actions.invitations import (
    accept_invitation,
    create_invitation,
    join_as_new_user,
    open_invitation,
    revoke_invitation,
)
from feedback.actions.projects import (
    create_project,
    deactivate_member,
    rater_of,
    reactivate_member,
    set_member,
)
from feedback.errors import Refused
from feedback.models import AuditEntry, Invitation, Member, Project, QueueItem, Role
from feedback.permissions import grants, projects_of


@pytest.fixture
def owner(project, make_user):
    return make_user("olga", project=project, role=Role.OWNER)


@pytest.fixture
def invite(project, owner):
    def make(role=Role.ANNOTATOR, days=7):
        return create_invitation(project=project, role=role, days=days, by=owner)

    return make


def test_a_deactivated_member_has_no_right_and_knows_of_no_project(project, make_user):
    user = make_user("ana", project=project, role=Role.ENGINEER)
    deactivate_member(member=Member.objects.get(user=user), by=None)
    assert grants(user, project) == frozenset()
    assert not projects_of(user).exists()


def test_a_deactivated_member_keeps_role_and_rater_and_is_let_in_again_as_before(project, owner, make_user):
    user = make_user("ana", project=project, role=Role.REVIEWER)
    rater = rater_of(project=project, user=user)
    member = Member.objects.get(user=user)
    before = grants(user, project)
    deactivate_member(member=member, by=owner)
    reactivate_member(member=member, by=owner)
    assert grants(user, project) == before
    assert rater_of(project=project, user=user) == rater
    verbs = AuditEntry.objects.filter(project=project, actor=owner).values_list("verb", flat=True)
    assert {"deactivate", "reactivate"} <= set(verbs)


def test_what_a_deactivated_member_holds_goes_back_to_the_queue(project, make_user, make_comparisons):
    make_comparisons(project, 1)
    user = make_user("ana", project=project, role=Role.ANNOTATOR)
    rater = rater_of(project=project, user=user)
    mark_read(rater=rater, version=1)
    held = take_next(rater=rater)
    assert QueueItem.objects.get().slots_free == project.overlap - 1
    deactivate_member(member=Member.objects.get(user=user), by=None)
    assert QueueItem.objects.get(pk=held.comparison_id).slots_free == project.overlap


def test_the_only_active_owner_can_not_be_deactivated(project, owner, make_user):
    second = make_user("otto", project=project, role=Role.OWNER)
    deactivate_member(member=Member.objects.get(user=second), by=owner)
    with pytest.raises(Refused, match="olga is the only owner"):
        deactivate_member(member=Member.objects.get(user=owner), by=owner)
    with pytest.raises(Refused, match="olga is the only owner"):
        set_member(project=project, user=owner, role=Role.ENGINEER, by=owner)
    assert grants(owner, project)


def test_a_role_does_not_let_a_deactivated_member_in(project, owner, make_user):
    user = make_user("ana", project=project, role=Role.ANNOTATOR)
    deactivate_member(member=Member.objects.get(user=user), by=owner)
    with pytest.raises(Refused, match="ana was deactivated in Help desk"):
        set_member(project=project, user=user, role=Role.OWNER, by=owner)
    assert grants(user, project) == frozenset()


def test_an_invitation_makes_an_account_and_a_member_once(project, invite):
    invitation, secret = invite(role=Role.REVIEWER)
    assert open_invitation(secret) == invitation
    user = join_as_new_user(invitation=invitation, username="nina", password="a long enough one")
    assert user.check_password("a long enough one")
    assert Member.objects.get(project=project, user=user).role == Role.REVIEWER
    assert open_invitation(secret) is None
    with pytest.raises(Refused, match="ask for another one"):
        join_as_new_user(invitation=invitation, username="nora", password="a long enough one")
    assert not User.objects.filter(username="nora").exists()


def test_the_secret_of_an_invitation_is_not_kept(invite):
    invitation, secret = invite()
    stored = Invitation.objects.filter(pk=invitation.pk).values().get()
    assert not [value for value in stored.values() if secret in str(value)]


def test_an_invitation_ends_by_time_and_by_hand(invite, owner):
    late, late_secret = invite(days=1)
    Invitation.objects.filter(pk=late.pk).update(expires_at=timezone.now() - timedelta(seconds=1))
    revoked, revoked_secret = invite()
    revoke_invitation(invitation=revoked, by=owner)
    assert open_invitation(late_secret) is None
    assert open_invitation(revoked_secret) is None
    assert open_invitation("no secret at all") is None


@pytest.mark.parametrize("change", ["deactivated", "steps down"])
def test_who_owns_the_project_no_longer_lets_nobody_in(change, project, owner, invite, make_user):
    make_user("otto", project=project, role=Role.OWNER)
    _, secret = invite(role=Role.OWNER)
    if change == "deactivated":
        deactivate_member(member=Member.objects.get(user=owner), by=None)
    else:
        set_member(project=project, user=owner, role=Role.ANNOTATOR, by=None)
    assert open_invitation(secret) is None


def test_a_deactivated_member_does_not_come_back_by_an_invitation(project, make_user, invite):
    user = make_user("ana", project=project, role=Role.ANNOTATOR)
    deactivate_member(member=Member.objects.get(user=user), by=None)
    invitation, secret = invite()
    with pytest.raises(Refused, match="member of this project already"):
        accept_invitation(invitation=invitation, user=user)
    assert open_invitation(secret) == invitation
    assert grants(user, project) == frozenset()


@pytest.mark.parametrize(("role", "days", "field"), [("king", 7, "role"), (Role.OWNER, 3650, "days")])
def test_an_invitation_of_no_role_or_for_years_is_refused(role, days, field, project, owner):
    with pytest.raises(Refused) as refused:
        create_invitation(project=project, role=role, days=days, by=owner)
    assert refused.value.field == field


@pytest.mark.django_db(transaction=True)
def test_one_invitation_opened_by_four_at_once_lets_one_in(project, make_user):
    invitation, _ = create_invitation(project=project, role=Role.ANNOTATOR, days=1, by=None)
    users = [make_user(f"user{number}") for number in range(4)]

    def accept(user: User) -> bool:
        try:
            accept_invitation(invitation=invitation, user=user)
            return True
        except Refused:
            return False
        finally:
            connection.close()

    with ThreadPoolExecutor(4) as pool:
        assert sorted(pool.map(accept, users)) == [False, False, False, True]
    assert Member.objects.filter(project=project).count() == 1


def test_only_those_who_are_allowed_make_projects(make_user):
    with pytest.raises(Refused, match="ask an administrator"):
        create_project(name="Mine", by=make_user("ana"))
    assert not Project.objects.exists()
    allowed = make_user("ben")
    allowed.user_permissions.add(DjangoPermission.objects.get(codename="add_project"))
    for name, user in {"One": allowed, "Two": make_user("cy", is_staff=True)}.items():
        assert create_project(name=name, by=user).members.get().user == user
