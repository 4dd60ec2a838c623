"""The annotator's page: what it shows, what it hides, and what becomes of an answer."""

import json
import re
import uuid

import pytest
from django.test import Client
from django.urls import reverse

from feedback.actions.assignments import expire_assignments, take_next
from feedback.actions.guidelines import publish_guidelines
from feedback.actions.projects import create_project, rater_of, set_member
from feedback.models import Assignment, Comparison, GoldAnswer, Judgment, Outcome, QueueItem, Role
from feedback.records import JudgmentRecord

from .conftest import filled_in, hidden_fields


@pytest.mark.parametrize("shown", [(0, 1), (1, 0)])
@pytest.mark.parametrize(("choice", "winner_at"), [("a", 0), ("b", 1), ("tie", None)])
def test_the_side_chosen_is_stored_against_the_canonical_order(
    shown, choice, winner_at, workspace, project, make_comparisons
):
    make_comparisons(project, 1)
    workspace.page()
    workspace.show(*shown)
    workspace.answer(choice=choice)
    judgment = Judgment.objects.get()
    expected = (1, 1) if winner_at is None else tuple(1 if p == shown[winner_at] else 2 for p in (0, 1))
    assert judgment.ranking == expected
    assert judgment.shown == shown
    assert judgment.rater == workspace.rater


def test_the_text_under_a_is_the_one_that_wins_when_a_is_chosen(workspace, project, make_comparisons):
    comparison = make_comparisons(project, 1)[0]
    under_a = re.search(r'id="response-A".*?<p dir="auto">(.*?)</p>', workspace.page(), re.DOTALL).group(1)
    workspace.answer(choice="a")
    ranking = Judgment.objects.get().ranking
    assert under_a == comparison.slots.get(position=ranking.index(1)).response.text


def test_a_submission_sent_twice_is_stored_once_and_both_are_told_so(workspace, project, make_comparisons):
    make_comparisons(project, 3)
    answer = workspace.fields() | {"choice": "a"}
    assert [workspace.post(answer)["stored"] for _ in range(2)] == [True, True]
    assert Judgment.objects.count() == 1


def test_without_a_script_the_answer_redirects_to_the_next_item(workspace, project, make_comparisons):
    make_comparisons(project, 2)
    fields = workspace.fields()
    response = workspace.client.post(workspace.url, fields | {"choice": "tie"})
    assert response.status_code == 302
    assert response.url == workspace.url
    html = workspace.page()
    assert "Stored." in html
    assert hidden_fields(html)["comparison"] != fields["comparison"]


def test_without_a_script_a_refused_answer_comes_back_filled_in(workspace, project, make_comparisons):
    make_comparisons(project, 1)
    workspace.use(rationale="optional", flags=True, all_bad=True)
    fields = workspace.fields() | {"rationale": "Half <written>", "flags": ["broken"], "all_bad": "1"}
    html = workspace.client.post(workspace.url, fields).content.decode()
    assert "Choose which response is better" in html
    sent = filled_in(html)
    assert (sent["rationale"], sent["flags"], sent["all_bad"]) == ("Half <written>", "broken", "1")
    assert not Judgment.objects.exists()


def test_an_answer_brings_the_next_item_and_no_page(workspace, project, make_comparisons):
    make_comparisons(project, 3)
    reply = workspace.answer(choice="b")
    assert reply["stored"] is True
    assert reply["said"] == "Stored."
    assert (reply["refused"], reply["field"], reply["after"], reply["state"]) == (None, None, None, None)
    assert "<html" not in reply["next"]
    assert hidden_fields(reply["next"])["comparison"]
    assert reply["progress"] == {"done": 1, "left": 2, "more": False}


def test_items_the_page_holds_are_not_sent_again(workspace, project, make_comparisons):
    make_comparisons(project, 4)
    project.batch_size = 3
    project.save()
    first = workspace.fields()
    second = hidden_fields(workspace.upcoming(first["comparison"])["next"])
    assert second["comparison"] != first["comparison"]
    third = workspace.post(first | {"choice": "a", "held": second["comparison"]})["next"]
    assert hidden_fields(third)["comparison"] not in (first["comparison"], second["comparison"])


def test_a_page_holds_no_more_than_a_batch(workspace, project, make_comparisons):
    make_comparisons(project, 4)
    first = workspace.fields()["comparison"]
    second = hidden_fields(workspace.upcoming(first)["next"])["comparison"]
    reply = workspace.upcoming(first, second)
    assert (reply["next"], reply["state"]) == (None, None)
    assert Assignment.objects.count() == project.batch_size == 2


def test_when_nothing_more_comes_the_reply_says_why(workspace, project, make_comparisons):
    make_comparisons(project, 1)
    reply = workspace.answer(choice="a")
    assert reply["next"] is None
    assert 'data-state="empty"' in reply["state"]


def test_rationale_and_seconds_are_stored(workspace, project, make_comparisons):
    make_comparisons(project, 1)
    workspace.answer(choice="a", rationale=" It is polite. ", seconds="12.5")
    judgment = Judgment.objects.get()
    assert judgment.rationale == "It is polite."
    assert judgment.seconds == 12.5


def test_a_page_left_open_over_night_counts_as_a_day(workspace, project, make_comparisons):
    make_comparisons(project, 1)
    workspace.answer(choice="a", seconds="1e9")
    assert Judgment.objects.get().seconds == 86_400


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        ({"skip": "unsure"}, "unsure"),
        ({"skip": "1", "skip_reason": "broken"}, "broken"),
        ({"skip": "other", "rationale": "The answer is cut off."}, "other: The answer is cut off."),
    ],
)
def test_a_skip_keeps_its_reason_stores_no_verdict_and_frees_the_slot(
    sent, kept, workspace, project, make_comparisons
):
    make_comparisons(project, 1)
    assert workspace.answer(**sent)["said"] == "Skipped."
    judgment = Judgment.objects.get()
    assert (judgment.outcome, judgment.ranking, judgment.rationale) == (Outcome.SKIPPED, (), kept)
    assert QueueItem.objects.get().slots_free == project.overlap


@pytest.mark.parametrize("sent", [{"skip": "1"}, {"skip": ""}, {"skip": "1", "skip_reason": "tired"}])
def test_a_skip_without_a_reason_is_refused(sent, workspace, project, make_comparisons):
    make_comparisons(project, 1)
    reply = workspace.answer(**sent)
    assert reply["field"] == "skip_reason"
    assert reply["refused"] == "Say why you skip this comparison."
    assert not Judgment.objects.exists()


def test_undo_brings_the_last_item_back_as_it_was_filled_in(workspace, project, make_comparisons, criteria):
    make_comparisons(project, 2)
    workspace.use(
        choice="strength", points=7, scores=True, spans=True, rationale="optional", flags=True, all_bad=True
    )
    polite, short, _ = criteria
    scores = {
        f"score_{polite.pk}_0": "2",
        f"score_{polite.pk}_1": "5",
        f"score_{short.pk}_0": "0",
        f"score_{short.pk}_1": "1",
    }
    spans = '[{"place": 1, "start": 0, "end": 6, "comment": "Says it."}]'
    fields = workspace.fields()
    workspace.post(
        fields
        | scores
        | {"strength": "-3", "rationale": "So & so", "spans": spans, "flags": ["unsafe"], "all_bad": "1"}
    )
    reply = workspace.ask("undo").json()
    assert reply["refused"] is None
    assert reply["said"]
    assert reply["progress"]["done"] == 0
    html = reply["item"]
    assert hidden_fields(html)["comparison"] == fields["comparison"]
    kept = filled_in(html)
    assert {name: kept[name] for name in scores} == scores
    assert (kept["strength"], kept["flags"], kept["all_bad"]) == ("-3", "unsafe", "1")
    assert kept["rationale"] == "So & so"
    assert json.loads(kept["spans"]) == json.loads(spans)
    workspace.post(hidden_fields(html) | scores | {"strength": "1"})
    assert list(Judgment.objects.order_by("pk").values_list("current", flat=True)) == [False, True]


def test_undo_without_a_script_shows_the_item_filled_in(workspace, project, make_comparisons):
    make_comparisons(project, 2)
    fields = workspace.fields()
    workspace.post(fields | {"choice": "b", "rationale": "Kind."})
    url = reverse("feedback:annotate-undo", args=[project.slug])
    html = workspace.client.post(url).content.decode()
    assert hidden_fields(html)["comparison"] == fields["comparison"]
    assert (filled_in(html)["rationale"], filled_in(html)["choice"]) == ("Kind.", "b")


def test_a_skip_that_is_undone_brings_the_item_back(workspace, project, make_comparisons):
    make_comparisons(project, 1)
    fields = workspace.fields()
    workspace.post(fields | {"skip": "other", "rationale": "Too long."})
    html = workspace.ask("undo").json()["item"]
    assert hidden_fields(html)["comparison"] == fields["comparison"]
    assert filled_in(html)["rationale"] == "Too long."


def test_undo_with_nothing_to_undo_says_so(workspace, project, make_comparisons):
    make_comparisons(project, 1)
    reply = workspace.ask("undo").json()
    assert reply["item"] is None
    assert "There is nothing to undo" in reply["refused"]


def test_an_answer_that_is_not_needed_any_more_is_refused_and_the_next_item_comes(
    workspace, project, make_comparisons
):
    first, _second = make_comparisons(project, 2)
    answer = workspace.fields() | {"choice": "a"}
    Assignment.objects.update(expires_at="2020-01-01T00:00:00Z")
    expire_assignments()
    QueueItem.objects.filter(pk=first.pk).update(slots_free=0)
    reply = workspace.post(answer)
    assert "already has all the judgments" in reply["refused"]
    assert hidden_fields(reply["next"])["comparison"] != answer["comparison"]
    assert not Judgment.objects.exists()


def test_an_answer_after_the_lease_lapsed_is_kept_while_it_is_wanted(workspace, project, make_comparisons):
    make_comparisons(project, 1)
    answer = workspace.fields() | {"choice": "a"}
    shown = Assignment.objects.get().shown
    Assignment.objects.update(expires_at="2020-01-01T00:00:00Z")
    expire_assignments()
    assert workspace.post(answer)["stored"] is True
    assert Judgment.objects.get().shown == shown
    assert QueueItem.objects.get().slots_free == project.overlap - 1


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"choice": "both"}, "choice"),
        ({"choice": ""}, "choice"),
        ({"submission_id": "not an id"}, "submission_id"),
        ({"shown": "0"}, "shown"),
        ({"shown": "é" * 64}, "shown"),
        ({"comparison": "0"}, "comparison"),
        ({"comparison": "987654"}, "comparison"),
        ({"comparison": "9" * 400}, "comparison"),
        ({"comparison": "１"}, "comparison"),
        ({"seconds": "-1"}, "seconds"),
        ({"seconds": "nan"}, "seconds"),
        ({"rationale": "a\x00b"}, "rationale"),
        ({"rationale": "a" * 20_001}, "rationale"),
        ({"flags": ["rude"]}, "flags"),
        ({"spans": '[{"place": 0, "start": 0, "end": 1, "comment": "x"}]'}, "spans"),
        ({"all_bad": "1"}, "all_bad"),
    ],
)
def test_nonsense_is_refused_in_a_sentence_and_stores_nothing(
    changes, field, workspace, project, make_comparisons
):
    make_comparisons(project, 1)
    reply = workspace.post(workspace.fields() | {"choice": "a"} | changes)
    assert reply["stored"] is False
    assert reply["field"] == field
    assert reply["refused"]
    assert not Judgment.objects.exists()


def test_the_shown_order_of_another_moment_is_refused(workspace, project, make_comparisons):
    make_comparisons(project, 1)
    answer = workspace.fields() | {"choice": "a"}
    workspace.show(*reversed(Assignment.objects.get().shown))
    reply = workspace.post(answer)
    assert reply["field"] == "shown"
    assert not Judgment.objects.exists()


def test_another_persons_item_can_not_be_answered(make_workspace, project, make_comparisons):
    make_comparisons(project, 1)
    ana, bob = make_workspace("ana"), make_workspace("bob")
    theirs = bob.fields()
    assert (
        ana.answer(choice="a", comparison=theirs["comparison"], shown=theirs["shown"])["field"]
        == "comparison"
    )
    assert not Judgment.objects.exists()


def test_another_projects_item_can_not_be_answered_here(workspace, project, make_comparisons):
    make_comparisons(project, 1)
    elsewhere = create_project(name="Elsewhere", by=None)
    make_comparisons(elsewhere, 1)
    user = workspace.rater.user
    set_member(project=elsewhere, user=user, role=Role.ANNOTATOR, by=None)
    foreign = take_next(rater=rater_of(project=elsewhere, user=user))  # held by the very same person
    assert workspace.answer(choice="a", comparison=foreign.pk, submission_id=uuid.uuid4())["stored"] is False
    assert not Judgment.objects.exists()


def test_heartbeats_renew_what_the_page_holds(workspace, project, make_comparisons):
    make_comparisons(project, 1)
    number = workspace.fields()["comparison"]
    Assignment.objects.update(expires_at="2026-01-01T00:00:00Z")
    assert workspace.ask("heartbeat", {"held": f"{number},x,,99"}).status_code == 204
    assert Assignment.objects.get().expires_at.year > 2026 or Assignment.objects.get().expires_at.month > 1


def test_a_page_that_closes_gives_back_what_it_holds(workspace, project, make_comparisons):
    make_comparisons(project, 1)
    number = workspace.fields()["comparison"]
    assert workspace.ask("release", {"held": number}).status_code == 204
    assert Assignment.objects.get().expires_at is None
    assert QueueItem.objects.get().slots_free == project.overlap


def test_nobody_renews_or_gives_back_what_others_hold(make_workspace, project, make_comparisons):
    make_comparisons(project, 1)
    ana, bob = make_workspace("ana"), make_workspace("bob")
    theirs = bob.fields()["comparison"]
    ana.ask("release", {"held": theirs})
    assert Assignment.objects.get(rater=bob.rater).expires_at is not None


# --- states


def test_when_nothing_waits_the_page_says_so(workspace):
    assert "Nothing is waiting for you" in workspace.page()


def test_a_paused_project_gives_nothing(workspace, project, make_comparisons):
    make_comparisons(project, 1)
    project.paused = True
    project.save()
    html = workspace.page()
    assert 'data-state="paused"' in html
    assert not Assignment.objects.exists()


def test_whoever_is_stopped_is_told_so(workspace, project, make_comparisons):
    make_comparisons(project, 1)
    rater = workspace.rater
    rater.stopped_at = "2026-01-01T00:00:00Z"
    rater.save()
    assert 'data-state="stopped"' in workspace.page()


def test_a_cap_that_is_reached_ends_the_work(workspace, project, make_comparisons):
    make_comparisons(project, 3)
    project.cap_per_person = 1
    project.save()
    assert 'data-state="cap"' in workspace.answer(choice="a")["state"]


def test_new_guidelines_are_read_before_the_work_goes_on(workspace, project, make_comparisons):
    make_comparisons(project, 2)
    publish_guidelines(project=project, texts={"en": "Now *shorter* wins."}, change="Length.", by=None)
    html = workspace.page()
    assert 'data-state="guidelines"' in html
    assert "Now <em>shorter</em> wins." in html
    assert "Length." in html
    url = reverse("feedback:annotate-guidelines-read", args=[project.slug])
    assert workspace.client.post(url, {"version": "2"}).status_code == 302
    assert hidden_fields(workspace.page())["comparison"]


# --- practice, and the judges' view


def practice(comparison: Comparison, ranking: tuple[int, ...]) -> None:
    QueueItem.objects.filter(pk=comparison.pk).delete()
    Comparison.objects.filter(pk=comparison.pk).update(purpose="practice")
    GoldAnswer.objects.create(comparison=comparison, ranking=ranking, explanation="Because it is *kind*.")


@pytest.mark.parametrize(("choice", "said"), [("b", "Right"), ("a", "Not as it is meant")])
def test_practice_is_explained_after_the_answer_in_the_letters_shown(
    choice, said, workspace, project, make_comparisons
):
    first, _ = make_comparisons(project, 2)
    practice(first, (1, 2))
    html = workspace.page()
    assert "Practice" in html
    assert "Because" not in html
    workspace.show(1, 0)
    after = workspace.answer(choice=choice)["after"]
    assert re.search(rf"<h2>\s*{said}\s*</h2>", after)
    assert "it is meant as B &gt; A." in after
    assert "Because it is <em>kind</em>." in after


def test_without_a_script_practice_is_explained_on_the_next_page(workspace, project, make_comparisons):
    first, _ = make_comparisons(project, 2)
    practice(first, (1, 2))
    fields = workspace.fields() | {"choice": "a"}
    response = workspace.client.post(workspace.url, fields)
    assert f"?after={Judgment.objects.get().pk}" in response.url
    assert "Because it is" in workspace.client.get(response.url).content.decode()


@pytest.fixture
def judged(project, make_comparisons):
    """A comparison on which two judges have said something, and one could not."""
    said = [
        JudgmentRecord(rater="opus", kind="judge", ranking={"a": 1, "b": 2}, rationale="The judge's reason"),
        JudgmentRecord(rater="sonnet", kind="judge", ranking={"a": 1, "b": 1}),
        JudgmentRecord(rater="haiku", kind="judge", outcome="refused"),
        JudgmentRecord(rater="bob", ranking={"a": 2, "b": 1}, rationale="Bob's reason"),
    ]
    return make_comparisons(project, 1, said)[0]


def test_the_judges_view_is_shown_after_the_answer_where_the_project_allows_it(workspace, judged):
    workspace.use(show_judges=True)
    assert "opus" not in workspace.page()
    workspace.show(1, 0)
    after = workspace.answer(choice="a")["after"]
    assert re.search(r"opus</strong> <[^>]*>B &gt; A<", after)
    assert re.search(r"sonnet</strong> <[^>]*>A = B<", after)
    assert "The judge&#x27;s reason" in after or "The judge's reason" in after
    for hidden in ("haiku", "bob", "Bob"):
        assert hidden not in after


def test_elsewhere_the_judges_view_is_never_shown(workspace, judged):
    assert workspace.answer(choice="a")["after"] is None


@pytest.mark.parametrize(("agrees", "kept"), [("1", True), ("0", False)])
def test_a_second_look_is_kept_beside_the_untouched_judgment(agrees, kept, workspace, judged):
    workspace.use(show_judges=True)
    workspace.answer(choice="a")
    before = Judgment.objects.filter(rater=workspace.rater).values().get()
    reply = workspace.ask("second-look", {"judgment": before["id"], "agrees": agrees}).json()
    assert reply["refused"] is None
    judgment = Judgment.objects.get(rater=workspace.rater)
    assert judgment.second_look.agrees is kept
    assert Judgment.objects.filter(rater=workspace.rater).values().get() == before


@pytest.mark.parametrize(
    "fields", [{}, {"agrees": "1"}, {"judgment": "x", "agrees": "1"}, {"agrees": "maybe"}]
)
def test_no_second_look_without_ones_own_judgment(fields, workspace, judged):
    workspace.use(show_judges=True)
    workspace.answer(choice="a")
    reply = workspace.ask("second-look", fields).json()
    assert reply["refused"]
    bobs = Judgment.objects.get(rater__name="bob")
    assert workspace.ask("second-look", {"judgment": bobs.pk, "agrees": "1"}).json()["refused"]


def test_no_second_look_where_the_judges_view_is_not_shown(workspace, judged):
    workspace.answer(choice="a")
    own = Judgment.objects.get(rater=workspace.rater)
    assert workspace.ask("second-look", {"judgment": own.pk, "agrees": "1"}).json()["refused"]
    assert not hasattr(own, "second_look")


# --- who may


@pytest.mark.parametrize("what", ["undo", "heartbeat", "release", "second-look", "guidelines-read"])
def test_whoever_is_logged_out_is_told_so(what, project):
    url = reverse(f"feedback:annotate-{what}", args=[project.slug])
    assert Client().post(url, headers={"Accept": "application/json"}).status_code == 401
    response = Client().post(url)
    assert response.status_code == 302
    assert response.url.startswith(reverse("login"))


def test_a_logged_out_answer_and_prefetch_get_a_401(project):
    page = reverse("feedback:annotate", args=[project.slug])
    upcoming = reverse("feedback:annotate-next", args=[project.slug])
    assert Client().post(page, headers={"Accept": "application/json"}).status_code == 401
    assert Client().get(upcoming, headers={"Accept": "application/json"}).status_code == 401
    assert Client().get(page).status_code == 302


@pytest.mark.parametrize(
    "what", ["", "-next", "-undo", "-heartbeat", "-release", "-second-look", "-guidelines-read"]
)
def test_a_stranger_is_told_of_no_project(what, project, make_user):
    client = Client()
    client.force_login(make_user("eve"))
    url = reverse(f"feedback:annotate{what}", args=[project.slug])
    ask = client.get if what in ("", "-next") else client.post
    assert ask(url, headers={"Accept": "application/json"}).status_code == 404


def test_answers_are_private_to_their_reader(workspace, project, make_comparisons):
    make_comparisons(project, 1)
    headers = workspace.client.get(workspace.url).headers
    assert "no-store" in headers["Cache-Control"]
    assert "private" in headers["Cache-Control"]
