"""How long a person waits between an answer and the next item, as their browser measures it: shown, not judged."""

from statistics import median

import pytest
from playwright.sync_api import expect

from .conftest import expect_stored, press

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

LONG = ("A paragraph of an answer with **bold words** and `code`.\n\n" * 60, "Another $x^2$ answer.\n\n" * 60)


def test_the_next_item_is_there_within_100_ms_at_the_median(workspace, project, ask, capsys):
    ask(project, *[LONG] * 21)
    page = workspace()
    for _ in range(20):
        press(page, "1")
        expect(page.locator("#workspace")).to_have_attribute("data-pending", "0")
    waits = page.evaluate("performance.getEntriesByName('answer-to-next').map((entry) => entry.duration)")
    with capsys.disabled():
        print(f"\nanswer to next item: median {median(waits):.0f} ms, longest {max(waits):.0f} ms")  # noqa: T201
    assert len(waits) == 20
    assert median(waits) < 100
    expect_stored(20, page)
