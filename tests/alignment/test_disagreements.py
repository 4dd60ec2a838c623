"""Disagreements to browse: which comparisons a filter finds, pages, both sides' reasons, and the way to a reviewer."""

import pytest
from django.urls import reverse

from alignment import disagreements
from alignment.disagreements import DisagreementFilter, disagreement_page
from feedback.actions.imports import store_records
from feedback.models import Comparison, Judgment, Rater, ReviewItem
from feedback.records import JudgmentRecord
from tests.alignment.conftest import RANKING, pair, said

HOSTILE = "<img src=x onerror=alert(1)>"


@pytest.fixture
def told(project):
    """Five comparisons: ana and good differ, agree, lack a verdict (twice), and only ben and good met."""
    records = [
        pair(
            "differ", [said("ana", "first"), said("ben", "first"), said("good", "second", "judge")], ("hard",)
        ),
        pair("same", [said("ana", "tie"), said("good", "tie", "judge")], ("hard",)),
        pair("unread", [said("ana", "first"), said("good", None, "judge")]),
        pair(
            "skipped",
            [JudgmentRecord("ana", kind="human", outcome="skipped"), said("good", "first", "judge")],
        ),
        pair("others", [said("ben", "second"), said("good", "first", "judge")]),
    ]
    summary = store_records(project=project, records=records, by=None)
    assert not summary.rejections
    return project


@pytest.fixture
def reviewer(client, make_user, told):
    client.force_login(make_user("rita", project=told, role="reviewer"))
    return client


def found(project, **given):
    numbers = {name: str(pk) for name, pk in project.raters.values_list("name", "pk")}
    given = {name: numbers.get(value, value) for name, value in given.items()}
    page = disagreement_page(project, DisagreementFilter.of(project, given))
    return [comparison.external_id for comparison in page.rows]


@pytest.mark.parametrize(
    ("outcome", "expected"),
    [
        ("differ", ["differ"]),
        ("same", ["same"]),
        ("missing", ["unread", "skipped"]),
        ("both", ["differ", "same", "unread", "skipped"]),
    ],
)
def test_two_raters_are_held_against_each_other(told, outcome, expected):
    assert found(told, a="ana", b="good", outcome=outcome) == expected
    assert found(told, a="good", b="ana", outcome=outcome) == expected


def test_groups_and_slices_narrow_as_well(told):
    assert found(told) == ["differ", "others"]
    assert found(told, slice="hard") == ["differ"]
    assert found(told, a="ben", b="machines") == ["differ", "others"]
    assert found(told, a="people", b="people", outcome="same") == ["differ"]
    assert found(told, a="ana", b="good", slice="hard", outcome="both") == ["differ", "same"]


def test_what_an_address_can_not_mean_is_as_if_not_given(told):
    given = {"a": "99999999", "b": "x", "slice": "nope", "outcome": "<b>"}
    assert DisagreementFilter.of(told, given) == DisagreementFilter()


def test_retired_superseded_and_deciding_judgments_are_no_party(told):
    Comparison.objects.filter(external_id="differ").update(retired_at="2026-01-01T00:00Z")
    Judgment.objects.filter(comparison__external_id="others", rater__name="ben").update(current=False)
    assert found(told) == []


def test_pages_follow_one_another_without_a_gap(told, monkeypatch):
    monkeypatch.setattr(disagreements, "PAGE", 2)
    wanted = DisagreementFilter.of(told, {"outcome": "both"})
    seen, after = [], 0
    while after is not None:
        page = disagreement_page(told, wanted, after=after)
        seen += [comparison.external_id for comparison in page.rows]
        after = page.after
    assert seen == ["differ", "same", "unread", "skipped", "others"]


def test_both_reasons_stand_side_by_side_as_text(reviewer, told):
    record = pair(
        "reasons",
        [
            JudgmentRecord("ana", kind="human", ranking=RANKING["first"], rationale=f"Kinder. {HOSTILE}"),
            JudgmentRecord("good", kind="judge", ranking=RANKING["second"], rationale=f"Shorter. {HOSTILE}"),
        ],
    )
    store_records(project=told, records=[record], by=None)
    answer = reviewer.get(reverse("alignment:disagreements", args=[told.slug]))
    text = answer.content.decode()
    assert HOSTILE not in text
    assert "Kinder. &lt;img" in text
    assert "Shorter. &lt;img" in text
    case = answer.context["cases"][-1]
    assert [[judgment.rater.name for judgment in side] for side in case["sides"]] == [["ana"], ["good"]]


def test_a_comparison_is_sent_to_review_once_and_the_list_stays(reviewer, told):
    comparison = Comparison.objects.get(external_id="others")
    address = reverse("alignment:disagreement-review", args=[told.slug, comparison.pk])
    answer = reviewer.post(f"{address}?a=people&b=machines&slice=all&outcome=differ", follow=True)
    assert "Sent to review." in answer.content.decode()
    assert answer.redirect_chain[0][0].endswith(f"outcome=differ#comparison-{comparison.pk}")
    item = ReviewItem.objects.get(pk=comparison.pk)
    assert (item.open, item.asked, item.conflict) == (True, True, False)
    assert "waits for a reviewer" in answer.content.decode()
    assert "waits for a reviewer already" in reviewer.post(address, follow=True).content.decode()


def test_an_annotator_sends_nothing_to_review(client, make_user, told):
    client.force_login(make_user("ada", project=told, role="annotator"))
    comparison = Comparison.objects.get(external_id="others")
    address = reverse("alignment:disagreement-review", args=[told.slug, comparison.pk])
    assert client.post(address).status_code == 404
    assert not ReviewItem.objects.filter(asked=True).exists()


def test_another_projects_comparison_is_not_found(reviewer, told, make_comparisons):
    from feedback.actions.projects import create_project

    (other,) = make_comparisons(create_project(name="Other", by=None), 1)
    assert (
        reviewer.post(reverse("alignment:disagreement-review", args=[told.slug, other.pk])).status_code == 404
    )
    assert Rater.objects.filter(project=told).count() == 3
