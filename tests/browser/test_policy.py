"""Editing a policy in a real browser: a rule is moved, and what it would do is seen at once; nothing is saved."""

import random

import pytest
from playwright.sync_api import Page, expect

from alignment.actions.labels import apply_policy, carry_out_labelling
from alignment.actions.policies import create_policy
from alignment.models import Policy
from feedback.actions.imports import store_records
from feedback.actions.jobs import perform_job
from feedback.records import ComparisonRecord, JudgmentRecord, ResponseRecord

from .axe import findings

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

RANKS = ({"a": 1, "b": 2}, {"a": 2, "b": 1})
JUDGES = (("careful", 0.04), ("hasty", 0.2), ("contrary", 0.6))


@pytest.fixture
def labelled(project):
    """Half of 320 comparisons judged by three people, all by three judges; a policy is applied."""
    rng = random.Random(2)
    records = []
    for index in range(320):
        truth = rng.randrange(2)
        people = [(name, "human", 0.05) for name in ("ana", "ben", "cy")] if index % 2 else []
        said = [
            JudgmentRecord(name, kind=kind, ranking=RANKS[truth ^ (rng.random() < wrong)], seconds=30.0)
            for name, kind, wrong in (*people, *((name, "judge", wrong) for name, wrong in JUDGES))
        ]
        texts = (f"First {index}.", f"Second {index}.")
        records.append(
            ComparisonRecord(
                key=f"q{index:03d}",
                prompt=[{"role": "user", "content": f"Question {index}?"}],
                responses=[ResponseRecord(key, "x", text) for key, text in zip("ab", texts, strict=True)],
                tags=("math",) if index % 4 < 2 else ("letters",),
                judgments=said,
            )
        )
    assert not store_records(project=project, records=records, by=None).rejections
    policy = create_policy(project=project, name="default", document={}, by=None)
    perform_job(apply_policy(policy=policy, by=None).job_id, carry_out_labelling)
    return project


def move(page: Page, name: str, value: str) -> None:
    page.locator(f"[name={name}]").fill(value)
    page.locator(f"[name={name}]").press("Tab")


@pytest.mark.parametrize("width", [1280, 390])
def test_a_rule_is_moved_and_its_outcome_seen_before_anything_is_saved(
    labelled, make_user, new_page, enter, width
):
    page = new_page(width=width, height=900)
    enter(page, make_user("erin", project=labelled, role="engineer"))
    page.goto(f"/p/{labelled.slug}/labels/policies/new/?from={Policy.objects.get().pk}")
    outcome = page.locator("#what-if")
    expect(outcome).to_contain_text("0 labels would differ")
    used = outcome.locator(".tile-value").first.inner_text()
    move(page, "max_error", "0.25")
    expect(outcome.locator(".tile-value").first).not_to_have_text(used)
    expect(outcome.locator(".curve-chart .dot")).to_be_visible()
    more = outcome.locator(".tile-value").first.inner_text()
    move(page, "max_error", "0.01")
    expect(outcome).to_contain_text("Not shown")
    expect(outcome.locator(".tile-value").first).not_to_have_text(more)
    move(page, "max_error", "7")
    expect(outcome).to_contain_text("max_error must be a number")
    move(page, "max_error", "0.25")
    expect(outcome.locator(".curve-chart")).to_be_visible()
    assert findings(page) == []
    assert Policy.objects.count() == 1
    page.get_by_role("button", name="Save and apply").click()
    expect(page.get_by_text("waits for a worker").first).to_be_visible()
    assert Policy.objects.count() == 2
