"""Fixtures for every room: projects, people and raters in a real database."""

import gc
import itertools
import os
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import hypothesis
import pytest
from django.contrib.auth.models import User
from django.test import Client, override_settings

from feedback.actions.guidelines import mark_read
from feedback.actions.imports import store_records
from feedback.actions.projects import create_project, set_member
from feedback.actions.tokens import create_token
from feedback.models import Comparison, Project, Rater
from feedback.queries.guidelines import unread_guideline
from feedback.records import ComparisonRecord, JudgmentRecord, ResponseRecord

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("OMP_NUM_THREADS", "1")
# A machine whose cores are busy is slow, which says nothing of what is tested.
hypothesis.settings.register_profile(
    "unhurried",
    deadline=None,
    max_examples=int(os.environ.get("HYPOTHESIS_EXAMPLES", "100")),
    suppress_health_check=[hypothesis.HealthCheck.too_slow],
)
hypothesis.settings.load_profile("unhurried")


_FOLDERS = itertools.count()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--only-database",
        action="store_true",
        help="leave out the tests that touch no database: a second database tells nothing new of them",
    )


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if not config.getoption("--only-database"):
        return
    without = [item for item in items if not _uses_the_database(item)]
    config.hook.pytest_deselected(items=without)
    items[:] = [item for item in items if _uses_the_database(item)]


def pytest_collection_finish() -> None:
    """What was imported and collected stays: the collector need not walk its million objects in every test."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)


def _uses_the_database(item: pytest.Item) -> bool:
    fixtures = set(getattr(item, "fixturenames", ()))
    return item.get_closest_marker("django_db") is not None or bool(fixtures & {"db", "transactional_db"})


@pytest.fixture(autouse=True)
def var_folder(settings, tmp_path_factory):
    """Files that tests write go to a folder of their own."""
    # No `mktemp`, which looks through all folders that are there for the next number.
    root = tmp_path_factory.getbasetemp() / f"var{next(_FOLDERS)}"
    root.mkdir()
    settings.VAR = root
    settings.SNAPSHOTS_ROOT = root / "snapshots"
    settings.RUNS_ROOT = root / "runs"
    return root


@pytest.fixture(autouse=True, scope="session")
def quick_settings() -> Iterator[None]:
    """The real hash is slow on purpose, half a second a user; and each test client would list all static files."""
    hashers = ["django.contrib.auth.hashers.MD5PasswordHasher"]
    with override_settings(PASSWORD_HASHERS=hashers, WHITENOISE_AUTOREFRESH=True):
        yield


@pytest.fixture
def shared_data() -> Path:
    """The folder of real labelled data, beside the repository or named by CONCORD_SHARED_DATA."""
    default = Path(__file__).resolve().parents[2] / "shared" / "data"
    folder = Path(os.environ.get("CONCORD_SHARED_DATA", default))
    if not folder.is_dir():
        pytest.skip(f"the real data is not at {folder}; set CONCORD_SHARED_DATA to its folder")
    return folder


@pytest.fixture
def project(db) -> Project:
    return create_project(name="Help desk", by=None, guidelines="Prefer the polite answer.", overlap=2)


@pytest.fixture
def make_user(db) -> Callable[..., User]:
    def make(name: str, *, project: Project | None = None, role: str | None = None, **kwargs) -> User:
        user = User.objects.create_user(username=name, password="correct horse", **kwargs)
        if project is not None and role is not None:
            set_member(project=project, user=user, role=role, by=None)
        return user

    return make


@pytest.fixture
def make_comparisons(db) -> Callable[..., list[Comparison]]:
    """So many comparisons in a project, each with two responses ``a`` and ``b`` and the judgments given."""

    def make(project: Project, count: int, judgments: list[JudgmentRecord] | None = None) -> list[Comparison]:
        start = project.comparisons.count()
        records = [
            ComparisonRecord(
                key=f"q{index}",
                prompt=[{"role": "user", "content": f"Question {index}?"}],
                responses=[
                    ResponseRecord("a", "model-x", f"Answer {index} of x."),
                    ResponseRecord("b", "model-y", f"Answer {index} of y."),
                ],
                tags=["even" if index % 2 == 0 else "odd"],
                judgments=judgments or [],
                line=index + 1,
            )
            for index in range(start, start + count)
        ]
        summary = store_records(project=project, records=records, by=None)
        assert not summary.rejections
        return list(project.comparisons.order_by("pk")[start:])

    return make


@pytest.fixture
def make_rater(db) -> Callable[..., Rater]:
    """A rater of a project; a person has read its guidelines, as everybody must before they are given anything."""

    def make(project: Project, name: str, kind: str = "human", **kwargs) -> Rater:
        rater = Rater.objects.create(project=project, name=name, kind=kind, **kwargs)
        if kind == "human" and (unread := unread_guideline(rater)):
            mark_read(rater=rater, version=unread.version)
        return rater

    return make


@pytest.fixture
def make_client(db) -> Callable[..., Client]:
    """A client of the API that sends a personal token of this user."""

    def make(user: User, scope: str = "write") -> Client:
        _, secret = create_token(user=user, name="test", scope=scope)
        return Client(headers={"authorization": f"Bearer {secret}"})

    return make


@pytest.fixture
def new_id() -> Callable[[], uuid.UUID]:
    return uuid.uuid4
