"""What an answer is met with: a practice item explained, the AI judges' view, new guidelines, the end of the work."""

import pytest
from playwright.sync_api import expect

from feedback.actions.guidelines import publish_guidelines
from feedback.models import Comparison, GoldAnswer, QueueItem, SecondLook
from feedback.records import JudgmentRecord

from .conftest import PAIR, expect_counts, expect_stored, press

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


def test_practice_is_explained_before_the_next_item_comes(workspace, project, ask):
    practice, *_ = ask(project, *[PAIR] * 3)
    QueueItem.objects.filter(pk=practice.pk).delete()
    Comparison.objects.filter(pk=practice.pk).update(purpose="practice")
    GoldAnswer.objects.create(comparison=practice, ranking=(1, 2), explanation="It answers **first**.")
    page = workspace()
    expect(page.get_by_text("Practice: how it is meant")).to_be_visible()
    first_is_meant = page.locator("#item .response .prose").first.inner_text() == PAIR[0]
    press(page, "1")
    panel = page.get_by_role("region", name="About your last answer").first
    expect(panel).to_contain_text("Right" if first_is_meant else "Not as it is meant")
    expect(panel).to_contain_text("It answers first.")
    expect(panel).to_be_focused()
    expect(page.locator("#item .response").first).to_be_visible()
    page.keyboard.press("1")
    page.keyboard.press("Control+Enter")
    expect(panel).to_be_hidden()
    expect(page.get_by_text("Practice: how it is meant")).to_have_count(0)
    expect_stored(1, page)


@pytest.mark.parametrize(("key", "agrees"), [("y", True), ("n", False)])
def test_after_the_judges_view_a_person_agrees_or_stands_by_theirs(
    workspace, project, make_comparisons, key, agrees
):
    said = [JudgmentRecord(rater="opus", kind="judge", ranking={"a": 1, "b": 2}, rationale="It is shorter.")]
    make_comparisons(project, 3, said)
    project.show_judges = True
    project.save()
    page = workspace()
    expect(page.get_by_text("It is shorter.")).to_have_count(0)
    press(page, "0")
    expect(page.get_by_text("It is shorter.")).to_be_visible()
    with page.expect_response("**/second-look/"):
        page.keyboard.press(key)
    page.locator("#item form.item:not([inert])").wait_for()
    look = SecondLook.objects.get()
    assert look.agrees is agrees
    assert look.judgment.ranking == (1, 1)


def test_new_guidelines_are_announced_and_must_be_read(workspace, project, ask):
    ask(project, *[PAIR] * 5)
    page = workspace()
    expect(page.locator("#workspace")).to_have_attribute("data-ahead", "1")
    publish_guidelines(
        project=project, texts={"en": "Prefer the short answer."}, change="Short is good", by=None
    )
    press(page, "1")
    expect_counts(page, 1, 4)
    press(page, "1")
    expect(page.get_by_text("Short is good")).to_be_visible()
    page.get_by_role("button", name="I have read them").click()
    press(page, "1")
    expect_stored(3, page)


def test_when_nothing_is_left_the_page_says_so(workspace, project, ask):
    ask(project, PAIR)
    page = workspace()
    press(page, "2")
    expect(page.get_by_role("heading", name="Nothing is waiting for you")).to_be_visible()
    expect_stored(1, page)
    page.keyboard.press("u")
    expect(page.get_by_role("radio", name="B is better")).to_be_checked()
