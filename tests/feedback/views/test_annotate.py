"""The annotator's page: what it shows, what it hides, and what becomes of an answer."""

import re
import uuid

import pytest
from django.test import Client
from django.urls import reverse

from feedback.actions.imports import store_records
from feedback.actions.projects import create_project, rater_of
from feedback.models import Assignment, Judgment, Outcome, QueueItem
from feedback.records import ComparisonRecord, JudgmentRecord, ResponseRecord


@pytest.fixture
def ana(project, make_user):
    return make_user("ana", project=project, role="annotator")


@pytest.fixture
def client(ana):
    client = Client()
    client.force_login(ana)
    return client


@pytest.fixture
def page(project):
    return reverse("feedback:annotate", args=[project.slug])


@pytest.fixture
def rater(project, ana):
    return rater_of(project=project, user=ana)


def fields(html: str) -> dict[str, str]:
    """The hidden fields of the answer's form, as a browser would send them."""
    found = dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)"', html))
    return {name: found[name] for name in ("comparison", "submission_id", "shown", "seconds")}


def judge(client, page, choice, /, *, htmx=False, **changes):
    form = fields(client.get(page).content.decode()) | {"choice": choice} | changes
    headers = {"HX-Request": "true"} if htmx else {}
    return client.post(page, form, headers=headers)


@pytest.mark.parametrize("shown", [(0, 1), (1, 0)])
@pytest.mark.parametrize(("choice", "winner_at"), [("a", 0), ("b", 1), ("tie", None)])
def test_the_side_chosen_is_stored_against_the_canonical_order(
    shown, choice, winner_at, client, page, project, rater, make_comparisons
):
    make_comparisons(project, 1)
    client.get(page)
    Assignment.objects.update(shown=shown)
    judge(client, page, choice)
    judgment = Judgment.objects.get()
    expected = (1, 1) if winner_at is None else tuple(1 if p == shown[winner_at] else 2 for p in (0, 1))
    assert judgment.ranking == expected
    assert judgment.shown == shown
    assert judgment.rater == rater


def test_the_text_under_a_is_the_one_that_wins_when_a_is_chosen(client, page, project, make_comparisons):
    comparison = make_comparisons(project, 1)[0]
    html = client.get(page).content.decode()
    under_a = re.search(r'id="response-A".*?<p dir="auto">(.*?)</p>', html, re.DOTALL).group(1)
    judge(client, page, "a")
    ranking = Judgment.objects.get().ranking
    winner = comparison.slots.get(position=ranking.index(1)).response.text
    assert under_a == winner


def test_sources_raters_ids_and_others_judgments_are_not_on_the_page(client, page, project, make_comparisons):
    judgments = [
        JudgmentRecord(rater="bob", ranking={"a": 1, "b": 2}, rationale="Bob's reason"),
        JudgmentRecord(rater="opus", kind="judge", ranking={"a": 1, "b": 2}, rationale="The judge's reason"),
    ]
    make_comparisons(project, 1, judgments)
    html = client.get(page).content.decode()
    assert "Answer 0 of x." in html
    for hidden in ("model-x", "model-y", "bob", "opus", "reason", 'value="q0"', ">q0<"):
        assert hidden not in html


def test_a_submission_sent_twice_is_stored_once(client, page, project, make_comparisons):
    make_comparisons(project, 3)
    form = fields(client.get(page).content.decode()) | {"choice": "a"}
    assert client.post(page, form).status_code == 302
    assert client.post(page, form).status_code == 302
    assert Judgment.objects.count() == 1


def test_without_a_script_the_answer_redirects_to_the_next_comparison(
    client, page, project, make_comparisons
):
    make_comparisons(project, 2)
    response = judge(client, page, "tie")
    assert response.status_code == 302
    assert response.url == page
    html = client.get(page).content.decode()
    assert "Stored: a tie." in html
    assert fields(html)["comparison"] != str(Judgment.objects.get().comparison_id)


def test_with_htmx_the_answer_brings_the_next_comparison_and_no_page(client, page, project, make_comparisons):
    make_comparisons(project, 2)
    html = judge(client, page, "b", htmx=True).content.decode()
    assert "<html" not in html
    assert 'data-said="Stored: B is better."' in html
    assert re.search(r"data-done>1</span> done, <span data-left>1</span> left", html)


def test_rationale_and_seconds_are_stored(client, page, project, make_comparisons):
    make_comparisons(project, 1)
    judge(client, page, "a", rationale="It is polite.", seconds="12.5")
    judgment = Judgment.objects.get()
    assert judgment.rationale == "It is polite."
    assert judgment.seconds == 12.5


def test_a_skip_stores_no_verdict_and_frees_the_slot(client, page, project, make_comparisons):
    make_comparisons(project, 1)
    judge(client, page, "skip")
    judgment = Judgment.objects.get()
    assert judgment.outcome == Outcome.SKIPPED
    assert judgment.ranking == ()
    assert QueueItem.objects.get().slots_free == project.overlap


def test_undo_brings_the_last_comparison_back(client, page, project, make_comparisons):
    make_comparisons(project, 2)
    judge(client, page, "a")
    first = Judgment.objects.get().comparison_id
    html = client.post(page, {"choice": "undo"}, headers={"HX-Request": "true"}).content.decode()
    assert fields(html)["comparison"] == str(first)
    assert "data-done>0</span>" in html
    judge(client, page, "b")
    assert Judgment.objects.filter(current=True).count() == 1
    assert Judgment.objects.count() == 2


def test_undo_with_nothing_to_undo_says_so(client, page, project, make_comparisons):
    make_comparisons(project, 1)
    html = client.post(page, {"choice": "undo"}, headers={"HX-Request": "true"}).content.decode()
    assert "There is nothing to undo" in html


def test_an_answer_that_is_not_needed_any_more_is_refused_and_the_next_one_shown(
    client, page, project, rater, make_comparisons
):
    first, second = make_comparisons(project, 2)
    form = fields(client.get(page).content.decode()) | {"choice": "a"}
    Assignment.objects.filter(rater=rater).delete()
    QueueItem.objects.filter(pk=first.pk).update(slots_free=0)
    html = client.post(page, form, headers={"HX-Request": "true"}).content.decode()
    assert "already has all the judgments" in html
    assert 'role="alert"' in html
    assert fields(html)["comparison"] == str(second.pk)
    assert not Judgment.objects.exists()


def test_an_answer_after_the_lease_lapsed_is_kept_while_it_is_wanted(client, page, project, make_comparisons):
    make_comparisons(project, 1)
    form = fields(client.get(page).content.decode()) | {"choice": "a"}
    Assignment.objects.all().delete()
    QueueItem.objects.update(slots_free=2)
    client.post(page, form)
    assert sorted(Judgment.objects.get().shown) == [0, 1]


def test_a_refused_answer_keeps_its_rationale(client, page, project, make_comparisons):
    make_comparisons(project, 1)
    html = judge(client, page, "rank", htmx=True, rationale="Half written").content.decode()
    assert "Give every response a rank" in html
    assert "Half written</textarea>" in html


@pytest.mark.parametrize(
    "changes",
    [
        {"choice": "both"},
        {"submission_id": "not an id"},
        {"shown": "0"},
        {"shown": "0,0"},
        {"comparison": "0"},
        {"comparison": "987654"},
        {"seconds": "-1"},
    ],
)
def test_nonsense_is_refused_in_a_sentence_and_stores_nothing(
    changes, client, page, project, make_comparisons
):
    make_comparisons(project, 1)
    response = judge(client, page, "a", htmx=True, **changes)
    assert response.status_code == 200
    assert 'role="alert"' in response.content.decode()
    assert not Judgment.objects.exists()


def test_the_shown_order_of_another_person_is_refused(client, page, project, make_comparisons):
    make_comparisons(project, 1)
    proof = fields(client.get(page).content.decode())["shown"]
    Assignment.objects.update(shown=tuple(reversed(Assignment.objects.get().shown)))
    html = judge(client, page, "a", htmx=True, shown=proof).content.decode()
    assert "judge this comparison again" in html
    assert not Judgment.objects.exists()


def test_another_projects_comparison_can_not_be_judged_here(client, page, project, make_comparisons):
    make_comparisons(project, 1)
    foreign = make_comparisons(create_project(name="Elsewhere", by=None), 1)[0]
    html = judge(
        client, page, "a", htmx=True, comparison=foreign.pk, submission_id=uuid.uuid4()
    ).content.decode()
    assert "not in the project" in html
    assert not Judgment.objects.exists()


@pytest.fixture
def three(project):
    record = ComparisonRecord(
        key="three",
        prompt=[{"role": "user", "content": "Which tea?"}],
        responses=[ResponseRecord(key, f"model-{key}", f"Tea {key}.") for key in "abc"],
        line=1,
    )
    store_records(project=project, records=[record], by=None)
    return project.comparisons.get()


def test_more_than_two_responses_are_ranked(three, client, page):
    client.get(page)
    Assignment.objects.update(shown=(2, 0, 1))
    judge(client, page, "rank", rank_0="1", rank_1="2", rank_2="2")
    assert Judgment.objects.get().ranking == (2, 2, 1)


def test_a_gap_in_the_ranks_is_refused(three, client, page):
    html = judge(client, page, "rank", htmx=True, rank_0="1", rank_1="3", rank_2="3").content.decode()
    assert "do not count from 1 without gaps" in html


def test_when_nothing_waits_the_page_says_so(client, page, project):
    assert "Nothing is waiting for you" in client.get(page).content.decode()


def test_guidelines_are_on_the_page_and_open_on_demand(client, page, project, make_comparisons):
    make_comparisons(project, 1)
    assert re.search(
        r"<details class=\"guidelines\">.*Prefer the polite answer\.", client.get(page).content.decode(), re.S
    )


def test_hostile_texts_stay_texts(client, page, project):
    hostile = '<script>alert(1)</script><img src="https://evil.example/x.png" onerror="alert(1)">'
    record = ComparisonRecord(
        prompt=[{"role": "user", "content": hostile}],
        responses=[
            ResponseRecord("a", "x", hostile + " ![p](https://evil.example/p.png) [c](javascript:alert(1))"),
            ResponseRecord("b", "y", '<iframe src="//evil.example"></iframe><style>*{display:none}</style>'),
        ],
        line=1,
    )
    store_records(project=project, records=[record], by=None)
    html = client.get(page).content.decode()
    workspace = html[html.index('id="workspace"') :]
    for tag in ("<script>alert", "<img", "<iframe", "<style", 'href="javascript'):
        assert tag not in workspace
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in workspace


def test_pages_forbid_inline_scripts_and_styles(client, page, project, make_comparisons):
    make_comparisons(project, 1)
    response = client.get(page)
    policy = response.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    html = response.content.decode()
    assert not re.search(r"<script(?![^>]*\bsrc=)", html)
    assert " style=" not in html
    assert not re.search(r"\son\w+=", html)


def test_the_page_does_not_tell_which_response_is_the_canonical_first(
    client, page, project, make_comparisons
):
    make_comparisons(project, 1)
    client.get(page)
    proofs = set()
    for shown in ((0, 1), (1, 0)):
        Assignment.objects.update(shown=shown)
        html = client.get(page).content.decode()
        assert "0,1" not in html
        assert "1,0" not in html
        proofs.add(fields(html)["shown"])
    assert len(proofs) == 2


def test_a_rank_of_very_many_digits_is_refused_in_a_sentence(client, page, project, make_comparisons):
    make_comparisons(project, 1)
    html = judge(client, page, "rank", htmx=True, rank_0="9" * 5000, rank_1="1").content.decode()
    assert "Give every response a rank" in html
