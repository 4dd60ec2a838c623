"""An annotator at work in a real browser: by keys, on a phone, without scripts, and with the line cut."""

import re

import pytest
from playwright.sync_api import Page, expect

from feedback.models import Judgment

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def annotate(project, make_user, make_comparisons, new_page, log_in):
    """The annotator's page with five comparisons, opened by a person who is logged in."""
    make_user("ana", project=project, role="annotator")
    make_comparisons(project, 5)

    def open_page(**options) -> Page:
        page = new_page(**options)
        log_in(page, "ana")
        page.goto(f"/p/{project.slug}/annotate/")
        return page

    return open_page


def expect_counts(page: Page, done: int, left: int) -> None:
    expect(page.locator("[data-done]")).to_have_text(str(done))
    expect(page.locator("[data-left]")).to_have_text(str(left))


def no_sideways_scroll(page: Page) -> bool:
    return page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")


def test_three_pairs_are_judged_by_keys_one_is_undone_and_the_counts_move(annotate, project):
    page = annotate()
    expect_counts(page, 0, 5)
    for done, key in enumerate("120", start=1):
        page.keyboard.press(key)
        expect_counts(page, done, 5 - done)
    expect(page.locator("#announcement")).to_have_text("Stored: a tie. 3 done, 2 left.")
    assert page.url.endswith(f"/p/{project.slug}/annotate/")

    page.keyboard.press("u")
    expect_counts(page, 2, 3)
    page.keyboard.press("s")
    expect_counts(page, 2, 2)

    current = Judgment.objects.filter(current=True).order_by("pk")
    assert [judgment.outcome for judgment in current] == ["ranked", "ranked", "skipped"]
    assert all(judgment.seconds is not None for judgment in current)
    page.goto(f"/p/{project.slug}/")
    expect(page.get_by_text("2 done by you")).to_be_visible()


def test_what_the_key_chose_is_what_the_eye_saw_on_that_side(annotate):
    page = annotate()
    for done in range(1, 5):
        seen = page.locator("#response-A + .prose").inner_text()
        page.keyboard.press("1")
        expect_counts(page, done, 5 - done)
        judgment = Judgment.objects.latest("pk")
        winner = judgment.comparison.slots.get(position=judgment.ranking.index(1))
        assert winner.response.text == seen


def test_keys_rest_while_writing_and_the_rationale_is_kept(annotate):
    page = annotate()
    page.keyboard.press("r")
    page.keyboard.type("Both 1 and 2 suit us")
    expect_counts(page, 0, 5)
    page.keyboard.press("Escape")
    page.keyboard.press("2")
    expect_counts(page, 1, 4)
    assert Judgment.objects.get().rationale == "Both 1 and 2 suit us"


def test_the_sheet_of_keys_opens_and_stops_them(annotate):
    page = annotate()
    page.keyboard.press("?")
    expect(page.get_by_role("dialog", name="Keys")).to_be_visible()
    page.keyboard.press("1")
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog", name="Keys")).to_be_hidden()
    expect_counts(page, 0, 5)


def test_two_quick_clicks_store_one_judgment(annotate):
    page = annotate()
    page.get_by_role("button", name="A is better").dblclick()
    expect(page.locator("[data-done]")).not_to_have_text("0")
    page.wait_for_load_state("networkidle")
    assert Judgment.objects.values("comparison").distinct().count() == Judgment.objects.count()


def test_a_cut_line_keeps_the_answer_until_it_is_sent_again(annotate, expected_in_console):
    expected_in_console += ["ERR_INTERNET_DISCONNECTED", "htmx:sendError", "htmx:afterRequest"]
    page = annotate()
    page.context.set_offline(True)
    page.keyboard.press("2")
    banner = page.get_by_role("alert").filter(has_text="can not be reached")
    expect(banner).to_contain_text("Your answer, B is better, is kept on this page.")
    assert not Judgment.objects.exists()
    page.context.set_offline(False)  # the page notices by itself
    expect_counts(page, 1, 4)
    expect(page.locator("#unsent")).to_be_hidden()
    assert Judgment.objects.count() == 1


def test_a_stale_page_gets_a_new_token_and_sends_the_same_answer(annotate, expected_in_console):
    expected_in_console += ["403", "Forbidden"]
    page = annotate()
    page.evaluate(
        "document.querySelectorAll('[name=csrfmiddlewaretoken]').forEach((e) => (e.value = 'x'.repeat(64)))"
    )
    page.keyboard.press("1")
    expect(page.get_by_text("this page was open for too long")).to_be_visible()
    page.get_by_role("button", name="Send it again").click()
    expect_counts(page, 1, 4)
    assert Judgment.objects.count() == 1


def test_logged_out_meanwhile_the_answer_waits_for_the_log_in(annotate, log_in):
    page = annotate()
    page.context.clear_cookies(name="sessionid")
    page.keyboard.press("1")
    expect(page.get_by_text("you are logged out")).to_be_visible()
    log_in(page.context.new_page(), "ana")
    page.get_by_role("button", name="Send it again").click()
    expect_counts(page, 1, 4)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_phone_width_has_no_sideways_scroll(annotate, project, scheme):
    page = annotate(width=390, height=844, color_scheme=scheme, has_touch=True)
    for path in (f"/p/{project.slug}/annotate/", f"/p/{project.slug}/", "/", "/tokens/", "/projects/new/"):
        page.goto(path)
        assert no_sideways_scroll(page), path


def test_a_finger_judges_on_the_phone(annotate):
    page = annotate(width=390, height=844, has_touch=True, is_mobile=True)
    page.get_by_role("button", name=re.compile("B is better")).tap()
    expect_counts(page, 1, 4)


def test_without_scripts_the_forms_still_judge(annotate):
    page = annotate(java_script_enabled=False)
    page.get_by_role("button", name="Tie").click()
    expect(page.get_by_text("Stored: a tie.")).to_be_visible()
    expect_counts(page, 1, 4)
    page.get_by_role("button", name="Undo").click()
    expect_counts(page, 0, 5)


def test_the_chosen_colours_are_kept(annotate):
    page = annotate()
    page.locator(".menu summary").click()
    page.get_by_role("button", name="Dark").click()
    page.reload()
    assert page.evaluate("document.documentElement.dataset.theme") == "dark"
    assert page.evaluate(
        "getComputedStyle(document.documentElement).getPropertyValue('--series-1')"
    ).startswith("rgb")
