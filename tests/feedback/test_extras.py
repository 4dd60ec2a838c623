"""Practice, gold, attention checks and repeats: who is given which, when, and how seldom it costs anything."""

import uuid
from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from feedback.actions.assignments import assign, release_assignment
from feedback.actions.extras import REPEAT_AFTER, feedback_on, next_extra, repeat_of
from feedback.actions.gold import make_gold, retire_gold
from feedback.actions.judgments import submit_judgment
from feedback.actions.qualifications import set_qualifications
from feedback.actions.slices import set_slice_rule
from feedback.answers import Verdict
from feedback.models import Assignment, Comparison, Judgment, Outcome, Project, Purpose, Rater
from feedback.queries.judgments import judges_view
from feedback.queries.measuring import checks_without_judges
from feedback.records import JudgmentRecord

A_BETTER = Verdict(ranking=(1, 2))


@pytest.fixture
def ana(project, make_rater):
    return make_rater(project, "ana")


def rates(project, **shares):
    Project.objects.filter(pk=project.pk).update(**shares)
    project.refresh_from_db()


def gold(comparisons, use="gold"):
    for comparison in comparisons:
        make_gold(comparison=comparison, use=use, ranking=(1, 2), explanation="Because.", by=None)
    return comparisons


def give(rater, comparison):
    return assign(rater=rater, comparison=comparison, until=timezone.now() + timedelta(hours=1))


def answer(rater, comparison, verdict=A_BETTER):
    return submit_judgment(rater=rater, comparison=comparison, submission_id=uuid.uuid4(), verdict=verdict)


def work_through(rater, ordinary, items):
    """What the person is given over so many items: the extra that is due, else the next ordinary one."""
    given = []
    for _ in range(items):
        extra = next_extra(rater)
        comparison = extra or next(ordinary)
        give(rater, comparison)
        answer(rater, comparison)
        given.append(extra)
    return given


def at_place(rater, place):
    Rater.objects.filter(pk=rater.pk).update(answered=place)
    return next_extra(rater)


def test_without_rates_nothing_is_mixed_in(project, ana, make_comparisons):
    gold(make_comparisons(project, 3))
    assert [at_place(ana, place) for place in range(20)] == [None] * 20


def test_practice_comes_first_in_order_until_it_is_done(project, ana, make_comparisons):
    first, second, _ = make_comparisons(project, 3)
    gold([first, second], "practice")
    assert next_extra(ana) == first
    give(ana, first)
    assert next_extra(ana) == second
    give(ana, second)
    assert next_extra(ana) is None
    answer(ana, first)
    ana.refresh_from_db()
    assert ana.practised_at is None
    answer(ana, second, Verdict(outcome=Outcome.SKIPPED, rationale="unsure"))
    ana.refresh_from_db()
    assert ana.practised_at is not None


def test_practice_that_was_given_back_comes_again(project, ana, make_comparisons):
    (item,) = gold(make_comparisons(project, 1), "practice")
    give(ana, item)
    release_assignment(rater=ana, comparison_id=item.pk)
    assert next_extra(ana) == item


def test_practice_that_comes_later_is_not_for_those_who_have_begun(project, ana, make_comparisons):
    first, second = make_comparisons(project, 2)
    gold([first], "practice")
    give(ana, first)
    answer(ana, first)
    gold([second], "practice")
    assert next_extra(Rater.objects.get(pk=ana.pk)) is None


def test_practice_is_answered_with_an_explanation_in_the_order_shown(project, ana, make_comparisons):
    first, second = make_comparisons(project, 2)
    gold([first], "practice")
    gold([second])
    for comparison in (first, second):
        give(ana, comparison)
    Assignment.objects.update(shown=(1, 0))
    told = feedback_on(answer(ana, first, Verdict(ranking=(2, 1))))
    assert (told.right, told.ranks_shown, told.explanation) == (False, (2, 1), "Because.")
    assert feedback_on(answer(ana, first)).right is True
    assert feedback_on(answer(ana, second)) is None


def test_gold_comes_at_its_rate(project, ana, make_comparisons):
    rates(project, gold_rate=0.2, attention_rate=0.1)
    gold(make_comparisons(project, 1))
    gold(make_comparisons(project, 1), "attention")
    given = [at_place(ana, place) for place in range(200)]
    shares = [
        sum(found is not None and found.purpose == use for found in given) for use in ("gold", "attention")
    ]
    # Each draw stands by itself: four standard deviations to either side.
    assert shares == [pytest.approx(40, abs=23), pytest.approx(20, abs=17)]


def test_what_is_due_is_the_same_again_and_another_for_each_person(
    project, ana, make_comparisons, make_rater
):
    rates(project, gold_rate=0.5)
    gold(make_comparisons(project, 5))
    once = [at_place(ana, place) for place in range(20)]
    assert [at_place(ana, place) for place in range(20)] == once
    other = make_rater(project, "ben")
    assert [at_place(other, place) for place in range(20)] != once


def test_what_is_due_hangs_on_the_servers_secret(project, ana, make_comparisons, settings):
    rates(project, gold_rate=0.5)
    gold(make_comparisons(project, 5))
    once = [at_place(ana, place) for place in range(20)]
    settings.SECRET_KEY = "another"
    assert [at_place(ana, place) for place in range(20)] != once


def test_giving_an_item_back_does_not_change_what_is_due(project, ana, make_comparisons):
    rates(project, gold_rate=0.5)
    gold(make_comparisons(project, 5))
    found = next(found for place in range(60) if (found := at_place(ana, place)))
    give(ana, found)
    release_assignment(rater=ana, comparison_id=found.pk)
    assert next_extra(ana) == found


def test_each_person_answers_each_gold_item_once_and_then_none_is_due(project, ana, make_comparisons):
    rates(project, gold_rate=0.5)
    items = gold(make_comparisons(project, 4))
    ordinary = iter(make_comparisons(project, 60))
    given = work_through(ana, ordinary, 30)
    assert sorted(item.pk for item in given if item) == sorted(item.pk for item in items)
    assert Judgment.objects.filter(comparison__in=items).count() == 4


def test_gold_that_is_held_retired_or_was_judged_before_is_not_given(project, ana, make_comparisons):
    rates(project, gold_rate=0.5)
    held, retired, judged, free = gold(make_comparisons(project, 4))
    give(ana, held)
    retire_gold(comparison=retired, by=None)
    give(ana, judged)
    answer(ana, judged)
    assert due(ana) == {free}


SAID = [JudgmentRecord("opus", kind="judge", ranking={"a": 1, "b": 2})]


@pytest.mark.parametrize(("shown", "came"), [(True, [True, False]), (False, [True, True])])
def test_where_the_judges_view_is_shown_only_gold_with_one_is_given(
    project, ana, make_comparisons, shown, came
):
    """Else it would be known by having none."""
    known = gold(make_comparisons(project, 1, SAID)) + gold(make_comparisons(project, 1))
    rates(project, gold_rate=0.5, show_judges=shown)
    given = due(ana)
    assert [comparison in given for comparison in known] == came
    assert checks_without_judges(project) == shown


def test_without_any_judge_all_gold_is_given(project, ana, make_comparisons):
    known = gold(make_comparisons(project, 2))
    rates(project, gold_rate=0.5, show_judges=True)
    assert due(ana) == set(known)
    assert checks_without_judges(project) == 0


def test_a_repeat_meets_the_view_that_the_first_met(project, make_comparisons):
    first = make_comparisons(project, 1, SAID)[0]
    assert judges_view(repeat_of(first)) == judges_view(first) != []


def test_gold_goes_to_those_who_are_qualified(project, ana, make_comparisons):
    rates(project, gold_rate=0.5)
    even, _ = gold(make_comparisons(project, 2))
    set_slice_rule(tag=project.tags.get(name="even"), language="French", skill="law", by=None)
    assert even not in due(ana)
    set_qualifications(rater=ana, languages=["french"], skills=[], by=None)
    assert even not in due(ana)
    set_qualifications(rater=ana, languages=["french"], skills=["law"], by=None)
    assert even in due(ana)


def due(rater, places=24):
    """All that is due at some of these places."""
    return {at_place(rater, place) for place in range(places)} - {None}


def judged(rater, comparisons, *, later=0, **changes):
    """These comparisons as this person answered them one after the other, without the queue."""
    now = timezone.now() - timedelta(days=1, seconds=-later)
    Judgment.objects.bulk_create(
        Judgment(
            **{
                "comparison": comparison,
                "rater": rater,
                "submission_id": uuid.uuid4(),
                "outcome": "ranked",
                "ranking": (1, 2),
                "at": now + timedelta(seconds=place),
            }
            | changes
        )
        for place, comparison in enumerate(comparisons)
    )


def test_a_repeat_comes_after_enough_others_and_only_once(project, ana, make_comparisons):
    rates(project, repeat_rate=0.5)
    comparisons = make_comparisons(project, REPEAT_AFTER + 2)
    judged(ana, comparisons[:REPEAT_AFTER])
    assert due(ana) == set()
    judged(ana, comparisons[REPEAT_AFTER:], later=REPEAT_AFTER)
    found = due(ana)
    assert {each.repeat_of for each in found} == set(comparisons[:2])
    for each in found:
        give(ana, each)
        answer(ana, each, Verdict(ranking=(2, 1)))
    assert {each.repeat_of for each in due(ana)} == set(comparisons[2:4])


def test_a_repeat_has_the_same_texts_and_takes_no_slot_and_makes_no_label(project, ana, make_comparisons):
    (comparison,) = make_comparisons(project, 1)
    twin = repeat_of(comparison)
    assert repeat_of(comparison) == twin
    assert (twin.purpose, twin.prompt_id, twin.overlap) == (Purpose.REPEAT, comparison.prompt_id, 0)
    texts = [list(each.slots.values_list("position", "response__text")) for each in (comparison, twin)]
    assert texts[0] == texts[1]
    give(ana, comparison)
    answer(ana, comparison)
    give(ana, twin)
    answer(ana, twin, Verdict(ranking=(2, 1)))
    said = ana.judgments.filter(current=True).order_by("pk").values_list("comparison", "ranking")
    assert list(said) == [(comparison.pk, (1, 2)), (twin.pk, (2, 1))]
    comparison.queue_item.refresh_from_db()
    assert comparison.queue_item.slots_free == 1


@pytest.mark.parametrize(
    "changes", [{"outcome": "skipped", "ranking": ()}, {"current": False}], ids=["skipped", "taken back"]
)
def test_only_a_verdict_that_stands_is_repeated(changes, project, ana, make_comparisons):
    rates(project, repeat_rate=0.5)
    comparisons = make_comparisons(project, REPEAT_AFTER + 2)
    judged(ana, comparisons[:2], **changes)
    judged(ana, comparisons[2:], later=2)
    assert due(ana) == set()


def test_two_people_are_repeated_the_same_comparison_by_the_same_twin(
    project, ana, make_comparisons, make_rater
):
    (comparison,) = make_comparisons(project, 1)
    twin = repeat_of(comparison)
    for rater in (ana, make_rater(project, "ben")):
        give(rater, twin)
        answer(rater, twin)
    assert twin.judgments.count() == 2
    assert Comparison.objects.filter(repeat_of=comparison).count() == 1


def statements(rater, place):
    """How many statements a draw takes where gold, and where a repeat, is due."""
    with CaptureQueriesContext(connection) as asked:
        at_place(rater, place)
    return len(asked)


def test_the_cost_does_not_grow_with_what_a_person_has_done(project, ana, make_comparisons):
    rates(project, gold_rate=0.25, repeat_rate=0.25)
    gold(make_comparisons(project, 3))
    comparisons = make_comparisons(project, 400)
    judged(ana, comparisons[:50])
    few = [statements(ana, place) for place in range(12)]
    judged(ana, comparisons[50:], later=50)
    many = [statements(ana, place) for place in range(12)]
    assert max(many) <= max(few)
