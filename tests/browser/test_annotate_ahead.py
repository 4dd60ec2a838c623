"""Between an answer and the next item nobody waits for the server; how long it takes is shown, not judged."""

from statistics import median

import pytest
from playwright.sync_api import Route, expect

from feedback.models import Judgment

from .conftest import PATIENCE, expect_stored, press, shown_texts

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

LONG = "A paragraph of an answer with **bold words** and `code`.\n\n" * 60
ITEMS = 12


def test_the_next_item_is_shown_while_the_answer_is_still_on_its_way(workspace, project, ask, capsys):
    ask(project, *[(f"Answer {item}. {LONG}", f"Other answer {item}. {LONG}") for item in range(ITEMS)])
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
    for _ in range(PATIENCE // 20):  # the browser says so when it comes to it
        if not on_their_way:
            page.wait_for_timeout(20)
    assert len(on_their_way) == 1
    assert not Judgment.objects.exists()
    on_their_way[0].continue_()
    page.unroute("**/annotate/")
    for _ in range(ITEMS - 2):
        expect(page.locator("#workspace")).to_have_attribute("data-pending", "0")
        press(page, "1")
    expect_stored(ITEMS - 1, page)
    waits = page.evaluate("performance.getEntriesByName('answer-to-next').map((entry) => entry.duration)")
    assert len(waits) == ITEMS - 1
    with capsys.disabled():
        print(f"\nanswer to next item: median {median(waits):.0f} ms, longest {max(waits):.0f} ms")  # noqa: T201
