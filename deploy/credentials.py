"""The demo's log-ins: passwords made at random on the first run, kept in a file only its owner can read."""

import json
import os
import secrets
from pathlib import Path

from django.conf import settings
from django.contrib.auth.models import User

from feedback.actions.projects import set_member
from feedback.models import Project, Role

LOG_INS = {"annotator": Role.ANNOTATOR, "engineer": Role.ENGINEER, "admin": Role.OWNER}


def ensure_log_ins(project: Project) -> None:
    """Make the three demo users where they are missing, and members of ``project``."""
    passwords = read_passwords()
    for name, role in LOG_INS.items():
        user, created = User.objects.get_or_create(
            username=name, defaults={"is_superuser": name == "admin", "is_staff": name == "admin"}
        )
        if created or name not in passwords:
            passwords[name] = secrets.token_urlsafe(12)
            user.set_password(passwords[name])
            user.save(update_fields=["password"])
            _write_passwords(passwords)
        set_member(project=project, user=user, role=role, by=None)


def read_passwords() -> dict[str, str]:
    """The passwords by user name; empty before the first run."""
    file = _file()
    return dict(json.loads(file.read_text())) if file.exists() else {}


def table_of_log_ins() -> str:
    """The log-ins as lines to print; empty where there are none."""
    return "".join(
        f"  log in as {name:<10} password {password}\n" for name, password in read_passwords().items()
    )


def _file() -> Path:
    return Path(settings.VAR) / "credentials.json"


def _write_passwords(passwords: dict[str, str]) -> None:
    descriptor = os.open(_file(), os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as stream:
        json.dump(passwords, stream, indent=1)
