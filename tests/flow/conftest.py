"""A fresh server of one's own, and its commands."""

import os
import subprocess
import sys
import uuid
from pathlib import Path

import psycopg
import pytest
from django.conf import settings

MANAGE = Path(settings.BASE_DIR) / "manage.py"


@pytest.fixture
def own_server(tmp_path):
    """The environment of a fresh server with its own folder, database and, on Redis, its own messages."""
    environment = os.environ | {"CONCORD_VAR": str(tmp_path), "LOG_LEVEL": "ERROR"}
    url = environment.get("DATABASE_URL", "")
    if not url.startswith("postgres"):
        environment.pop("DATABASE_URL", None)
        yield environment
        return
    name = f"concord_flow_{uuid.uuid4().hex[:8]}"
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}"')
    yield environment | {"DATABASE_URL": f"{url.rsplit('/', 1)[0]}/{name}"}
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(f'DROP DATABASE "{name}" WITH (FORCE)')


@pytest.fixture
def manage(own_server):
    """Run a management command of that server."""
    return lambda *arguments: subprocess.run(
        [sys.executable, MANAGE, *arguments], env=own_server, capture_output=True, text=True, timeout=600
    )
