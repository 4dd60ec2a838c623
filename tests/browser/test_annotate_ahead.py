"""Between an answer and the next item nobody waits for the server."""

import pytest
from playwright.sync_api import Route, expect

from feedback.models import Judgment

from .conftest import expect_stored, press, shown_texts

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


def test_the_next_item_is_shown_while_the_answer_is_still_on_its_way(workspace, project, ask):
    ask(project, *[(f"Answer {item}.", f"Other answer {item}.") for item in range(3)])
    page = workspace()
    on_their_way: list[Route] = []
    page.route(
        "**/annotate/",
        lambda route: on_their_way.append(route) if route.request.method == "POST" else route.continue_(),
    )
    expect(page.locator("#workspace")).to_have_attribute("data-ahead", "1")
    first = shown_texts(page)
    press(page, "1")
    expect(page.locator("#item .response .prose").first).not_to_have_text(first[0])
    expect(page.locator("#workspace")).to_have_attribute("data-pending", "1")
    assert len(on_their_way) == 1
    assert not Judgment.objects.exists()
    on_their_way[0].continue_()
    expect_stored(1, page)
