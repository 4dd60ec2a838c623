"""Who the API takes a caller for: tokens that open, tokens that do not, and what a read token may not do."""

import logging
from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from feedback.actions.tokens import create_token, revoke_token
from feedback.models import ApiToken, AuditEntry, Role


def get_projects(secret):
    return Client().get("/api/v1/projects", headers={"authorization": f"Bearer {secret}"})


@pytest.fixture
def user(make_user, project):
    return make_user("ana", project=project, role=Role.ENGINEER)


def test_a_token_opens_the_api(user, project):
    _, secret = create_token(user=user, name="script", scope="read")
    response = get_projects(secret)
    assert response.status_code == 200
    assert [row["slug"] for row in response.json()["results"]] == [project.slug]


def test_a_caller_without_token_is_told_how_to_send_one(db):
    response = Client().get("/api/v1/projects")
    assert response.status_code == 401
    assert response.headers["WWW-Authenticate"] == "Bearer"
    assert "Authorization: Bearer" in response.json()["error"]["message"]


@pytest.mark.parametrize("header", ["Bearer", "Bearer ", "Bearer nonsense", "Bearer ccd_é", "bearer ccd_x y"])
def test_an_unknown_token_is_refused(db, header):
    response = Client().get("/api/v1/projects", headers={"authorization": header})
    assert response.status_code == 401
    assert "not known here" in response.json()["error"]["message"]


def test_a_revoked_token_is_refused(user):
    token, secret = create_token(user=user, name="script", scope="write")
    revoke_token(token=token, by=user)
    response = get_projects(secret)
    assert response.status_code == 401
    assert "revoked" in response.json()["error"]["message"]


def test_an_expired_token_is_refused(user):
    token, secret = create_token(user=user, name="script", scope="write")
    ApiToken.objects.filter(pk=token.pk).update(expires_at=timezone.now() - timedelta(seconds=1))
    response = get_projects(secret)
    assert response.status_code == 401
    assert "expired" in response.json()["error"]["message"]


def test_the_token_of_somebody_who_left_is_refused(user):
    _, secret = create_token(user=user, name="script", scope="write")
    user.is_active = False
    user.save()
    assert get_projects(secret).status_code == 401


def test_a_read_token_can_not_write(user, project, make_client):
    response = make_client(user, scope="read").post(
        f"/api/v1/projects/{project.slug}/prompts", {"prompts": []}, content_type="application/json"
    )
    assert response.status_code == 403
    assert "only read" in response.json()["error"]["message"]


def test_a_browser_session_reads_and_needs_the_csrf_token_to_write(user, project):
    client = Client(enforce_csrf_checks=True)
    client.force_login(user)
    assert client.get("/api/v1/projects").status_code == 200
    response = client.post(
        f"/api/v1/projects/{project.slug}/prompts", {"prompts": []}, content_type="application/json"
    )
    assert response.status_code == 403
    assert "CSRF" in response.json()["error"]["message"]


def test_the_secret_is_neither_stored_nor_logged(user, caplog):
    with caplog.at_level(logging.DEBUG):
        token, secret = create_token(user=user, name="script", scope="read")
        get_projects(secret)
        get_projects(f"{secret}x")
    assert secret not in caplog.text
    stored = [str(value) for value in ApiToken.objects.values().get(pk=token.pk).values()]
    assert secret not in stored
    assert len(token.prefix) < len(secret) / 3
    assert all(secret not in str(entry) for entry in AuditEntry.objects.values())
