"""The pages that measure people and steer the queue: who may open them, what they show, what they never tell."""

import csv
import re
import uuid
from datetime import timedelta

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone, translation

from feedback.actions.assignments import assign, release_assignment
from feedback.actions.extras import repeat_of
from feedback.actions.gold import make_gold
from feedback.actions.guidelines import mark_read
from feedback.actions.judgments import submit_judgment
from feedback.actions.projects import rater_of
from feedback.actions.standing import stop
from feedback.answers import Verdict
from feedback.models import Assignment, Judgment, Notice, Project, Purpose, Rater, Role, SliceRule

MEMBERS = set(Role.values)
LEADS = {Role.ENGINEER, Role.OWNER}
OPEN_TO = {
    "feedback:own-work": MEMBERS,
    "feedback:own-time": MEMBERS,
    "feedback:gold": MEMBERS - {Role.ANNOTATOR},
    "feedback:gold-item": MEMBERS - {Role.ANNOTATOR},
    "feedback:queue": LEADS,
    "feedback:queue-counts": LEADS,
}
CHANGES = (
    "feedback:queue",
    "feedback:queue-pause",
    "feedback:slice-rule-set",
    "feedback:slice-rule-remove",
    "feedback:person-goes-on",
    "feedback:notice-settle",
    "feedback:gold-item",
    "feedback:gold-remove",
)


@pytest.fixture
def comparisons(project, make_comparisons):
    return make_comparisons(project, 6)


@pytest.fixture
def log_in(project, make_user):
    """A browser of somebody with this role in the project, who has read its guidelines."""

    def log_in(role, name="somebody"):
        user = make_user(name, project=project, role=role if role in MEMBERS else None)
        mark_read(rater=rater_of(project=project, user=user), version=1)
        client = Client()
        client.force_login(user)
        client.rater = Rater.objects.select_related("project").get(project=project, user=user)
        return client

    return log_in


@pytest.fixture
def url_of(project, comparisons, make_rater):
    def url_of(page):
        numbers = {
            "feedback:gold-item": comparisons[0].pk,
            "feedback:gold-remove": comparisons[0].pk,
            "feedback:slice-rule-remove": 1,
            "feedback:person-goes-on": 1,
            "feedback:notice-settle": 1,
        }
        return reverse(page, args=[project.slug, *([numbers[page]] if page in numbers else [])])

    return url_of


def give(rater, comparison):
    return assign(rater=rater, comparison=comparison, until=timezone.now() + timedelta(hours=1))


def answer(rater, comparison, ranking=(1, 2), seconds=30.0):
    give(rater, comparison)
    verdict = Verdict(ranking=ranking, seconds=seconds)
    return submit_judgment(rater=rater, comparison=comparison, submission_id=uuid.uuid4(), verdict=verdict)


def text(response):
    return response.content.decode()


@pytest.mark.parametrize("who", [*sorted(MEMBERS), "outsider"])
def test_pages_open_for_those_who_may(who, log_in, url_of):
    client = log_in(who)
    for page, allowed in OPEN_TO.items():
        assert client.get(url_of(page)).status_code == (200 if who in allowed else 404), page


@pytest.mark.parametrize("who", [Role.ANNOTATOR, Role.REVIEWER, "outsider"])
def test_only_leads_change_the_queue_and_gold(who, log_in, url_of, project):
    client = log_in(who)
    assert [client.post(url_of(page)).status_code for page in CHANGES] == [404] * len(CHANGES)
    assert Project.objects.get(pk=project.pk).paused is False


def form_of(client, url):
    """The settings as the page would send them back."""
    values = client.get(url).context["form"].initial
    return {name: "" if value is None else value for name, value in values.items()}


def test_the_queues_settings_are_shown_and_changed(project, log_in, url_of):
    client, url = log_in(Role.ENGINEER), url_of("feedback:queue")
    form = form_of(client, url) | {
        "gold_rate": "7.5",
        "gold_minimum": "70",
        "lease_minutes": 10,
        "cap_per_day": 300,
    }
    assert client.post(url, form).status_code == 302
    stored = Project.objects.get(pk=project.pk)
    assert (stored.gold_rate, stored.gold_minimum, stored.lease_seconds, stored.cap_per_day) == (
        0.075,
        0.7,
        600,
        300,
    )
    assert "There are 0 gold and attention items" in text(client.get(url))
    assert form_of(client, url)["gold_rate"] == 7.5


def test_a_setting_that_can_not_be_is_answered_in_a_sentence(log_in, url_of):
    client, url = log_in(Role.OWNER), url_of("feedback:queue")
    form = form_of(client, url) | {"gold_rate": "40", "repeat_rate": "40"}
    assert "at most half of what a person is given" in text(client.post(url, form))


def test_the_live_counts_are_counted(project, log_in, url_of, comparisons):
    client = log_in(Role.ENGINEER)
    give(client.rater, comparisons[0])
    answer(client.rater, comparisons[1])
    counts = client.get(url_of("feedback:queue-counts")).context["counts"]
    assert (counts.open, counts.wanted, counts.leased, counts.done_today) == (6, 10, 1, 1)


def test_a_pause_is_set_and_ended_on_the_page(project, log_in, url_of):
    client = log_in(Role.ENGINEER)
    client.post(url_of("feedback:queue-pause"))
    assert Project.objects.get(pk=project.pk).paused is True
    assert "Let the work go on" in text(client.get(url_of("feedback:queue")))
    client.post(url_of("feedback:queue-pause"), {"go_on": "1"})
    assert Project.objects.get(pk=project.pk).paused is False


def test_a_rule_is_set_and_taken_away_on_the_page(project, log_in, url_of):
    client, tag = log_in(Role.ENGINEER), project.tags.get(name="even")
    rule = {"tag": tag.pk, "overlap": 5, "language": "French", "skill": ""}
    assert client.post(url_of("feedback:slice-rule-set"), rule).status_code == 302
    stored = SliceRule.objects.get(tag=tag)
    assert (stored.overlap, stored.language) == (5, "french")
    assert "french" in text(client.get(url_of("feedback:queue")))
    assert "asks for nothing" in text(client.post(url_of("feedback:slice-rule-set"), {"tag": tag.pk}))
    client.post(reverse("feedback:slice-rule-remove", args=[project.slug, stored.pk]))
    assert not SliceRule.objects.exists()


def test_another_projects_tag_or_rule_is_not_to_be_had(project, log_in, url_of, make_comparisons):
    from feedback.actions.projects import create_project
    from feedback.actions.slices import set_slice_rule

    elsewhere = create_project(name="Elsewhere", by=None)
    make_comparisons(elsewhere, 1)
    foreign = elsewhere.tags.get()
    rule = set_slice_rule(tag=foreign, overlap=3, by=None)
    client = log_in(Role.OWNER)
    assert (
        client.post(url_of("feedback:slice-rule-set"), {"tag": foreign.pk, "overlap": 1}).status_code == 200
    )
    assert client.post(reverse("feedback:slice-rule-remove", args=[project.slug, rule.pk])).status_code == 404
    assert SliceRule.objects.get().overlap == 3


def test_leads_are_told_of_a_stop_and_let_the_person_go_on(project, log_in, url_of, make_rater):
    ana = make_rater(project, "ana")
    stop(rater=ana, because="<b>Random</b> answers.", by=None)
    lead, reviewer = log_in(Role.OWNER), log_in(Role.REVIEWER, "rita")
    loop = reverse("loop", args=[project.slug])
    for client, may in ((lead, True), (reviewer, False)):
        html = text(client.get(loop))
        assert "&lt;b&gt;Random&lt;/b&gt; answers." in html
        assert ("/settle/" in html) is may
    assert "ana was stopped" not in text(log_in(Role.ANNOTATOR, "ben").get(loop))
    assert "ana" in text(lead.get(url_of("feedback:queue")))
    go_on = reverse("feedback:person-goes-on", args=[project.slug, ana.pk])
    assert "Say why" in text(lead.post(go_on, follow=True))
    lead.post(go_on, {"reason": "We talked."})
    assert Rater.objects.get(pk=ana.pk).stopped_at is None
    assert "ana was stopped" not in text(lead.get(loop))


def test_a_notice_is_settled_on_the_projects_page(project, log_in):
    notice = Notice.objects.create(project=project, kind="other", subject="1", text="Look here.")
    client = log_in(Role.ENGINEER)
    client.post(reverse("feedback:notice-settle", args=[project.slug, notice.pk]))
    assert "Look here." not in text(client.get(reverse("loop", args=[project.slug])))
    notice.refresh_from_db()
    assert notice.settled_by == client.rater.user


def test_gold_is_made_from_a_comparison_and_taken_away_on_its_page(project, log_in, url_of, comparisons):
    client, url = log_in(Role.ENGINEER), url_of("feedback:gold-item")
    found = client.get(url_of("feedback:gold"), {"find": "q0"})
    assert (found.status_code, found.url) == (302, url)
    assert "No comparison here has the id" in text(client.get(url_of("feedback:gold"), {"find": "nothing"}))
    gold = {"use": "practice", "rank_0": "2", "rank_1": "1", "explanation": ""}
    assert "people learn from practice" in text(client.post(url, gold))
    assert client.post(url, gold | {"explanation": "The second is *true*."}).status_code == 302
    comparisons[0].refresh_from_db()
    assert (comparisons[0].purpose, comparisons[0].gold_answer.ranking) == (Purpose.PRACTICE, (2, 1))
    assert "Question 0?" in text(client.get(url_of("feedback:gold")))
    assert "<em>true</em>" in text(log_in(Role.REVIEWER, "rita").get(url))
    client.post(url_of("feedback:gold-remove"), {"retire": "1"})
    assert "retired" in text(client.get(url_of("feedback:gold")))
    client.post(url_of("feedback:gold-remove"))
    comparisons[0].refresh_from_db()
    assert (comparisons[0].purpose, comparisons[0].retired_at) == (Purpose.TRAIN, None)


def test_ranks_with_a_gap_are_answered_in_a_sentence(log_in, url_of, comparisons):
    url = url_of("feedback:gold-item")
    html = text(log_in(Role.ENGINEER).post(url, {"use": "gold", "rank_0": "2", "rank_1": "2"}))
    assert "a rank from 1 without gaps" in html


def test_the_gold_page_shows_how_people_did(project, log_in, url_of, comparisons, make_rater):
    make_gold(comparison=comparisons[0], use="gold", ranking=(1, 2), by=None)
    answer(make_rater(project, "ana"), comparisons[0])
    answer(make_rater(project, "ben"), comparisons[0], (2, 1))
    client = log_in(Role.REVIEWER)
    (row,) = client.get(url_of("feedback:gold")).context["page"].rows
    assert (row.right, row.answered) == (1, 2)
    html = text(client.get(url_of("feedback:gold-item")))
    assert re.search(
        r"ana.*?>right<.*?" if html.index("ana") < html.index("ben") else r"ana.*?>right<", html, re.S
    )
    assert html.count(">right<") == html.count(">wrong<") == 1


def test_my_work_shows_ones_own_and_nobody_elses(project, log_in, url_of, comparisons, make_rater):
    client = log_in(Role.ANNOTATOR)
    answer(client.rater, comparisons[0], seconds=90)
    answer(client.rater, comparisons[1], seconds=30)
    answer(make_rater(project, "ben"), comparisons[2], seconds=4000)
    page = client.get(url_of("feedback:own-work"))
    html = text(page)
    assert [line.row.judgment.comparison for line in page.context["lines"]] == [
        comparisons[1],
        comparisons[0],
    ]
    assert page.context["pace"] == 60
    assert [(day.worked.items, day.worked.seconds) for day in page.context["days"]] == [(2, 120.0)]
    assert [(month.items, month.seconds) for month in page.context["months"]] == [(2, 120.0)]
    assert "2 min 00 s" in html
    assert "Question 2?" not in html
    assert "<rect" in html


def test_ones_own_answer_is_shown_as_it_was_seen(log_in, url_of, comparisons):
    client = log_in(Role.ANNOTATOR)
    give(client.rater, comparisons[0])
    Assignment.objects.update(shown=(1, 0))
    submit_judgment(
        rater=client.rater,
        comparison=comparisons[0],
        submission_id=uuid.uuid4(),
        verdict=Verdict(ranking=(1, 2)),
    )
    (line,) = client.get(url_of("feedback:own-work")).context["lines"]
    assert line.said == "B > A"


def test_time_counts_what_was_revised_and_goes_out_by_day(log_in, url_of, comparisons):
    client = log_in(Role.ANNOTATOR)
    first = answer(client.rater, comparisons[0], seconds=60)
    for seconds in (30.0, None):
        submit_judgment(
            rater=client.rater,
            comparison=comparisons[0],
            submission_id=uuid.uuid4(),
            verdict=Verdict(ranking=(2, 1), seconds=seconds),
        )
    answer(client.rater, comparisons[1], seconds=10)
    yesterday = timezone.now() - timedelta(days=1)
    Judgment.objects.filter(pk=first.pk).update(at=yesterday)
    response = client.get(url_of("feedback:own-time"))
    rows = list(csv.reader(text(response).splitlines()))
    assert rows[0] == ["date", "items", "active_seconds"]
    assert rows[1:] == [
        [yesterday.date().isoformat(), "1", "60"],
        [timezone.localdate().isoformat(), "2", "40"],
    ]


def test_right_gold_answers_are_shown_only_from_the_day_after(log_in, url_of, comparisons):
    client = log_in(Role.ANNOTATOR)
    for comparison, ranking in zip(comparisons, [(1, 2), (2, 1), (1, 2)], strict=False):
        make_gold(comparison=comparison, use="gold", ranking=(1, 2), by=None)
        answer(client.rater, comparison, ranking)
    assert client.get(url_of("feedback:own-work")).context["gold"].n == 0
    day = timedelta(days=1)
    for judgment in Judgment.objects.all():
        Judgment.objects.filter(pk=judgment.pk).update(at=judgment.at - day)
        type(judgment.comparison.gold_answer).objects.update(created_at=judgment.at - 2 * day)
    page = client.get(url_of("feedback:own-work"))
    assert (page.context["gold"].right, page.context["gold"].n) == (2, 3)
    assert "2 of 3" in text(page)


def test_own_answers_are_paged(project, log_in, url_of, make_comparisons):
    client = log_in(Role.ANNOTATOR)
    for comparison in make_comparisons(project, 26):
        answer(client.rater, comparison)
    page = client.get(url_of("feedback:own-work"))
    assert len(page.context["lines"]) == 25
    (last,) = client.get(url_of("feedback:own-work"), {"before": page.context["before"]}).context["lines"]
    assert last.row.judgment == Judgment.objects.order_by("at").first()


def test_an_own_answer_is_revised_on_the_annotators_page(project, log_in, url_of, comparisons):
    client = log_in(Role.ANNOTATOR)
    first = answer(client.rater, comparisons[0])
    (line,) = client.get(url_of("feedback:own-work")).context["lines"]
    html = text(client.get(reverse("feedback:revise", args=[project.slug, line.revise])))
    assert "Question 0?" in html
    form = fields(html) | {"choice": "tie", "submit": "1"}
    client.post(reverse("feedback:annotate", args=[project.slug]), form)
    first.refresh_from_db()
    assert first.current is False
    assert Judgment.objects.get(current=True).ranking == (1, 1)


def test_nobody_revises_anothers_answer_or_what_practice_has_told(project, log_in, comparisons, make_rater):
    client = log_in(Role.ANNOTATOR)
    make_gold(comparison=comparisons[0], use="practice", ranking=(1, 2), explanation="Because.", by=None)
    answer(client.rater, comparisons[0])
    answer(make_rater(project, "ben"), comparisons[1])
    for assignment in Assignment.objects.all():
        assert client.get(reverse("feedback:revise", args=[project.slug, assignment.pk])).status_code == 404
    (line,) = client.get(reverse("feedback:own-work", args=[project.slug])).context["lines"]
    assert line.revise is None


def fields(html):
    """The hidden fields of the answer's form, as a browser would send them."""
    hidden = {}
    for tag in re.findall(r"<input[^>]*type=\"hidden\"[^>]*>", html):
        name, value = re.search(r'name="([^"]*)"', tag), re.search(r'value="([^"]*)"', tag)
        if name:
            hidden[name.group(1)] = value.group(1) if value else ""
    return {name: hidden[name] for name in ("comparison", "submission_id", "shown", "seconds")}


MARKS = (
    (r"Question \d+\?", "QUESTION"),
    (r"Answer \d+ of [xy]\.", "ANSWER"),
    (r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f-]{22}", "UUID"),
    (r"[0-9a-f]{64}", "PROOF"),
    (r'(name="csrfmiddlewaretoken" value|data-csrf)="\w+"', "CSRF"),
    (r"\d{4}-\d\d-\d\dT[\d:.]+Z", "TIME"),
)


def numbered(assignment):
    """The same with a number that nothing else on a page has."""
    number = 7_000_000 + assignment.pk
    Assignment.objects.filter(pk=assignment.pk).update(id=number)
    return number


def unmarked(page, number):
    """What is left of a page without its texts and numbers."""
    for pattern, mark in MARKS:
        page = re.sub(pattern, mark, page)
    return page.replace(str(number), "NUMBER")


def test_nothing_but_its_texts_tells_what_measures_people(
    project, log_in, comparisons, make_comparisons, make_client, make_user
):
    """The page, what answers an answer, the API and the list of one's own: the same for each purpose."""
    Project.objects.filter(pk=project.pk).update(gold_rate=0.1, repeat_rate=0.1)
    train, gold, attention, first = comparisons[:4]
    for comparison, use in ((gold, "gold"), (attention, "attention")):
        make_gold(comparison=comparison, use=use, ranking=(1, 2), explanation="Told to nobody.", by=None)
    client = log_in(Role.ANNOTATOR)
    Rater.objects.update(answered=100)
    api = make_client(client.rater.user)
    annotate = reverse("feedback:annotate", args=[project.slug])
    seen = set()
    for comparison in (train, gold, attention, repeat_of(first)):
        number = numbered(give(client.rater, comparison))
        page = text(client.get(annotate))
        taken = api.post(
            f"/api/v1/projects/{project.slug}/assignments/take", {}, content_type="application/json"
        )
        form = fields(page) | {"choice": "a", "submit": "1", "held": str(number)}
        Project.objects.filter(pk=project.pk).update(paused=True)
        answered = text(client.post(annotate, form, headers={"Accept": "application/json"}))
        Project.objects.filter(pk=project.pk).update(paused=False)
        own = text(client.get(reverse("feedback:own-work", args=[project.slug])))
        row = re.search(r'<th scope="row" class="own-prompt".*?</tr>', own, re.S).group()
        row = re.sub(r'<td class="nowrap">.*?</td>', "", row, flags=re.S)
        assert '"stored": true' in answered
        assert "Told to nobody" not in page + answered + own
        assert (taken.status_code, str(number) in text(taken)) == (200, True)
        seen.add(tuple(unmarked(part, number) for part in (page, text(taken), row)))
        answered = re.sub(r'"(done|left)": \d+', r'"\1": N', answered)
        seen.add(("answered", unmarked(answered, number)))
        Assignment.objects.all().delete()
        Judgment.objects.all().delete()
        Rater.objects.update(answered=100)
    assert len(seen) == 2


def test_the_pages_are_there_in_french_too(log_in, url_of, comparisons):
    """Their sentences go through the catalogue, whatever is in it yet."""
    client = log_in(Role.OWNER)
    with translation.override("fr"):
        for page in OPEN_TO:
            assert client.get(url_of(page), headers={"accept-language": "fr"}).status_code == 200


def test_a_lease_given_back_leaves_the_measure_as_it_was(project, log_in, comparisons):
    client = log_in(Role.ANNOTATOR)
    give(client.rater, comparisons[0])
    release_assignment(rater=client.rater, comparison_id=comparisons[0].pk)
    assert Rater.objects.get(pk=client.rater.pk).answered == 0
