"""People measured from the store: their table, their page, their answers, and what nobody else may see."""

import csv
import io
import uuid
from datetime import UTC, datetime, timedelta

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from alignment.actions.people import carry_out_people, measure_people, request_people, standing_of
from alignment.answers import AnswerFilter, answer_page, find_answers
from alignment.models import PersonMeasure
from feedback.actions.jobs import perform_job
from feedback.actions.projects import deactivate_member, rater_of
from feedback.actions.standing import stop
from feedback.models import Comparison, Flag, GoldAnswer, Judgment, Member, Purpose, Rater, Role

MONDAY = datetime(2026, 3, 2, 9, tzinfo=UTC)
A, B, TIE = (1, 2), (2, 1), (1, 1)


@pytest.fixture
def says(db):
    """Store a person's answer as it stands; ``ranking`` () is a skip."""

    def say(rater, comparison, ranking, at=MONDAY, **fields):
        row = Judgment(
            rater=rater,
            comparison=comparison,
            submission_id=uuid.uuid4(),
            outcome="ranked" if ranking else "skipped",
            ranking=ranking,
            at=at,
            **{"shown": (0, 1), "seconds": 10.0} | fields,
        )
        row.save()
        return row

    return say


@pytest.fixture
def comparisons(project, make_comparisons):
    """Eight for work, and four whose answer A is known since the Sunday before."""
    made = make_comparisons(project, 12)
    Comparison.objects.filter(pk__in=[one.pk for one in made[8:]]).update(purpose=Purpose.GOLD)
    GoldAnswer.objects.bulk_create(GoldAnswer(comparison=one, ranking=A) for one in made[8:])
    GoldAnswer.objects.update(created_at=MONDAY - timedelta(days=1))
    return made


@pytest.fixture
def people(project, comparisons, make_rater, says):
    """Ana and Ben agree on six of eight; Ana is right on three of four gold items, and skipped none."""
    ana, ben = make_rater(project, "Ana"), make_rater(project, "Ben", simulated=True)
    for index, comparison in enumerate(comparisons[:8]):
        says(ana, comparison, (A, B)[index % 2], at=MONDAY + timedelta(weeks=index // 4))
        says(ben, comparison, A if index >= 6 else (A, B)[index % 2])
    for index, comparison in enumerate(comparisons[8:]):
        says(ana, comparison, B if index == 0 else A)
    says(ben, comparisons[8], ())
    return ana, ben


@pytest.fixture
def as_role(project, make_user):
    def log_in(role):
        client = Client()
        client.force_login(make_user(f"{role}-person", project=project, role=role))
        return client

    return log_in


def figures(rater):
    return PersonMeasure.objects.get(rater=rater).figures


def url(name, project, *args):
    return reverse(f"alignment:{name}", args=[project.slug, *args])


def test_people_are_measured_from_the_store(project, people):
    measure_people(project=project)
    ana, ben = people
    assert (figures(ana)["answers"], figures(ben)["answers"]) == (12, 9)
    assert (figures(ana)["gold"]["value"], figures(ana)["gold"]["n"]) == (0.75, 4)
    assert figures(ben)["gold"] == {"value": None, "n": 0, "reason": "no data"}
    assert figures(ana)["others"]["n"] == 8
    # Do = 1/8 · 1, De from 9 A and 7 B of 16
    assert figures(ana)["others"]["value"] == pytest.approx(1 - (1 / 8) / ((256 - 81 - 49) / 240))
    assert figures(ana)["side"]["value"] == 0.5
    assert figures(ben)["side"]["value"] == pytest.approx(5 / 8)
    assert figures(ana)["seconds"] == 10
    # "Answer 0 of x." and "Answer 0 of y." have eight words
    assert figures(ana)["seconds_by_words"] == pytest.approx(125)


def test_weeks_begin_on_mondays(project, people):
    measure_people(project=project)
    weeks = PersonMeasure.objects.get(rater=people[0]).weeks
    assert [(week["week"], week["answers"]) for week in weeks] == [("2026-03-02", 8), ("2026-03-09", 4)]
    assert (weeks[0]["gold"], weeks[0]["gold_right"], weeks[0]["gold_share"]) == (4, 3, 0.75)
    assert weeks[1]["gold_share"] is None


def test_practice_decisions_and_earlier_answers_are_left_out(project, people, comparisons, says):
    ana, _ = people
    measure_people(project=project)
    before = figures(ana)
    says(ana, comparisons[0], B, adjudicates=True)
    Judgment.objects.filter(rater=ana, comparison=comparisons[1], adjudicates=False).update(current=False)
    says(ana, comparisons[1], B)
    practice = comparisons[7]
    Comparison.objects.filter(pk=practice.pk).update(purpose=Purpose.PRACTICE)
    measure_people(project=project)
    assert figures(ana)["answers"] == before["answers"] - 1
    assert figures(ana)["others"]["n"] == 7


def test_an_answer_given_before_the_item_became_gold_is_not_right_or_wrong(project, people, comparisons):
    GoldAnswer.objects.filter(comparison=comparisons[8]).update(created_at=timezone.now())
    measure_people(project=project)
    assert (figures(people[0])["gold"]["value"], figures(people[0])["gold"]["n"]) == (1.0, 3)


def test_a_repeat_is_compared_with_the_answer_to_the_first(
    project, people, comparisons, make_comparisons, says
):
    ana, _ = people
    again = make_comparisons(project, 2)
    for repeat, first in zip(again, comparisons, strict=False):
        Comparison.objects.filter(pk=repeat.pk).update(purpose=Purpose.REPEAT, repeat_of=first)
        says(ana, repeat, A)
    measure_people(project=project)
    assert (figures(ana)["self"]["value"], figures(ana)["self"]["n"]) == (0.5, 2)


def test_flags_and_skips_are_counted(project, people, comparisons, says, make_rater):
    cy = make_rater(project, "Cy")
    says(cy, comparisons[0], A)
    skipped = says(cy, comparisons[1], ())
    Flag.objects.create(judgment=skipped, comparison=comparisons[1], kind="unsafe")
    measure_people(project=project)
    assert (figures(cy)["flags"], figures(cy)["skips"]["value"], figures(cy)["skips"]["n"]) == (1, 0.5, 2)


def test_measuring_again_replaces_what_was_measured(project, people, comparisons, says):
    measure_people(project=project)
    assert not standing_of(project).outdated
    says(people[1], comparisons[9], A, at=timezone.now())
    assert standing_of(project).outdated
    measure_people(project=project)
    assert not standing_of(project).outdated
    assert PersonMeasure.objects.count() == 2
    assert figures(people[1])["gold"]["n"] == 1


def test_an_answer_taken_back_makes_the_figures_old(project, people):
    measure_people(project=project)
    Judgment.objects.filter(pk=people[0].judgments.first().pk).update(current=False)
    assert standing_of(project).outdated


def test_a_worker_measures_and_is_asked_once(project, people):
    job = request_people(project=project, by=None)
    assert request_people(project=project, by=None) == job
    perform_job(job.pk, carry_out_people)
    job.refresh_from_db()
    assert job.state == "succeeded"
    assert PersonMeasure.objects.count() == 2


def test_the_table_shows_everybody_with_their_state(project, people, as_role):
    stop(rater=people[0], because="too quick to be read", by=None)
    html = as_role(Role.ENGINEER).get(url("people", project)).content.decode()
    for said in ("Ana", "Ben", "simulated", "too quick to be read", "Let go on", "0.75"):
        assert said in html
    assert "style=" not in html
    reviewer = as_role(Role.REVIEWER).get(url("people", project)).content.decode()
    assert "too quick to be read" in reviewer
    assert "Let go on" not in reviewer


def test_the_table_is_ordered_by_an_address(project, people, as_role):
    client = as_role(Role.REVIEWER)
    for order, first in {
        "answers": "Ana",
        "side": "Ben",
        "gold": "Ana",
        "": "Ana",
        "nonsense": "Ana",
    }.items():
        rows = client.get(url("people", project), {"order": order}).context["page"]
        assert rows[0]["rater"].name == first


def test_the_table_comes_in_pages(project, people, as_role, monkeypatch):
    monkeypatch.setattr("alignment.views.people.PEOPLE", 1)
    client = as_role(Role.REVIEWER)
    first = client.get(url("people", project), {"order": "side"}).content.decode()
    assert "1 to 1 of 2" in first
    assert "?order=side&amp;page=2" in first
    second = client.get(url("people", project), {"order": "side", "page": "2"}).context["page"]
    assert [row["rater"].name for row in second] == ["Ana"]


def test_a_project_without_answers_says_how_people_come(project, as_role):
    assert (
        "Nobody has judged anything yet"
        in as_role(Role.REVIEWER).get(url("people", project)).content.decode()
    )


def test_many_answers_are_left_to_a_worker(project, people, as_role, monkeypatch):
    monkeypatch.setattr("alignment.actions.people.SMALL", 5)
    client = as_role(Role.REVIEWER)
    assert "not measured yet" in client.get(url("people", project)).content.decode()
    html = client.post(url("people-measure", project), follow=True).content.decode()
    assert "A worker is measuring" in html
    assert "It waits for a worker." in html


def test_a_page_shows_one_persons_answers_and_links_to_the_comparisons(project, people, comparisons, as_role):
    html = as_role(Role.REVIEWER).get(url("person", project, people[0].pk)).content.decode()
    assert reverse("feedback:comparison", args=[project.slug, comparisons[0].pk]) in html
    assert "known: 1 &gt; 2" in html
    assert "2026-03-09" in html
    assert "style=" not in html


def test_answers_are_paged_newest_first_and_none_is_lost(project, people, comparisons, monkeypatch):
    monkeypatch.setattr("alignment.answers.PAGE", 5)
    seen, before = [], None
    while True:
        page = answer_page(people[0], AnswerFilter(), before=before)
        seen += page.rows
        before = page.before
        if before is None:
            break
    assert seen == list(find_answers(people[0], AnswerFilter()))
    assert len(seen) == 12
    assert seen == sorted(seen, key=lambda judgment: (judgment.at, judgment.pk), reverse=True)


def test_answers_are_narrowed_to_what_a_lead_looks_for(project, people, comparisons, says, make_rater):
    ana, ben = people
    cy = make_rater(project, "Cy")
    for comparison in comparisons[:8]:
        says(cy, comparison, A)

    def kept(rater, **wanted):
        return [row.comparison_id for row in find_answers(rater, AnswerFilter(**wanted))]

    assert kept(ana, only="gold-wrong") == [comparisons[8].pk]
    assert kept(ben, outcome="skipped") == [comparisons[8].pk]
    assert kept(ana, only="against") == [
        comparisons[7].pk
    ]  # elsewhere Ben and Cy differ, or say what Ana says
    assert set(kept(cy, only="against")) == {comparisons[index].pk for index in (1, 3, 5)}
    assert kept(ana, only="flagged") == []


def test_the_download_holds_what_the_filters_keep(project, people, as_role, comparisons):
    client = as_role(Role.REVIEWER)
    Judgment.objects.filter(rater=people[0], comparison=comparisons[8]).update(rationale="=cmd()")
    answer = client.get(url("person-answers", project, people[0].pk), {"only": "gold-wrong"})
    rows = list(csv.DictReader(io.StringIO(answer.getvalue().decode())))
    assert [(row["comparison"], row["ranking"], row["known_answer"]) for row in rows] == [
        ("q8", "2 1", "1 2")
    ]
    assert rows[0]["rationale"] == "'=cmd()"
    whole = client.get(url("person-answers", project, people[0].pk)).getvalue().decode()
    assert len(list(csv.DictReader(io.StringIO(whole)))) == 12


def test_a_lead_stops_somebody_and_lets_them_go_on(project, people, as_role):
    client, ana = as_role(Role.ENGINEER), people[0]
    client.post(url("person-stop", project, ana.pk), {"reason": "answers in one second"})
    ana.refresh_from_db()
    assert ana.stopped_because == "answers in one second"
    html = client.post(url("person-goes-on", project, ana.pk), {"reason": ""}, follow=True).content.decode()
    assert "Say why this person may go on" in html
    client.post(url("person-goes-on", project, ana.pk), {"reason": "we talked"})
    ana.refresh_from_db()
    assert ana.stopped_at is None


def test_a_deactivated_person_keeps_their_figures(project, make_user, comparisons, says, as_role):
    user = make_user("dee", project=project, role=Role.ANNOTATOR)
    says(rater_of(project=project, user=user), comparisons[0], A)
    deactivate_member(member=Member.objects.get(user=user), by=None)
    html = as_role(Role.REVIEWER).get(url("people", project)).content.decode()
    assert "dee" in html
    assert "deactivated" in html


PAGES = {"people": False, "person": True, "person-answers": True}
DEEDS = {"people-measure": False, "person-stop": True, "person-goes-on": True}


@pytest.mark.parametrize("name", PAGES)
@pytest.mark.parametrize("role", Role.values)
def test_only_those_who_review_see_people(name, role, project, people, as_role):
    page = url(name, project, *([people[0].pk] if PAGES[name] else []))
    assert as_role(role).get(page).status_code == (404 if role == Role.ANNOTATOR else 200)
    assert Client().get(page).status_code == 302


@pytest.mark.parametrize("name", DEEDS)
def test_people_are_not_steered_by_those_who_only_annotate(name, project, people, as_role):
    page = url(name, project, *([people[0].pk] if DEEDS[name] else []))
    assert as_role(Role.ANNOTATOR).post(page, {"reason": "x"}).status_code == 404
    if DEEDS[name]:
        assert as_role(Role.REVIEWER).post(page, {"reason": "x"}).status_code == 404
    assert not Rater.objects.filter(stopped_at__isnull=False).exists()


def test_a_machine_or_somebody_of_another_project_has_no_page_here(project, people, as_role, make_rater):
    from feedback.actions.projects import create_project

    judge = make_rater(project, "strict", kind="judge")
    foreign = make_rater(create_project(name="Other", by=None), "Zoe")
    client = as_role(Role.OWNER)
    assert client.get(url("person", project, judge.pk)).status_code == 404
    assert client.get(url("person", project, foreign.pk)).status_code == 404
