"""A reviewer at work by keys alone, and the guidelines' preview, in a real browser."""

import pytest
from playwright.sync_api import Page, expect

from feedback.models import Comparison, Judgment
from feedback.records import JudgmentRecord

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

SPLIT = [
    JudgmentRecord(rater="ana", kind="human", ranking={"a": 1, "b": 2}),
    JudgmentRecord(rater="ben", kind="human", ranking={"a": 2, "b": 1}),
]


def arrive(page: Page, comparison: Comparison) -> None:
    """At this comparison's page, its keys in place: text is there before the script that hears them."""
    expect(page.get_by_role("heading", level=1)).to_have_text(comparison.external_id)
    page.wait_for_load_state()


def test_a_reviewer_decides_and_goes_on_by_keys_alone(project, make_user, make_comparisons, new_page, log_in):
    first, second = make_comparisons(project, 2, SPLIT)
    make_user("rita", project=project, role="reviewer")
    page = new_page()
    log_in(page, "rita")
    page.goto(f"/p/{project.slug}/review/")
    page.keyboard.press("j")
    page.keyboard.press("Enter")
    arrive(page, first)
    expect(page.locator("main")).not_to_contain_text("model-x")
    page.keyboard.press("s")
    expect(page.locator("main")).to_contain_text("model-x")
    arrive(page, first)
    page.keyboard.press("j")
    arrive(page, second)
    page.keyboard.press("k")
    arrive(page, first)
    page.keyboard.press("2")
    page.keyboard.press("r")
    page.keyboard.type("j and k are only letters here.")
    page.keyboard.press("Control+Enter")
    arrive(page, second)
    decision = Judgment.objects.get(adjudicates=True)
    assert (decision.comparison, decision.ranking) == (first, (2, 1))
    assert decision.rationale == "j and k are only letters here."


def test_keys_of_one_letter_can_be_switched_off_and_stay_off(
    project, make_user, make_comparisons, new_page, enter
):
    first, second = make_comparisons(project, 2, SPLIT)
    page = new_page()
    enter(page, make_user("rita", project=project, role="reviewer"))
    page.goto(f"/p/{project.slug}/review/{first.pk}/")
    page.get_by_role("button", name="Keys of one letter").click()
    page.keyboard.press("s")
    page.keyboard.press("j")
    page.reload()
    page.keyboard.press("j")
    expect(page.get_by_role("heading", level=1)).to_have_text(first.external_id)
    expect(page.locator("main")).not_to_contain_text("model-x")
    page.get_by_role("button", name="Keys of one letter").click()
    page.keyboard.press("j")
    expect(page.get_by_role("heading", level=1)).to_have_text(second.external_id)


def test_the_preview_follows_what_is_written(project, make_user, new_page, log_in):
    make_user("olga", project=project, role="owner")
    page = new_page(width=390, height=844)
    log_in(page, "olga")
    page.goto(f"/p/{project.slug}/guidelines/edit/")
    page.get_by_label("Text, in Markdown").fill("Prefer the **kind** answer.")
    expect(page.locator("#preview-en strong")).to_have_text("kind")
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
