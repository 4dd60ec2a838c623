"""Projects, members and tokens."""

import pytest
from django.test import Client
from django.urls import reverse

from feedback.actions.tokens import create_token, token_sha256
from feedback.models import ApiToken, Member, Project


@pytest.fixture
def ana(project, make_user):
    return make_user("ana", project=project, role="owner", is_staff=True)


@pytest.fixture
def client(ana):
    client = Client()
    client.force_login(ana)
    return client


def test_projects_show_the_role_and_what_waits(client, project, make_comparisons):
    make_comparisons(project, 3)
    html = client.get(reverse("feedback:projects")).content.decode()
    assert "Help desk" in html
    assert "Owner" in html
    assert "3 comparisons wait for you" in html


def test_projects_of_others_are_not_listed(client, make_user):
    Project.objects.create(name="Secret", slug="secret")
    assert "Secret" not in client.get(reverse("feedback:projects")).content.decode()


def test_a_new_project_belongs_to_its_maker(client, ana):
    response = client.post(reverse("feedback:project-new"), {"name": "Poems & songs", "overlap": 3})
    made = Project.objects.get(slug="poems-songs")
    assert response.url == reverse("loop", args=[made.slug])
    assert Member.objects.get(project=made).user == ana


@pytest.mark.parametrize(
    ("name", "sentence"), [("Help desk", "already a project"), ("!!!", "needs a letter"), ("", "required")]
)
def test_a_name_that_can_not_be_is_said_beside_the_field(name, sentence, client, project):
    html = client.post(reverse("feedback:project-new"), {"name": name, "overlap": 2}).content.decode()
    assert sentence in html
    assert 'class="errorlist"' in html


def test_an_owner_adds_somebody_by_name(client, project, make_user):
    make_user("bob")
    url = reverse("feedback:members", args=[project.slug])
    html = client.post(url, {"username": "bob", "role": "annotator"}, follow=True).content.decode()
    assert "bob is now annotator" in html
    assert project.members.get(user__username="bob").role == "annotator"


def test_an_unknown_name_is_refused_with_the_way_out(client, project):
    url = reverse("feedback:members", args=[project.slug])
    html = client.post(url, {"username": "nobody", "role": "annotator"}).content.decode()
    assert "Nobody here is called" in html
    assert "send them an invitation" in html


def test_a_token_is_shown_once_and_kept_as_a_hash(client):
    response = client.post(reverse("feedback:tokens"), {"name": "export", "scope": "read"})
    secret = response.context["secret"]
    assert secret in response.content.decode()
    assert "no-store" in response.headers["Cache-Control"]
    token = ApiToken.objects.get()
    assert token.sha256 == token_sha256(secret)
    assert secret not in client.get(reverse("feedback:tokens")).content.decode()


def test_a_token_is_revoked_by_its_owner_only(client, ana, make_user):
    own, _ = create_token(user=ana, name="mine", scope="read")
    others, _ = create_token(user=make_user("bob"), name="bobs", scope="read")
    assert client.post(reverse("feedback:token-revoke", args=[others.pk])).status_code == 404
    assert client.post(reverse("feedback:token-revoke", args=[own.pk])).status_code == 302
    own.refresh_from_db()
    others.refresh_from_db()
    assert own.revoked_at is not None
    assert others.revoked_at is None
