"""Who may go on: pauses, stops, caps, guidelines, and what an answer to gold changes."""

import uuid
from datetime import timedelta

import pytest
from django.utils import timezone, translation

from feedback.actions.assignments import assign
from feedback.actions.gold import make_gold
from feedback.actions.guidelines import mark_read, publish_guidelines
from feedback.actions.judgments import submit_judgment
from feedback.actions.queue_settings import QueueSettings, set_queue
from feedback.actions.standing import check_may_work, let_go_on, pause, room_under_caps, stop, unpause
from feedback.answers import Verdict
from feedback.errors import Refused
from feedback.models import Assignment, AuditEntry, Judgment, Notice, Outcome, Project, Rater

RIGHT, WRONG, TIE = Verdict(ranking=(1, 2)), Verdict(ranking=(2, 1)), Verdict(ranking=(1, 1))
SKIP = Verdict(outcome=Outcome.SKIPPED, rationale="unsure")


@pytest.fixture
def ana(project, make_rater):
    ana = make_rater(project, "ana")
    mark_read(rater=ana, version=1)
    return ana


def change(project, **values):
    Project.objects.filter(pk=project.pk).update(**values)
    project.refresh_from_db()


def answer(rater, comparison, verdict=RIGHT):
    if not Assignment.objects.filter(rater=rater, comparison=comparison).exists():
        assign(rater=rater, comparison=comparison, until=timezone.now() + timedelta(hours=1))
    return submit_judgment(rater=rater, comparison=comparison, submission_id=uuid.uuid4(), verdict=verdict)


def refusal(rater):
    with pytest.raises(Refused) as refused:
        check_may_work(Rater.objects.select_related("project").get(pk=rater.pk))
    return refused.value.field


@pytest.fixture
def gold(project, make_comparisons):
    """Ten gold items whose first response is better, every second one an attention check."""
    items = make_comparisons(project, 10)
    for place, comparison in enumerate(items):
        make_gold(comparison=comparison, use=("gold", "attention")[place % 2], ranking=(1, 2), by=None)
    change(project, gold_minimum=0.7, gold_window=8)
    return items


def test_somebody_in_good_standing_goes_on(ana):
    check_may_work(ana)


def test_a_pause_holds_everybody_until_it_ends(project, ana):
    pause(project=project, by=None)
    assert refusal(ana) == "paused"
    unpause(project=project, by=None)
    check_may_work(Rater.objects.get(pk=ana.pk))
    verbs = AuditEntry.objects.filter(project=project, verb__in=("pause", "unpause")).order_by("pk")
    assert [entry.verb for entry in verbs] == ["pause", "unpause"]


def test_new_guidelines_must_be_read_first(project, ana):
    publish_guidelines(
        project=project, texts={"en": "Prefer the short one."}, change="Length counts.", by=None
    )
    assert refusal(ana) == "guidelines"
    mark_read(rater=ana, version=2)
    check_may_work(ana)


def test_the_sentence_is_in_the_persons_language_and_tells_nothing_of_gold(project, ana):
    stop(rater=ana, because="2 of 10 were right.", by=None)
    with pytest.raises(Refused) as refused, translation.override("en"):
        check_may_work(ana)
    assert "2 of 10" not in refused.value.sentence


def test_a_days_cap_counts_todays_answers_of_every_kind(project, ana, gold, make_comparisons):
    plain, yesterday = make_comparisons(project, 2)
    change(project, cap_per_day=2)
    answer(ana, yesterday)
    Assignment.objects.update(done_at=timezone.now() - timedelta(days=1))
    answer(ana, gold[0])
    check_may_work(Rater.objects.get(pk=ana.pk))
    answer(ana, plain, SKIP)
    assert refusal(ana) == "cap"


def test_a_persons_cap_counts_each_comparison_once(project, ana, make_comparisons):
    first, second = make_comparisons(project, 2)
    change(project, cap_per_person=2)
    answer(ana, first)
    answer(ana, first, WRONG)
    check_may_work(Rater.objects.get(pk=ana.pk))
    answer(ana, second)
    assert refusal(ana) == "cap"


def test_what_somebody_holds_counts_towards_what_they_may_still_be_given(project, ana, make_comparisons):
    first, second, _ = make_comparisons(project, 3)
    assert room_under_caps(ana) is None
    change(project, cap_per_day=3, cap_per_person=5)
    ana.project.refresh_from_db()
    answer(ana, first)
    assign(rater=ana, comparison=second, until=timezone.now() + timedelta(hours=1))
    assert room_under_caps(ana) == 1
    change(project, cap_per_person=2)
    ana.project.refresh_from_db()
    assert room_under_caps(ana) == 0


def test_too_many_wrong_gold_answers_stop_somebody_and_tell_the_leads(project, ana, gold):
    for comparison, verdict in zip(gold, (RIGHT, WRONG, WRONG), strict=False):
        answer(ana, comparison, verdict)
    check_may_work(Rater.objects.get(pk=ana.pk))  # three answers are fewer than half the window
    answer(ana, gold[3])
    ana.refresh_from_db()
    assert ana.stopped_at is not None
    assert ana.stopped_because == "2 of their last 4 answers to gold items were right; the minimum is 70 %."
    assert refusal(ana) == "stopped"
    notice = Notice.objects.get(project=project, kind="stopped", settled_at=None)
    assert "ana" in notice.text
    assert AuditEntry.objects.filter(verb="stop", target_id=ana.pk, actor=None).exists()


def test_enough_right_answers_let_somebody_go_on(project, ana, gold):
    for place, comparison in enumerate(gold):
        answer(ana, comparison, WRONG if place in (4, 9) else RIGHT)
    check_may_work(Rater.objects.get(pk=ana.pk))


def test_a_tie_is_wrong_where_none_is_known_and_right_where_it_is(project, ana, make_comparisons):
    change(project, gold_minimum=1.0, gold_window=1)
    tied, clear = make_comparisons(project, 2)
    make_gold(comparison=tied, use="gold", ranking=(1, 1), by=None)
    make_gold(comparison=clear, use="gold", ranking=(1, 2), by=None)
    answer(ana, tied, TIE)
    check_may_work(Rater.objects.get(pk=ana.pk))
    answer(ana, clear, TIE)
    assert refusal(ana) == "stopped"


def test_only_the_last_answers_count(project, ana, gold):
    change(project, gold_window=4, gold_minimum=0.5)
    answer(ana, gold[0], WRONG)
    for comparison in gold[1:6]:
        answer(ana, comparison)
    for comparison in gold[6:8]:
        answer(ana, comparison, WRONG)
    check_may_work(Rater.objects.get(pk=ana.pk))
    answer(ana, gold[8], WRONG)
    assert refusal(ana) == "stopped"


def test_a_skip_and_an_answer_from_before_it_was_gold_count_for_nothing(project, ana, make_comparisons):
    change(project, gold_minimum=1.0, gold_window=2)
    before, skipped = make_comparisons(project, 2)
    answer(ana, before, WRONG)
    Judgment.objects.update(at=timezone.now() - timedelta(hours=1))
    for comparison in (before, skipped):
        make_gold(comparison=comparison, use="gold", ranking=(1, 2), by=None)
    answer(ana, skipped, SKIP)
    check_may_work(Rater.objects.get(pk=ana.pk))


def test_without_a_minimum_nobody_is_stopped(project, ana, gold):
    change(project, gold_minimum=None)
    for comparison in gold:
        answer(ana, comparison, WRONG)
    check_may_work(Rater.objects.get(pk=ana.pk))


def test_practice_stops_nobody(project, ana, make_comparisons):
    change(project, gold_minimum=1.0, gold_window=1)
    (item,) = make_comparisons(project, 1)
    make_gold(comparison=item, use="practice", ranking=(1, 2), explanation="Because.", by=None)
    answer(ana, item, WRONG)
    check_may_work(Rater.objects.get(pk=ana.pk))


def test_who_is_let_go_on_is_measured_anew_and_the_notice_is_settled(project, ana, gold, make_user):
    lead = make_user("lea")
    change(project, gold_window=2)
    answer(ana, gold[0], WRONG)
    assert refusal(ana) == "stopped"
    with pytest.raises(Refused) as refused:
        let_go_on(rater=ana, reason=" ", by=lead)
    assert refused.value.field == "reason"
    let_go_on(rater=ana, reason="We talked.", by=lead)
    check_may_work(Rater.objects.get(pk=ana.pk))
    assert Notice.objects.get().settled_by == lead
    assert AuditEntry.objects.get(verb="let go on").detail["reason"] == "We talked."
    answer(Rater.objects.get(pk=ana.pk), gold[1])
    check_may_work(Rater.objects.get(pk=ana.pk))
    answer(Rater.objects.get(pk=ana.pk), gold[2], WRONG)
    assert refusal(ana) == "stopped"
    assert Notice.objects.filter(settled_at=None).count() == 1


def test_who_is_not_stopped_can_not_be_let_go_on(ana):
    with pytest.raises(Refused, match="not stopped"):
        let_go_on(rater=ana, reason="Why not.", by=None)


def test_a_stop_needs_a_reason_and_happens_once(project, ana):
    with pytest.raises(Refused):
        stop(rater=ana, because="", by=None)
    stop(rater=ana, because="Random answers.", by=None)
    stop(rater=ana, because="Again.", by=None)
    assert Rater.objects.get(pk=ana.pk).stopped_because == "Random answers."
    assert Notice.objects.count() == 1


SETTINGS = {
    "overlap": 3,
    "batch_size": 2,
    "lease_seconds": 600,
    "cap_per_day": 100,
    "cap_per_person": None,
    "gold_rate": 0.1,
    "attention_rate": 0.05,
    "repeat_rate": 0.05,
    "gold_minimum": 0.7,
    "gold_window": 10,
    "pay_per_hour": 18.5,
}


def test_the_queues_settings_are_stored_with_what_changed(project):
    set_queue(project=project, settings=QueueSettings(**SETTINGS), by=None)
    stored = Project.objects.get(pk=project.pk)
    assert {name: getattr(stored, name) for name in SETTINGS} == SETTINGS
    assert "batch_size" not in AuditEntry.objects.get(verb="set queue").detail
    set_queue(project=project, settings=QueueSettings(**SETTINGS), by=None)
    assert AuditEntry.objects.filter(verb="set queue").count() == 1


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"overlap": 10}, "overlap"),
        ({"batch_size": 0}, "batch_size"),
        ({"batch_size": 51}, "batch_size"),
        ({"lease_seconds": 59}, "lease_seconds"),
        ({"cap_per_day": 0}, "cap_per_day"),
        ({"cap_per_person": 0}, "cap_per_person"),
        ({"gold_rate": 0.6}, "gold_rate"),
        ({"repeat_rate": -0.1}, "repeat_rate"),
        ({"repeat_rate": 0.4}, "gold_rate"),
        ({"gold_minimum": 0.0}, "gold_minimum"),
        ({"gold_window": 0}, "gold_window"),
        ({"pay_per_hour": 0.0}, "pay_per_hour"),
        ({"pay_per_hour": 10_001.0}, "pay_per_hour"),
    ],
)
def test_a_setting_out_of_its_range_is_refused_and_changes_nothing(changes, field, project):
    with pytest.raises(Refused) as refused:
        set_queue(project=project, settings=QueueSettings(**SETTINGS | changes), by=None)
    assert refused.value.field == field
    assert Project.objects.get(pk=project.pk).overlap == 2
