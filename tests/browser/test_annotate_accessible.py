"""axe-core finds nothing on the workspace, in any form, light and dark; focus and words follow the work."""

import pytest
from playwright.sync_api import expect

from .axe import findings
from .conftest import PAIR, THREE, expect_stored, press

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

RICH = (
    "# Title\n\nSome `code`, $x^2$ and a table:\n\n| a | b |\n| - | - |\n| 1 | 2 |\n",
    "Plain.\n\n```python\nx = 1  # one\n```",
)
FORMS = {
    "pair": ({"flags": True}, RICH),
    "strength": ({"choice": "strength", "points": 8, "all_bad": True}, PAIR),
    "ranking": ({"choice": "ranking"}, THREE),
    "mixture": ({"scores": True, "spans": True, "rationale": "required", "all_bad": True}, RICH),
}


@pytest.mark.parametrize("name", FORMS)
def test_axe_finds_nothing_in_any_form(workspace, project, ask, rubric, name):
    form, texts = FORMS[name]
    ask(project, *[texts] * 2, **form)
    page = workspace()
    page.locator("#item form.item").wait_for()
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
        assert findings(page) == [], scheme
    page.keyboard.press("f" if form.get("flags") else "s")
    if name == "ranking":
        page.keyboard.press("Escape")
        page.keyboard.press("2")
    page.keyboard.press("d")
    assert findings(page) == [], "with menus, differences and ranks"
    page.keyboard.press("Escape")
    page.keyboard.press("?")
    assert findings(page) == [], "with the sheet of keys"


def test_axe_finds_nothing_on_a_phone_nor_where_nothing_waits(workspace, project, ask):
    ask(project, PAIR)
    page = workspace(width=390, height=844, has_touch=True, is_mobile=True)
    page.locator("#item form.item").wait_for()
    assert findings(page) == []
    page.get_by_role("button", name="Guidelines").tap()
    expect(page.get_by_role("region", name="Guidelines")).to_be_in_viewport()
    assert findings(page) == []
    page.get_by_role("button", name="Close").tap()
    page.get_by_text("A is better").tap()
    expect(page.get_by_role("heading", name="Nothing is waiting for you")).to_be_visible()
    assert findings(page) == []


def test_the_next_item_has_the_focus_and_is_announced(workspace, project, ask):
    ask(project, *[PAIR] * 3)
    page = workspace()
    press(page, "1")
    expect(page.get_by_role("form", name="Comparison")).to_be_focused()
    expect(page.locator("#announcement")).to_have_text("Kept. The next one.")
    expect_stored(1, page)


def test_a_quick_answer_to_a_long_item_is_met_with_one_gentle_word(workspace, project, ask):
    ask(project, *[("word " * 400, "words " * 400)] * 3)
    page = workspace()
    press(page, "1")
    expect(page.locator("#notice")).to_contain_text("That was quick: 80")
    press(page, "2")
    expect(page.locator("#notice")).to_be_hidden()
    expect_stored(2, page)


def test_keys_of_one_letter_can_be_switched_off(workspace, project, ask):
    """WCAG 2.1.4; what is written in a dialog or sent with Ctrl+Enter works all the same."""
    ask(project, *[PAIR] * 3)
    page = workspace()
    press(page, "?")
    page.get_by_role("button", name="Keys of one letter").click()
    page.keyboard.press("Escape")
    page.reload()
    press(page, "1")
    press(page, "s")
    expect(page.get_by_role("radio", name="A is better")).not_to_be_checked()
    page.get_by_role("radio", name="A is better").focus()
    page.keyboard.press("Space")
    page.keyboard.press("Control+Enter")
    expect_stored(1, page)
