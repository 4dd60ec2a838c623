"""The way back: what is routed to people returns to the queue, the most doubtful first."""

import pytest
from django.db import DatabaseError

from alignment.actions import routing
from alignment.actions.policies import create_policy
from alignment.actions.routing import route_to_people
from alignment.models import Asking, Label
from feedback.actions.assignments import take_next
from feedback.errors import Refused
from feedback.models import AuditEntry, Comparison, Judgment, QueueItem

STRICT = {"min_confidence": 0.97, "max_error": None, "random_share": 0}


@pytest.fixture
def strict(judged, label):
    """A policy so strict that it routes some comparisons that people have judged."""
    policy = create_policy(project=judged, name="strict", document=STRICT, by=None)
    label(policy)
    return policy


def routed(policy):
    return Label.objects.filter(policy=policy, decision="routed")


def most_doubtful_first(policy):
    labels = routed(policy).order_by("comparison_id")
    return sorted(labels, key=lambda label: -1 if label.confidence is None else label.confidence)


def test_routed_comparisons_wait_for_people_in_the_order_of_doubt(strict, make_rater):
    assert route_to_people(policy=strict, by=None) == routed(strict).count() > 4
    priorities = QueueItem.objects.in_bulk(routed(strict).values_list("comparison_id", flat=True))
    by_doubt = most_doubtful_first(strict)
    ordered = [priorities[label.comparison_id].priority for label in by_doubt]
    assert ordered == sorted(ordered, reverse=True)
    assert min(ordered) > 0
    assert all(item.slots_free > 0 for item in priorities.values())
    assert take_next(rater=make_rater(strict.project, "dee")).comparison_id == by_doubt[0].comparison_id


def test_used_comparisons_are_left_alone(strict):
    others = QueueItem.objects.exclude(pk__in=routed(strict).values("comparison_id"))
    before = list(others.order_by("pk").values())
    route_to_people(policy=strict, by=None)
    assert list(others.order_by("pk").values()) == before


def test_a_limit_takes_the_most_doubtful(strict):
    assert route_to_people(policy=strict, by=None, limit=3) == 3
    urgent = set(QueueItem.objects.filter(priority__gt=0).values_list("pk", flat=True))
    assert urgent == {label.comparison_id for label in most_doubtful_first(strict)[:3]}


def test_one_more_person_is_asked_where_no_slot_was_free(strict):
    full = routed(strict).filter(comparison__queue_item__slots_free=0).first()
    overlap = full.comparison.overlap
    route_to_people(policy=strict, by=None)
    assert Comparison.objects.get(pk=full.comparison_id).overlap == overlap + 1


def test_routing_twice_asks_for_one_more_person_only(strict):
    route_to_people(policy=strict, by=None)
    before = list(QueueItem.objects.order_by("pk").values())
    route_to_people(policy=strict, by=None)
    assert list(QueueItem.objects.order_by("pk").values()) == before
    assert AuditEntry.objects.filter(verb="route to people").count() == 2


def test_grounds_and_places_in_the_queue_are_kept_together(strict, monkeypatch):
    def broken(*_args, **_kwargs):
        raise DatabaseError("disk is full")

    Judgment.objects.filter(rater__kind="human").update(current=False)
    before = list(QueueItem.objects.order_by("pk").values())
    monkeypatch.setattr(routing, "reopen", broken)
    with pytest.raises(DatabaseError):
        route_to_people(policy=strict, by=None)
    assert not Asking.objects.exists()
    assert list(QueueItem.objects.order_by("pk").values()) == before


def test_a_policy_that_labelled_nothing_is_refused(policy):
    with pytest.raises(Refused, match="apply it first"):
        route_to_people(policy=policy, by=None)
