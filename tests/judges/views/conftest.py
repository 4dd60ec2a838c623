"""A project with people of every role, as they open the judges' pages."""

from collections.abc import Callable

import pytest
from django.test import Client
from django.urls import reverse

from feedback.actions.projects import create_project


@pytest.fixture
def as_role(project, make_user) -> Callable[[str], Client]:
    """A browser of somebody with this role in the project."""

    def log_in(role: str) -> Client:
        client = Client()
        client.force_login(make_user(f"{role}-person", project=project, role=role))
        return client

    return log_in


@pytest.fixture
def address(project) -> Callable[..., str]:
    return lambda name, *args: reverse(f"judges:{name}", args=[project.slug, *args])


@pytest.fixture
def elsewhere(project, make_user) -> Client:
    """A browser of an engineer of another project, at whose address this project's objects are asked for."""
    other = create_project(name="Elsewhere", by=None)
    client = Client()
    client.force_login(make_user("stranger", project=other, role="engineer"))
    return client
