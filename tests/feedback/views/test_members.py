"""The members' pages, and the page behind an invitation's link."""

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse

from feedback.actions.invitations import create_invitation
from feedback.models import Invitation, Member, Role


@pytest.fixture
def owner(project, make_user):
    return make_user("olga", project=project, role=Role.OWNER)


@pytest.fixture
def client(owner):
    client = Client()
    client.force_login(owner)
    return client


@pytest.fixture
def ana(project, make_user):
    return Member.objects.get(user=make_user("ana", project=project, role=Role.ANNOTATOR))


@pytest.fixture
def link(project, owner):
    _, secret = create_invitation(project=project, role=Role.ANNOTATOR, days=7, by=owner)
    return reverse("feedback:join", args=[secret])


def account(name="nina", password="a long enough one", again=None):
    return {"username": name, "password1": password, "password2": again or password}


def test_the_link_is_shown_once_and_leads_to_the_account_form(client, project):
    url = reverse("feedback:invite", args=[project.slug])
    answer = client.post(url, {"role": "reviewer", "days": "7", "note": "Nina"})
    link = answer.context["link"]
    assert link in answer.content.decode()
    assert "no-store" in answer.headers["Cache-Control"]
    members = client.get(reverse("feedback:members", args=[project.slug])).content.decode()
    assert "Nina" in members
    assert link not in members
    html = Client().get(link).content.decode()
    assert "Join Help desk" in html
    assert "from olga" in html


def test_an_invitation_for_years_is_said_beside_the_field(client, project):
    answer = client.post(reverse("feedback:invite", args=[project.slug]), {"role": "owner", "days": "3650"})
    assert "3650 is not one of the available choices" in answer.content.decode()
    assert not Invitation.objects.exists()


def test_a_new_person_makes_an_account_and_is_in(link, project):
    visitor = Client()
    answer = visitor.post(link, account(), follow=True)
    assert answer.redirect_chain == [(reverse("loop", args=[project.slug]), 302)]
    assert "Welcome to Help desk." in answer.content.decode()
    assert Member.objects.get(user__username="nina").role == Role.ANNOTATOR
    closed = Client().get(link)
    assert closed.status_code == 404
    assert "Help desk" not in closed.content.decode()


@pytest.mark.parametrize(
    ("form", "said"),
    [
        (account(password="short"), "too short"),
        (account(password="password1234"), "too common"),
        (account(name="ninasophia", password="ninasophia1"), "too similar"),
        (account(again="another long one"), "didn’t match"),
        (account(name="olga"), "already exists"),
    ],
)
def test_an_account_that_can_not_be_is_refused_and_the_link_still_works(form, said, link):
    assert said in Client().post(link, form).content.decode()
    assert User.objects.count() == 1
    assert Client().get(link).status_code == 200


def test_somebody_with_an_account_logs_in_and_joins(link, project, make_user):
    make_user("bob")
    visitor = Client()
    assert f"{reverse('login')}?next={link}" in visitor.get(link).content.decode()
    answer = visitor.post(
        f"{reverse('login')}?next={link}", {"username": "bob", "password": "correct horse", "next": link}
    )
    assert answer.url == link
    assert "Join as bob" in visitor.get(link).content.decode()
    assert visitor.post(link).url == reverse("loop", args=[project.slug])
    assert Member.objects.get(user__username="bob").role == Role.ANNOTATOR


def test_a_member_who_opens_the_link_does_not_use_it_up(client, link):
    assert "a member of this project already" in client.post(link).content.decode()
    assert Client().get(link).status_code == 200


def test_a_revoked_link_lets_nobody_in(client, link, project):
    client.post(reverse("feedback:uninvite", args=[project.slug, Invitation.objects.get().pk]))
    assert Client().post(link, account()).status_code == 404
    assert User.objects.count() == 1


def test_a_deactivated_member_is_shut_out_of_pages_and_of_the_api(
    client, ana, project, make_client, make_comparisons
):
    make_comparisons(project, 1)
    browser, api = Client(), make_client(ana.user)
    browser.force_login(ana.user)
    pages = [reverse("loop", args=[project.slug]), reverse("feedback:annotate", args=[project.slug])]
    endpoint = f"/api/v1/projects/{project.slug}"
    assert [browser.get(page).status_code for page in pages] == [200, 200]
    assert api.get(endpoint).status_code == 200
    client.post(reverse("feedback:member-deactivate", args=[project.slug, ana.pk]))
    assert [browser.get(page).status_code for page in pages] == [404, 404]
    assert api.get(endpoint).status_code == 404
    assert api.get("/api/v1/projects").json()["results"] == []
    assert "Help desk" not in browser.get(reverse("feedback:projects")).content.decode()
    client.post(reverse("feedback:member-reactivate", args=[project.slug, ana.pk]))
    assert [browser.get(page).status_code for page in pages] == [200, 200]


def test_the_only_owner_is_told_why_they_stay(client, owner, project):
    member = Member.objects.get(user=owner)
    answer = client.post(reverse("feedback:member-deactivate", args=[project.slug, member.pk]), follow=True)
    assert "olga is the only owner of Help desk" in answer.content.decode()
    answer = client.post(reverse("feedback:member", args=[project.slug, member.pk]), {"role": "annotator"})
    assert "make somebody else an owner first" in answer.content.decode()


def test_an_owner_changes_a_role(client, ana, project):
    url = reverse("feedback:member", args=[project.slug, ana.pk])
    assert "ana is now reviewer" in client.post(url, {"role": "reviewer"}, follow=True).content.decode()
    ana.refresh_from_db()
    assert ana.role == Role.REVIEWER


def test_an_owner_says_what_a_member_knows(client, ana, project):
    url = reverse("feedback:member-qualify", args=[project.slug, ana.pk])
    answer = client.post(url, {"languages": "fr, EN,", "skills": "medicine"}, follow=True)
    assert 'value="en, fr"' in answer.content.decode()
    members = client.get(reverse("feedback:members", args=[project.slug])).content.decode()
    assert all(f'<span class="badge">{name}</span>' in members for name in ("en", "fr", "medicine"))
    long = client.post(url, {"languages": "", "skills": "x" * 61})
    assert "longer than 60" in long.content.decode()


@pytest.mark.parametrize("role", [Role.ANNOTATOR, Role.REVIEWER, Role.ENGINEER])
def test_nobody_but_an_owner_touches_members(role, ana, project, link, make_user):
    visitor = Client()
    visitor.force_login(make_user("eve", project=project, role=role))
    invitation = Invitation.objects.get()
    for name, pk in {
        "member": ana.pk,
        "member-deactivate": ana.pk,
        "member-reactivate": ana.pk,
        "member-qualify": ana.pk,
        "uninvite": invitation.pk,
    }.items():
        url = reverse(f"feedback:{name}", args=[project.slug, pk])
        assert visitor.post(url, {"role": "owner"}).status_code == 404
    answer = visitor.post(reverse("feedback:invite", args=[project.slug]), {"role": "owner", "days": "7"})
    assert answer.status_code == 404
    assert Invitation.objects.get() == invitation
    ana.refresh_from_db()
    assert (ana.role, ana.deactivated_at) == (Role.ANNOTATOR, None)


def test_a_member_of_another_project_is_not_reached_from_this_one(client, project, make_user):
    from feedback.actions.projects import create_project

    other = create_project(name="Other", by=None)
    foreign = Member.objects.get(user=make_user("far", project=other, role=Role.ANNOTATOR))
    url = reverse("feedback:member-deactivate", args=[project.slug, foreign.pk])
    assert client.post(url).status_code == 404
    foreign.refresh_from_db()
    assert foreign.deactivated_at is None


def test_without_the_permission_there_is_no_way_to_a_new_project(make_user):
    visitor = Client()
    visitor.force_login(make_user("ana"))
    url = reverse("feedback:project-new")
    assert url not in visitor.get(reverse("feedback:projects")).content.decode()
    answer = visitor.post(url, {"name": "Mine", "overlap": 1})
    assert answer.status_code == 403
    assert "Only administrators" in answer.content.decode()
