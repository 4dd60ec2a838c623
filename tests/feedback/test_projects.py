"""Projects and their members: never ownerless, and each name given once."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connection

from feedback.actions.projects import create_project, set_member
from feedback.errors import Refused
from feedback.models import Member, Project, Role


@pytest.fixture
def owner(project, make_user):
    return make_user("olga", project=project, role=Role.OWNER)


def test_the_only_owner_can_not_step_down(project, owner):
    with pytest.raises(Refused, match="olga is the only owner of Help desk") as refused:
        set_member(project=project, user=owner, role=Role.ANNOTATOR, by=owner)
    assert refused.value.field == "username"
    assert Member.objects.get(user=owner).role == Role.OWNER


def test_an_owner_steps_down_where_another_is_left(project, owner, make_user):
    make_user("otto", project=project, role=Role.OWNER)
    set_member(project=project, user=owner, role=Role.ENGINEER, by=owner)
    assert Member.objects.get(user=owner).role == Role.ENGINEER


def test_the_page_says_why_the_only_owner_stays(client, project, owner):
    client.force_login(owner)
    answer = client.post(f"/p/{project.slug}/members/", {"username": "olga", "role": "annotator"})
    assert "make somebody else an owner first" in answer.content.decode()


@pytest.mark.django_db(transaction=True)
def test_a_form_sent_several_times_at_once_makes_one_project():
    def make(_: int) -> str:
        try:
            return create_project(name="Twice", by=None).slug
        except Refused as refusal:
            return refusal.field or ""
        finally:
            connection.close()

    with ThreadPoolExecutor(4) as pool:
        assert sorted(pool.map(make, range(4))) == ["name", "name", "name", "twice"]
    assert Project.objects.count() == 1
