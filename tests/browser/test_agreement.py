"""The agreement section in a real browser: from a cell of the matrix to its comparisons, and on to a reviewer."""

import random

import pytest
from playwright.sync_api import expect

from alignment.actions.reports import compute_report
from feedback.actions.imports import store_records
from feedback.models import ReviewItem
from feedback.records import ComparisonRecord, JudgmentRecord, ResponseRecord

from .axe import findings

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

RANKS = ({"a": 1, "b": 2}, {"a": 2, "b": 1})
HOSTILE = "<script>document.title = 'owned'</script>"


@pytest.fixture
def measured(project):
    rng = random.Random(2)
    records = []
    for index in range(40):
        truth = rng.randrange(2)
        said = [
            JudgmentRecord(
                name, kind=kind, ranking=RANKS[truth ^ (rng.random() < wrong)], rationale=f"{name}: {HOSTILE}"
            )
            for name, kind, wrong in (
                ("ana", "human", 0.1),
                ("ben", "human", 0.1),
                ("cy", "human", 0.1),
                ("judge", "judge", 0.3),
            )
        ]
        records.append(
            ComparisonRecord(
                key=f"q{index:02d}",
                prompt=[{"role": "user", "content": f"Question {index}?"}],
                responses=[
                    ResponseRecord("a", "x", f"First {index}."),
                    ResponseRecord("b", "y", f"Second {index}."),
                ],
                tags=("even",) if index % 2 == 0 else ("odd",),
                judgments=said,
            )
        )
    store_records(project=project, records=records, by=None)
    compute_report(project=project, by=None)
    return project


def test_from_a_cell_to_its_disagreements_and_to_a_reviewer(measured, make_user, new_page, enter):
    page = new_page(width=390, height=844)
    enter(page, make_user("rita", project=measured, role="reviewer"))
    page.goto(f"/p/{measured.slug}/agreement/")
    page.get_by_role("link", name="Every two raters").click()
    page.get_by_label("Slice").select_option("odd")
    page.get_by_role("button", name="Show").click()
    page.get_by_role("link", name="Share of equal verdicts").click()
    expect(page).to_have_url(f"{page.url.split('?')[0]}?slice=odd&measure=agreement")
    cell = page.get_by_role("link", name="ana and judge:")
    cell.focus()
    page.keyboard.press("Enter")
    expect(page.locator("article.case")).to_have_count(10)
    page.get_by_label("Show where").select_option("differ")
    page.get_by_role("button", name="Show").click()
    first = page.locator("article.case").first
    expect(first.locator(".side")).to_have_count(2)
    expect(first).to_contain_text(f"judge: {HOSTILE}")
    first.get_by_role("button", name="Send to review").click()
    expect(page.get_by_text("Sent to review.")).to_be_visible()
    expect(page.locator("article.case").first).to_contain_text("waits for a reviewer")
    assert ReviewItem.objects.get(asked=True).open
    assert findings(page) == []
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
