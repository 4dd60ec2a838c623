"""On what ground people are asked is kept, and a judge that has changed loses its certificate."""

from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest
from django.utils import timezone

from alignment.actions.drift_measures import drift_entries
from alignment.actions.policies import create_policy
from alignment.actions.routing import _certificates_short, _guarantees_short, route_to_people
from alignment.drift import Served, _change, _drift, _looks, _one_a_prompt
from alignment.facts import facts_of, grounds_of
from alignment.models import Asking, Label
from alignment.policy.document import PolicyDocument
from alignment.policy.verdicts import Ground
from alignment.queries import load_judgments, settled_labelling, unjudged_by_people
from alignment.surroundings import load_surroundings
from alignment.whatif import what_if
from feedback.actions.imports import store_records
from feedback.models import Comparison, Judgment, Notice, QueueItem
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


def test_a_draw_is_out_of_all_that_nobody_judged_also_of_what_was_asked_as_doubtful(applied):
    unjudged = unjudged_by_people(applied.project).tolist()
    Asking.objects.bulk_create(Asking(comparison_id=pk, ground="gain") for pk in unjudged)
    queue = list(QueueItem.objects.order_by("pk").values())
    route_to_people(policy=applied, by=None)
    drawn = set(Asking.objects.filter(ground="drawn").values_list("pk", flat=True))
    assert drawn
    assert drawn <= set(unjudged)
    waiting = QueueItem.objects.filter(pk__in=drawn).order_by("pk").values()
    assert list(waiting) == [item for item in queue if item["comparison_id"] in drawn]


def test_labels_wait_for_the_slice_that_speaks_for_them(applied):
    """With a threshold of its own on each slice, none waits for the one over all; nor are answers counted elsewhere."""
    labelling = settled_labelling(applied.project, applied)
    unjudged = unjudged_by_people(applied.project)
    alike = {"own": True, "threshold": None, "needed": 10}
    labelling.basis["guarantees"] = [{**alike, "slice": name} for name in ("all", "even", "odd")]
    unproven = Label.objects.filter(policy=applied, reason="not_proven")
    expected = {name: unproven.filter(comparison__tags__name=name).count() for name in ("even", "odd")}
    needs = _guarantees_short(labelling, unjudged, unjudged[:0])
    assert sorted(need.waiting for need in needs) == sorted(expected.values())
    even = Comparison.objects.filter(pk__in=unjudged.tolist(), tags__name="even").values_list("pk", flat=True)
    asked = np.array(sorted(even)[:10])
    needs = _guarantees_short(labelling, np.setdiff1d(unjudged, asked), asked)
    assert [need.waiting for need in needs] == [expected["odd"]]


def test_answers_asked_for_on_another_slice_certify_no_judge_here(applied):
    labelling = settled_labelling(applied.project, applied)
    unjudged = unjudged_by_people(applied.project)
    one = {
        "judge": "good",
        "slice": "odd",
        "trusted": False,
        "needed": 30,
        "outlook": "",
        "reason": "too_few_items",
    }
    labelling.certificates = [one]
    Label.objects.filter(policy=applied, comparison__in=unjudged.tolist()).update(reason="no_trusted_verdict")
    tagged = (
        Comparison.objects.filter(pk__in=unjudged.tolist()).order_by("pk").values_list("pk", "tags__name")
    )
    asked = {name: np.array([pk for pk, tag in tagged if tag == name][:5]) for name in ("even", "odd")}
    for name, answers in (("even", 30), ("odd", 15)):
        (need,) = _certificates_short(labelling, np.setdiff1d(unjudged, asked[name]), asked[name])
        assert (need.answers, need.waiting) == (answers, 20)


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
    for q, drifts in ((0.05, True), (1e-100, False)):
        seen = what_if(project, PolicyDocument(q=q), None).certificates
        assert any(one["sentence"].startswith("Not trusted any more") for one in seen) is drifts


def test_on_doubtful_comparisons_alone_no_judge_is_found_to_have_changed(project):
    store_records(project=project, records=drifting(140), by=None)
    spread_out(project)
    judgments = load_judgments(project)
    every = facts_of(project, judgments, np.full(judgments.count, Ground.OTHER))
    assert min(facts.drift.p for facts in every if facts.drift) < 0.001
    majority = judgments.given_by(judgments.names.index("steady"))
    # Another model answers from long before the change: of both looks the one with the smaller p is told.
    served = Served(Judgment.objects.earliest("at").at + timedelta(days=60), "another", 1)
    drift = _drift(judgments, judgments.names.index("drifting"), majority, served, 2)
    assert "in the latest 100" in drift.sentence
    turned = np.array([int(name[1:]) >= 140 for name in judgments.external_ids])
    Asking.objects.bulk_create(
        Asking(comparison_id=pk, ground="gain") for pk in judgments.comparison_ids[turned]
    )
    fair = facts_of(project, judgments, grounds_of(project, judgments.comparison_ids))
    assert all(facts.drift is None for facts in fair)
    around = load_surroundings(project, judgments)
    for entry in drift_entries(judgments, around, majority, "all"):
        assert {week["agreement"]["value"] for week in entry["weeks"]} <= {1.0, None}


def test_a_judge_that_stays_as_it_is_keeps_it(project, label):
    store_records(project=project, records=drifting(1000), by=None)
    spread_out(project)
    labelling = label(create_policy(project=project, name="p", document={}, by=None))
    assert {one["reason"] for one in labelling.certificates} == {"trusted"}
    assert not Notice.objects.exists()


def test_a_judge_has_not_changed_because_people_come_to_what_it_is_bad_at(project, label):
    """Right about deliveries and half of all others; first most of what people judge are deliveries, then few."""
    records = []
    for index in range(240):
        other = index % 5 == 0 if index < 140 else index % 5 != 0
        wrong = other and index % 2 == 0
        verdicts = [
            *(said(name, "first") for name in "abc"),
            said("half", FLIPPED["first"] if wrong else "first", "judge"),
        ]
        records.append(pair(f"d{index:03d}", verdicts, ("other",) if other else ("delivery",)))
    store_records(project=project, records=records, by=None)
    spread_out(project)
    for tagged, changed in ((True, False), (False, True)):
        if not tagged:
            project.tags.all().delete()
        judgments = load_judgments(project)
        facts = facts_of(project, judgments, np.full(judgments.count, Ground.OTHER))
        (drift,) = [each.drift for each in facts if each.drift]
        assert (drift.p < 0.05) is changed


def test_a_tag_of_its_own_for_each_week_hides_no_change(project):
    records = [
        replace(record, tags=(f"week-{index // 100}",)) for index, record in enumerate(drifting(100, 200))
    ]
    store_records(project=project, records=records, by=None)
    spread_out(project)
    judgments = load_judgments(project)
    facts = facts_of(project, judgments, np.full(judgments.count, Ground.OTHER))
    assert min(each.drift.p for each in facts if each.drift) < 0.001


def test_judges_that_stay_as_they_are_keep_it_however_often_they_are_looked_at():
    """Each of 150 is looked at when each of twenty hundreds is full; and more often, which is no other look."""
    rng, lost = np.random.default_rng(0), 0
    for _ in range(150):
        right, easy = rng.random(2000) < 0.8, rng.random(2000) < 0.5
        found = []
        for total in (*range(200, 2001, 100), 1950):
            at = np.arange(total, dtype=np.float64)
            for look in _looks(at, None, total):
                rows = _one_a_prompt(at, np.arange(total), look)
                met = _change(right[:total], look, rows, [easy[:total]])
                found.append(met.p * look.share)
        assert found[-1] == found[-3]
        lost += min(found) <= 0.05
    assert lost / 150 <= 0.05


def spread_out(project):
    """The judgments as if one comparison was judged a day."""
    start = timezone.now() - timedelta(days=300)
    rows = list(Judgment.objects.filter(rater__project=project).select_related("comparison"))
    for judgment in rows:
        judgment.at = start + timedelta(days=int(judgment.comparison.external_id[1:]))
    Judgment.objects.bulk_update(rows, ["at"], batch_size=200)
