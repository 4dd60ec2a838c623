"""Every page of this room and the loop, for every role, an outsider, an administrator and nobody."""

import pytest
from django.test import Client
from django.urls import reverse

from feedback.models import Role

MEMBERS = set(Role.values)
REVIEWERS = MEMBERS - {Role.ANNOTATOR}
EVERYBODY = {*MEMBERS, "outsider", "administrator"}
PAGES = {
    "feedback:projects": EVERYBODY,
    "feedback:project-new": {"administrator"},
    "feedback:tokens": EVERYBODY,
    "loop": MEMBERS | {"administrator"},
    "feedback:annotate": MEMBERS | {"administrator"},
    "feedback:guidelines": MEMBERS | {"administrator"},
    "feedback:guideline-changes": MEMBERS | {"administrator"},
    "feedback:guideline-edit": {Role.OWNER, "administrator"},
    "feedback:guideline-readers": {Role.OWNER, "administrator"},
    "feedback:review": REVIEWERS | {"administrator"},
    "feedback:review-item": REVIEWERS | {"administrator"},
    "feedback:comparisons": REVIEWERS | {"administrator"},
    "feedback:comparison": REVIEWERS | {"administrator"},
    "feedback:members": {Role.OWNER, "administrator"},
}
OF_A_COMPARISON = {"feedback:comparison", "feedback:review-item"}
WITHOUT_PROJECT = {"feedback:projects", "feedback:project-new", "feedback:tokens"}


@pytest.fixture
def url_of(project, make_comparisons):
    comparison = make_comparisons(project, 1)[0]

    def url(page: str) -> str:
        if page in WITHOUT_PROJECT:
            return reverse(page)
        return reverse(page, args=[project.slug, *([comparison.pk] if page in OF_A_COMPARISON else [])])

    return url


@pytest.mark.parametrize("page", PAGES)
@pytest.mark.parametrize("who", sorted(EVERYBODY))
def test_page_opens_for_those_who_may_and_for_nobody_else(page, who, url_of, project, make_user):
    role = who if who in MEMBERS else None
    user = make_user("somebody", project=project, role=role, is_superuser=who == "administrator")
    client = Client()
    client.force_login(user)
    hidden = 403 if page in WITHOUT_PROJECT else 404
    assert client.get(url_of(page)).status_code == (200 if who in PAGES[page] else hidden)


@pytest.mark.parametrize("page", PAGES)
def test_page_sends_nobody_to_the_log_in(page, url_of):
    url = url_of(page)
    response = Client().get(url)
    assert response.status_code == 302
    assert response.url == f"{reverse('login')}?next={url}"


@pytest.mark.parametrize("who", [Role.ANNOTATOR, Role.REVIEWER, Role.ENGINEER, "outsider"])
def test_only_an_owner_changes_members(who, project, make_user):
    user = make_user("somebody", project=project, role=who if who in MEMBERS else None)
    make_user("friend")
    client = Client()
    client.force_login(user)
    url = reverse("feedback:members", args=[project.slug])
    assert client.post(url, {"username": "friend", "role": "owner"}).status_code == 404
    assert not project.members.filter(user__username="friend").exists()


def test_an_outsider_can_not_judge(project, make_user, make_comparisons):
    make_comparisons(project, 1)
    client = Client()
    client.force_login(make_user("stranger"))
    assert client.post(reverse("feedback:annotate", args=[project.slug]), {"choice": "a"}).status_code == 404
