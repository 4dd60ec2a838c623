"""What somebody sends to review waits for a reviewer until it is decided or let stand."""

import pytest

from feedback.actions.reviews import adjudicate, ask_for_review, let_stand
from feedback.answers import Verdict
from feedback.errors import Refused
from feedback.models import AuditEntry, Outcome, ReviewItem
from feedback.queries.review import ReviewFilter, review_page, review_state


@pytest.fixture
def rita(make_user, project):
    return make_user("rita", project=project, role="reviewer")


@pytest.fixture
def asked(project, make_comparisons, rita):
    (comparison,) = make_comparisons(project, 1)
    assert ask_for_review(comparison=comparison, reason="A judge sees it otherwise.", by=rita)
    return comparison


def item(comparison):
    return ReviewItem.objects.get(pk=comparison.pk)


def test_it_waits_in_the_queue_with_its_reason_in_the_history(project, asked, rita):
    assert [row.pk for row in review_page(project, ReviewFilter()).rows] == [asked.pk]
    entry = AuditEntry.objects.get(verb="ask for review")
    assert (entry.actor, entry.detail["reason"]) == (rita, "A judge sees it otherwise.")
    assert not ask_for_review(comparison=asked, reason="Again.", by=rita)
    assert AuditEntry.objects.filter(verb="ask for review").count() == 1


def test_a_decision_settles_it(asked, rita):
    verdict = Verdict(outcome=Outcome.RANKED, ranking=(1, 2), rationale="The first is right.")
    adjudicate(comparison=asked, verdict=verdict, seen=review_state(asked.pk), by=rita)
    assert (item(asked).asked, item(asked).open) == (False, False)
    with pytest.raises(Refused, match="decided this comparison already"):
        ask_for_review(comparison=asked, reason="Still odd.", by=rita)


def test_letting_it_stand_settles_it_and_it_can_be_asked_again(asked, rita):
    let_stand(comparison=asked, reason="A matter of taste.", seen=review_state(asked.pk), by=rita)
    assert (item(asked).asked, item(asked).open) == (False, False)
    assert ask_for_review(comparison=asked, reason="It came up again.", by=rita)
    assert item(asked).open


def test_it_is_refused_without_a_reason_and_where_nothing_is_judged_any_more(asked, rita):
    with pytest.raises(Refused, match="Say why"):
        ask_for_review(comparison=asked, reason=" ", by=rita)
    asked.retired_at = "2026-01-01T00:00Z"
    with pytest.raises(Refused, match="retired"):
        ask_for_review(comparison=asked, reason="Odd.", by=rita)


def test_what_a_reviewer_saw_is_out_of_date_once_somebody_asked(project, make_comparisons, rita):
    (comparison,) = make_comparisons(project, 1)
    seen = review_state(comparison.pk)
    ask_for_review(comparison=comparison, reason="Look.", by=rita)
    assert review_state(comparison.pk) != seen
