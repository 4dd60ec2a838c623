"""A real Chromium against a real server. Every test fails on anything the page wrote to its console."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

# Playwright runs an event loop in the test's thread; the database is used from there all the same.
os.environ.setdefault("DJANGO_ALLOW_ASYNC_UNSAFE", "true")

CHROMIUM = Path(os.environ.get("CHROMIUM", "/usr/bin/chromium"))


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    if not CHROMIUM.exists():
        pytest.skip(f"there is no Chromium at {CHROMIUM}: install it (apt install chromium) or set CHROMIUM")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=str(CHROMIUM), args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def expected_in_console() -> list[str]:
    """Parts of the lines that a test wants in the console: an error that it causes on purpose."""
    return []


@pytest.fixture
def new_page(browser, live_server, transactional_db, expected_in_console) -> Iterator[Callable[..., Page]]:
    """Pages of a fresh browser each, by width; at the end their consoles must be empty, CSP reports included."""
    said: list[str] = []
    contexts = []

    def open_page(width: int = 1440, height: int = 900, **options) -> Page:
        viewport = {"width": width, "height": height}
        context = browser.new_context(base_url=live_server.url, viewport=viewport, **options)
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(10_000)
        page.on("console", lambda message: said.append(message.text))
        page.on("pageerror", lambda error: said.append(str(error)))
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert [line for line in said if not any(part in line for part in expected_in_console)] == []


@pytest.fixture
def log_in() -> Callable[[Page, str], None]:
    def enter(page: Page, username: str) -> None:
        page.goto("/login/")
        page.get_by_label("User name").fill(username)
        page.get_by_label("Password").fill("correct horse")
        page.get_by_role("button", name="Log in").click()
        page.get_by_role("heading", name="Projects").wait_for()

    return enter
