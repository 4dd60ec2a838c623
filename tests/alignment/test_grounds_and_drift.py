"""On what ground people are asked is kept, and a judge that has changed loses its certificate."""

from datetime import timedelta

import pytest
from django.utils import timezone

from alignment.actions.policies import create_policy
from alignment.actions.routing import route_to_people
from alignment.facts import grounds_of
from alignment.models import Asking, Label
from alignment.policy.verdicts import Ground
from alignment.queries import load_judgments
from feedback.actions.imports import store_records
from feedback.models import Judgment, Notice, QueueItem
from tests.alignment.conftest import FLIPPED, pair, said


@pytest.fixture
def applied(judged, label):
    policy = create_policy(
        project=judged, name="p", document={"max_error": 0.05, "random_share": 0.2, "epsilon": 0.3}, by=None
    )
    label(policy)
    return policy


def test_part_of_what_is_asked_is_drawn_at_random_and_it_is_kept_which(applied):
    route_to_people(policy=applied, by=None)
    asked = Asking.objects.all()
    assert asked.filter(ground="drawn").exists()
    judged = Judgment.objects.filter(rater__kind="human").values("comparison")
    assert not asked.filter(comparison__in=judged).exists()
    ids = load_judgments(applied.project).comparison_ids
    grounds = grounds_of(applied.project, ids)
    assert (grounds == Ground.DRAWN).sum() == asked.filter(ground="drawn").count()
    assert (grounds == Ground.GAIN).sum() == asked.filter(ground="gain").count()


def test_routing_again_asks_about_nothing_twice(applied):
    route_to_people(policy=applied, by=None)
    grounds, queue = list(Asking.objects.values()), list(QueueItem.objects.order_by("pk").values())
    route_to_people(policy=applied, by=None)
    assert list(Asking.objects.values()) == grounds
    assert list(QueueItem.objects.order_by("pk").values()) == queue


def test_where_an_answer_wins_many_labels_it_comes_first(applied):
    """What is not shown keeps many labels waiting, so the draw that would show it is more urgent than a doubt."""
    waiting = Label.objects.filter(policy=applied, reason="not_proven").count()
    assert waiting > 10
    route_to_people(policy=applied, by=None)
    drawn = QueueItem.objects.filter(comparison__asking__ground="drawn")
    doubtful = QueueItem.objects.filter(comparison__asking__ground="gain")
    assert min(item.priority for item in drawn) >= max((item.priority for item in doubtful), default=0)


def drifting(turned_from, n=240):
    """A judge that agrees with three people, and from one comparison on says the opposite half of the time."""
    records = []
    for index in range(n):
        truth = ("first", "second")[index % 2]
        turned = index >= turned_from and index % 4 < 2
        judge = said("drifting", FLIPPED[truth] if turned else truth, "judge")
        steady = said("steady", truth, "judge")
        records.append(pair(f"d{index:03d}", [*(said(name, truth) for name in "abc"), judge, steady]))
    return records


def test_a_judge_whose_agreement_changed_loses_its_certificate_and_the_leads_are_told(project, label):
    store_records(project=project, records=drifting(140), by=None)
    spread_out(project)
    labelling = label(create_policy(project=project, name="p", document={}, by=None))
    reasons = {one["judge"]: one["reason"] for one in labelling.certificates if one["slice"] == "all"}
    assert reasons == {"drifting": "drifted", "steady": "trusted"}
    notice = Notice.objects.get(project=project, kind="drift")
    assert "drifting" in notice.text
    assert "was 1.00" in notice.text


def test_a_judge_that_stays_as_it_is_keeps_it(project, label):
    store_records(project=project, records=drifting(1000), by=None)
    spread_out(project)
    labelling = label(create_policy(project=project, name="p", document={}, by=None))
    assert {one["reason"] for one in labelling.certificates} == {"trusted"}
    assert not Notice.objects.exists()


def spread_out(project):
    """The judgments as if one comparison was judged a day."""
    start = timezone.now() - timedelta(days=300)
    rows = list(Judgment.objects.filter(rater__project=project).select_related("comparison"))
    for judgment in rows:
        judgment.at = start + timedelta(days=int(judgment.comparison.external_id[1:]))
    Judgment.objects.bulk_update(rows, ["at"], batch_size=200)
