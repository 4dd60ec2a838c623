"""A real Chromium against a real server. Every test fails on anything the page wrote to its console."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from django.conf import settings
from django.contrib.auth.models import User
from django.test import Client
from django.urls import get_resolver
from playwright.sync_api import Browser, Page, expect, sync_playwright

from feedback.actions.guidelines import mark_read
from feedback.actions.imports import store_records
from feedback.actions.projects import rater_of
from feedback.models import Comparison, Criterion, Judgment, Project, Rubric
from feedback.records import ComparisonRecord, ResponseRecord

# Playwright runs an event loop in the test's thread; the database is used from there all the same.
os.environ.setdefault("DJANGO_ALLOW_ASYNC_UNSAFE", "true")

CHROMIUM = Path(os.environ.get("CHROMIUM", "/usr/bin/chromium"))
PATIENCE = 30_000  # milliseconds; only a test that fails waits for so long
expect.set_options(timeout=PATIENCE)

PAIR = ("The first answer.", "The second answer.")
THREE = ("Apples are red.", "Pears are green.", "Plums are blue.")


def expect_counts(page: Page, done: int, left: int) -> None:
    expect(page.locator("[data-done]")).to_have_text(str(done))
    expect(page.locator("[data-left]")).to_have_text(str(left))


def expect_stored(count: int, page: Page) -> list[Judgment]:
    """So many current judgments once nothing is on its way any more; oldest first."""
    expect(page.locator("#workspace")).to_have_attribute("data-pending", "0")
    found = list(Judgment.objects.filter(current=True).order_by("pk"))
    assert len(found) == count
    return found


def press(page: Page, key: str) -> None:
    """The key, once an item is there to be answered."""
    page.locator("#item form.item:not([inert])").wait_for()
    page.keyboard.press(key)


def shown_texts(page: Page) -> list[str]:
    return page.locator("#item .response .prose").all_inner_texts()


@pytest.fixture(scope="session")
def playwright():
    if not CHROMIUM.exists():
        pytest.skip(f"there is no Chromium at {CHROMIUM}: install it (apt install chromium) or set CHROMIUM")
    get_resolver().url_patterns  # noqa: B018  imports every room's pages now, not while a browser waits for the first
    with sync_playwright() as playwright:
        yield playwright


@pytest.fixture(scope="session")
def browser(playwright) -> Iterator[Browser]:
    browser = playwright.chromium.launch(executable_path=str(CHROMIUM), args=["--no-sandbox"])
    yield browser
    browser.close()


@pytest.fixture
def expected_in_console() -> list[str]:
    """Parts of the lines that a test wants in the console: an error that it causes on purpose."""
    return []


@pytest.fixture
def listen(expected_in_console) -> Iterator[Callable[[Page], None]]:
    """Hears what a page writes to its console; at the end that must be nothing, CSP reports included."""
    said: list[str] = []

    def hear(page: Page) -> None:
        page.set_default_timeout(PATIENCE)
        page.on("console", lambda message: said.append(message.text))
        page.on("pageerror", lambda error: said.append(str(error)))

    yield hear
    assert [line for line in said if not any(part in line for part in expected_in_console)] == []


@pytest.fixture
def new_page(browser, live_server, transactional_db, listen) -> Iterator[Callable[..., Page]]:
    """Pages of a fresh browser each, by width."""
    contexts = []

    def open_page(width: int = 1440, height: int = 900, **options) -> Page:
        viewport = {"width": width, "height": height}
        context = browser.new_context(**{"base_url": live_server.url, "viewport": viewport, **options})
        contexts.append(context)
        page = context.new_page()
        listen(page)
        return page

    yield open_page
    for context in contexts:
        context.close()


@pytest.fixture
def log_in() -> Callable[[Page, str], None]:
    def enter(page: Page, username: str) -> None:
        page.goto("/login/")
        page.get_by_label("User name").fill(username)
        page.get_by_label("Password").fill("correct horse")
        page.get_by_role("button", name="Log in").click()
        page.get_by_role("heading", name="Projects").wait_for()

    return enter


@pytest.fixture
def enter(live_server) -> Callable[[Page, User], None]:
    """Gives the page's browser the session of this user, as a log-in would."""

    def give(page: Page, user: User) -> None:
        client = Client()
        client.force_login(user)
        value = client.cookies[settings.SESSION_COOKIE_NAME].value
        page.context.add_cookies(
            [{"name": settings.SESSION_COOKIE_NAME, "value": value, "url": live_server.url}]
        )

    return give


@pytest.fixture
def ana(project, make_user) -> User:
    """An annotator of the project who has read its guidelines."""
    user = make_user("ana", project=project, role="annotator")
    mark_read(rater=rater_of(project=project, user=user), version=1)
    return user


Texts = tuple[str, ...]


@pytest.fixture
def ask(db) -> Callable[..., list[Comparison]]:
    """Comparisons of these response texts, one for each tuple, in a project with this form of answer."""

    def store(project: Project, *items: Texts, prompt: str = "Which is it?", **form) -> list[Comparison]:
        project.form = form
        project.save()
        start = project.comparisons.count()
        records = [
            ComparisonRecord(
                key=f"item{start + index}",
                prompt=[{"role": "user", "content": f"{prompt} ({start + index})"}],
                responses=[
                    ResponseRecord(str(place), f"model-{place}", text) for place, text in enumerate(texts)
                ],
                line=index + 1,
            )
            for index, texts in enumerate(items)
        ]
        summary = store_records(project=project, records=records, by=None)
        assert not summary.rejections
        return list(project.comparisons.order_by("pk")[start:])

    return store


@pytest.fixture
def rubric(project) -> list[Criterion]:
    """Two criteria with anchored scales, which people score."""
    made = Rubric.objects.create(project=project, name="Help", sha256="0" * 64)
    anchors = {"1": "Useless", "2": "Poor", "3": "Fair", "4": "Good", "5": "Could not be better"}
    return [
        Criterion.objects.create(rubric=made, name=name, anchors=anchors, position=position)
        for position, name in enumerate(("Helpful", "True"))
    ]


@pytest.fixture
def workspace(project, ana, new_page, enter) -> Callable[..., Page]:
    """The annotator's page in a fresh browser, by somebody who is logged in."""

    def open_page(user: User | None = None, **options) -> Page:
        page = new_page(**options)
        enter(page, user or ana)
        page.goto(f"/p/{project.slug}/annotate/")
        return page

    return open_page
