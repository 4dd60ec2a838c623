"""What a person got wrong ends in one sentence that names the cause and the way out, and a non-zero status."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from django.conf import settings

MANAGE = Path(settings.BASE_DIR) / "manage.py"


def manage(*arguments, **environment):
    return subprocess.run(
        [sys.executable, MANAGE, *arguments],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=120,
    )


def test_a_database_that_is_not_there(tmp_path):
    done = manage("migrate", DATABASE_URL="postgres://nobody@127.0.0.1:1/none", CONCORD_VAR=str(tmp_path))
    assert done.returncode == 1
    assert "Check DATABASE_URL" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_database_of_an_unknown_kind(tmp_path):
    done = manage("migrate", DATABASE_URL="mysql://root@127.0.0.1/x", CONCORD_VAR=str(tmp_path))
    assert done.returncode == 1
    assert "DATABASE_URL" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_database_without_tables(tmp_path):
    done = manage("agreement", "--project", "X", CONCORD_VAR=str(tmp_path))
    assert done.returncode == 1
    assert "migrate" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_folder_that_can_not_be_made(tmp_path):
    (tmp_path / "file").write_text("in the way")
    done = manage("check", CONCORD_VAR=str(tmp_path / "file" / "var"))
    assert done.returncode == 1
    assert "CONCORD_VAR" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.django_db
def test_a_port_in_use(tmp_path):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        done = manage("serve", "--port", str(port), CONCORD_VAR=str(tmp_path))
    assert done.returncode == 1
    assert f"Port {port}" in done.stderr
    assert f"PORT={port + 1}" in done.stderr
