"""Every page that there is, found from the addresses: axe-core finds nothing, and it fits a narrow screen."""

from collections.abc import Iterable, Iterator
from typing import Any

import pytest
from django.http import HttpResponse
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver, reverse
from playwright.sync_api import Page

from feedback.actions.projects import create_project

from .axe import findings
from .full_project import FullProject, full_project

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

NARROW = 320  # CSS pixels: a screen of 1280 at 400 %
TOLD_APART_BY_COLOUR = ["color-contrast", "link-in-text-block"]


@pytest.fixture
def owner(make_user):
    return make_user("olga", is_superuser=True)


@pytest.fixture
def everything(owner, tmp_path) -> FullProject:
    return full_project(owner, tmp_path)


def named_addresses(resolver: URLResolver, prefix: str = "") -> Iterator[tuple[str, set[str]]]:
    """(full name, its parts) of every address outside the API, which answers programs."""
    for pattern in resolver.url_patterns:
        if isinstance(pattern, URLPattern):
            yield prefix + str(pattern.name), set(pattern.pattern.regex.groupindex)
        elif not str(pattern.pattern).startswith("api/"):
            yield from named_addresses(pattern, prefix + f"{pattern.namespace}:" * bool(pattern.namespace))


def paths_of(name: str, parts: set[str], found: FullProject, slugs: list[str]) -> Iterator[str]:
    """Every address of this name that is looked at: each way to it in the full project, or each project's."""
    own = parts - {"slug"}
    for way in found.ways.get(name, [dict.fromkeys(own, 1)]):
        arguments: dict[str, Any] = {part: value for part, value in way.items() if part in parts}
        for slug in slugs[:1] if own or "slug" not in parts else slugs:
            path = reverse(name, kwargs=arguments | ({"slug": slug} if "slug" in parts else {}))
            yield f"{path}?{way['query']}" if "query" in way else path


def is_page(answer: HttpResponse, path: str, may_be_missing: bool) -> bool:
    """A whole page; not a part of one, a file, or an address that only takes what is sent or leads elsewhere."""
    known = (200, 204, 302, 404, 405) if may_be_missing else (200, 204, 302, 405)
    assert answer.status_code in known, f"{path} answers {answer.status_code}"
    kind = answer.headers.get("Content-Type", "")
    return (
        answer.status_code == 200
        and kind.startswith("text/html")
        and b"<!doctype html" in answer.content[:200].lower()
    )


def pages(everything: FullProject, slugs: list[str], client: Client, of_feedback: bool) -> Iterator[str]:
    """Those of the room feedback, or all others; in the full project and in the last one, which is empty.

    A new address of which nobody has said how to reach it is an error, unless it only takes what is sent.
    """
    for name, parts in named_addresses(get_resolver()):
        if name.startswith("feedback:") != of_feedback:
            continue
        for path in paths_of(name, parts, everything, slugs):
            answer = client.get(path)
            known = name in everything.ways or not parts - {"slug"}
            assert known or answer.status_code == 405, f"say in full_project.py how to reach {name}: {parts}"
            if is_page(answer, path, may_be_missing=slugs[-1] in path):
                yield path
    if not of_feedback:
        yield from (reverse("api_docs"), "/nothing/here/")


def faults(page: Page, path: str) -> list[str]:
    """What axe-core finds in light and dark, and whether the page is wider than a narrow screen."""
    page.goto(path)
    found = findings(page)
    page.emulate_media(color_scheme="dark")
    found += [f"dark: {each}" for each in findings(page, TOLD_APART_BY_COLOUR)]
    page.emulate_media(color_scheme="light")
    page.set_viewport_size({"width": NARROW, "height": 640})
    width = page.evaluate("document.documentElement.scrollWidth")
    page.set_viewport_size({"width": 1280, "height": 900})
    return found + [f"{width} pixels wide on a screen of {NARROW}"] * (width > NARROW)


@pytest.fixture
def expected_in_console() -> list[str]:
    return ["404 (Not Found)"]


def wrong_on(page: Page, paths: Iterable[str]) -> str:
    """A line for each fault of each page. There must be pages."""
    found = {path: faults(page, path) for path in paths}
    assert found
    return "\n".join(f"{path} {each}" for path, faults_of_it in found.items() for each in faults_of_it)


@pytest.mark.parametrize("of_feedback", [True, False])  # two halves, so that two workers share them
def test_nothing_is_wrong_on_any_page(everything, owner, new_page, enter, of_feedback):
    empty = create_project(name="Empty", by=owner)
    client = Client()
    client.force_login(owner)
    page = new_page(width=1280, reduced_motion="reduce")
    enter(page, owner)
    assert wrong_on(page, pages(everything, [everything.project.slug, empty.slug], client, of_feedback)) == ""


def test_nothing_is_wrong_on_the_pages_of_whoever_is_not_logged_in(everything, new_page):
    page = new_page(width=1280, reduced_motion="reduce")
    invitations = [*everything.ways["feedback:join"], {"secret": "withdrawn"}]
    paths = [reverse("login"), *(reverse("feedback:join", kwargs=way) for way in invitations)]
    assert wrong_on(page, paths) == ""
