"""The reviewers' pages: what they show and hide, that each form does its one thing, and where one comes next."""

import uuid

import pytest
from django.test import Client
from django.urls import reverse

from feedback.actions.judgments import submit_judgment
from feedback.actions.projects import create_project, rater_of, set_member
from feedback.actions.review_items import weigh
from feedback.answers import SpanComment, Verdict
from feedback.models import (
    Comparison,
    Criterion,
    Doubt,
    Flag,
    Judgment,
    Return,
    ReviewItem,
    Rubric,
    SecondLook,
)
from feedback.queries.review import review_state

HOSTILE = "<script>alert(1)</script><img src=x onerror=alert(2)>"


@pytest.fixture
def project(project):
    project.form = {"flags": True, "spans": True, "scores": True}
    project.save()
    return project


@pytest.fixture
def rita(project, make_user):
    return make_user("rita", project=project, role="reviewer")


@pytest.fixture
def client(rita):
    client = Client()
    client.force_login(rita)
    return client


@pytest.fixture
def disputed(project, make_comparisons, make_user):
    """Three comparisons on which ana and ben differ, with all that an answer can hold on the first."""
    comparisons = make_comparisons(project, 3)
    rubric = Rubric.objects.create(project=project, name="r", sha256="0" * 64)
    polite = Criterion.objects.create(rubric=rubric, name="Polite")
    ana, ben = (
        rater_of(project=project, user=make_user(name, project=project, role="annotator"))
        for name in ("ana", "ben")
    )
    full = Verdict(
        ranking=(1, 2),
        rationale=f"Because {HOSTILE}",
        seconds=12.0,
        scores={(polite.pk, 0): 4, (polite.pk, 1): 2},
        spans=(SpanComment(position=1, start=0, end=6, comment="Too dry"),),
        flags=("unsafe",),
    )
    for comparison in comparisons:
        said = full if comparison == comparisons[0] else Verdict(ranking=(1, 2), scores=full.scores)
        answer(ana, comparison, said)
        answer(ben, comparison, Verdict(ranking=(2, 1), scores=full.scores))
    SecondLook.objects.create(judgment=Judgment.objects.first(), agrees=False, at=comparisons[0].created_at)
    return comparisons


def answer(rater, comparison, verdict):
    return submit_judgment(rater=rater, comparison=comparison, submission_id=uuid.uuid4(), verdict=verdict)


def url(project, page, *args, **query):
    return reverse(f"feedback:{page}", args=[project.slug, *args], query=query)


def decision(comparison, **given):
    return {
        "seen": review_state(comparison.pk),
        "choice": "second",
        "reason": "The second is right.",
        **given,
    }


def test_the_list_shows_what_waits_and_keeps_its_filters(client, project, disputed):
    page = client.get(url(project, "review", flag="unsafe")).content.decode()
    assert "Question 0?" in page
    assert "Question 1?" not in page
    assert f'{reverse("feedback:review-item", args=[project.slug, disputed[0].pk])}?flag=unsafe"' in page


def test_a_filter_that_is_none_and_a_place_that_is_none_do_no_harm(client, project, disputed):
    response = client.get(url(project, "review", flag="\x00?", after="x.y", before="9" * 40, tag="none"))
    assert response.status_code == 200
    assert b"Nothing matches" in response.content


def test_an_empty_queue_says_so(client, project):
    assert b"Nothing to review" in client.get(url(project, "review")).content


def test_an_item_shows_everything_said_but_no_source_until_asked(client, project, disputed):
    page = client.get(url(project, "review-item", disputed[0].pk)).content.decode()
    for said in (
        "Answer 0 of x.",
        "ana",
        "ben",
        "Too dry",
        "Answer",
        "Polite",
        "unsafe",
        "stands by their own",
    ):
        assert said in page
    assert "model-x" not in page
    assert "<script>alert" not in page
    assert "<img" not in page.split("<main")[1]
    assert "model-x" in client.get(url(project, "review-item", disputed[0].pk, sources=1)).content.decode()


def test_a_decision_is_stored_and_the_next_item_comes(client, project, disputed):
    here = url(project, "review-decide", disputed[0].pk, conflict="any")
    response = client.post(here, decision(disputed[0], all_bad="on"))
    assert response.url == url(project, "review-item", disputed[1].pk, conflict="any")
    stored = Judgment.objects.get(adjudicates=True)
    assert (stored.ranking, stored.all_bad, stored.rationale) == ((2, 1), True, "The second is right.")
    assert stored.rater.user.username == "rita"
    page = client.get(url(project, "review-item", disputed[0].pk)).content.decode()
    assert "Decided by rita" in page
    assert "Decide otherwise" in page


def test_after_the_last_item_comes_the_list(client, project, disputed):
    response = client.post(url(project, "review-decide", disputed[2].pk), decision(disputed[2]))
    assert response.url == url(project, "review")


def test_more_than_two_responses_are_ranked(client, project, disputed):
    third = disputed[0]
    slot = third.slots.order_by("position").last()
    extra = slot.response
    extra.pk, extra.sha256 = None, "3" * 64
    extra.save()
    third.slots.create(response=extra, position=2, key="c")
    ranks = {"rank_0": "2", "rank_1": "1", "rank_2": "2"}
    client.post(url(project, "review-decide", third.pk), decision(third, **ranks))
    assert Judgment.objects.get(adjudicates=True).ranking == (2, 1, 2)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"reason": " "}, "Say why you decide so."),
        ({"choice": ""}, "Choose the better response, or a tie."),
        ({"choice": "both"}, "both"),
    ],
)
def test_a_decision_that_is_not_whole_is_not_stored_and_keeps_its_words(
    client, project, disputed, given, said
):
    page = client.post(url(project, "review-decide", disputed[0].pk), decision(disputed[0], **given))
    assert said in page.content.decode()
    assert page.context["decision"].data["reason"] == decision(disputed[0], **given)["reason"]
    assert not Judgment.objects.filter(adjudicates=True).exists()


def test_the_second_reviewer_sees_the_decision_of_the_first(client, project, disputed, make_user):
    mine = decision(disputed[0], reason="My own reason.")
    other = Client()
    other.force_login(make_user("rolf", project=project, role="reviewer"))
    other.post(url(project, "review-decide", disputed[0].pk), decision(disputed[0], choice="tie"))
    page = client.post(url(project, "review-decide", disputed[0].pk), mine).content.decode()
    assert "rolf decided this comparison while you were looking" in page
    assert "Decided by rolf" in page
    assert "My own reason." in page
    assert Judgment.objects.get(adjudicates=True).ranking == (1, 1)


def test_flags_are_dismissed_and_the_item_stays_while_people_disagree(client, project, disputed):
    said = {"seen": review_state(disputed[0].pk), "text": "Nothing unsafe here."}
    response = client.post(url(project, "review-dismiss", disputed[0].pk), said)
    assert response.url == url(project, "review-item", disputed[0].pk)
    assert Flag.objects.get().settled_because == "Nothing unsafe here."
    page = client.get(response.url).content.decode()
    assert "dismissed the flags" in page
    assert "Nothing unsafe here." in page


def test_a_disagreement_is_let_stand(client, project, disputed):
    said = {"seen": review_state(disputed[1].pk), "text": "A matter of taste."}
    response = client.post(url(project, "review-let-stand", disputed[1].pk), said)
    assert response.url == url(project, "review-item", disputed[2].pk)
    assert not ReviewItem.objects.get(pk=disputed[1].pk).open


def test_a_judgment_is_sent_back(client, project, disputed):
    judgment = Judgment.objects.get(comparison=disputed[1], rater__name="ben")
    said = {"seen": review_state(disputed[1].pk), "text": "Look at the second line."}
    response = client.post(url(project, "review-send-back", disputed[1].pk, judgment.pk), said)
    assert response.url == url(project, "review-item", disputed[2].pk)
    assert Return.objects.get().comment == "Look at the second line."
    assert "not answered yet" in client.get(url(project, "review-item", disputed[1].pk)).content.decode()


def test_a_judgment_of_another_comparison_is_not_there_to_send_back(client, project, disputed):
    judgment = Judgment.objects.get(comparison=disputed[1], rater__name="ben")
    said = {"seen": review_state(disputed[0].pk), "text": "Again."}
    assert client.post(url(project, "review-send-back", disputed[0].pk, judgment.pk), said).status_code == 404


def test_a_doubt_is_noted_and_shown(client, project, disputed):
    here = url(project, "review-item", disputed[0].pk)
    assert client.post(url(project, "review-doubt", disputed[0].pk), {"text": "Which tone?"}).url == here
    assert Doubt.objects.get().raised_by.username == "rita"
    assert "Which tone?" in client.get(here).content.decode()


@pytest.mark.parametrize("page", ["review-dismiss", "review-let-stand", "review-doubt"])
def test_a_refused_sentence_keeps_its_words_and_says_why(client, project, disputed, page):
    said = {"seen": "stale", "text": "" if page == "review-doubt" else "My words."}
    response = client.post(url(project, page, disputed[0].pk), said)
    assert response.context["draft"].problem
    assert response.context["draft"].text == said["text"]


def test_what_measures_people_offers_no_decision(client, project, disputed):
    Comparison.objects.filter(pk=disputed[0].pk).update(purpose="gold")
    weigh([disputed[0].pk])
    page = client.get(url(project, "review-item", disputed[0].pk)).content.decode()
    assert "measures people" in page
    assert "review-decide" not in page
    assert reverse("feedback:review-decide", args=[project.slug, disputed[0].pk]) not in page


POSTS = ["review-decide", "review-dismiss", "review-let-stand", "review-doubt"]


@pytest.mark.parametrize("who", ["annotator", "outsider", "reviewer of another project"])
@pytest.mark.parametrize("page", ["review", "review-item", *POSTS, "review-send-back"])
def test_nobody_else_reviews(project, disputed, make_user, page, who):
    user = make_user("somebody", project=project, role="annotator" if who == "annotator" else None)
    if who.startswith("reviewer"):
        set_member(project=create_project(name="Other", by=None), user=user, role="reviewer", by=None)
    stranger = Client()
    stranger.force_login(user)
    args = {"review": [], "review-send-back": [disputed[0].pk, Judgment.objects.first().pk]}
    address = url(project, page, *args.get(page, [disputed[0].pk]))
    asked = (
        stranger.get(address)
        if page in ("review", "review-item")
        else stranger.post(address, decision(disputed[0]))
    )
    assert asked.status_code == 404
    assert not Judgment.objects.filter(adjudicates=True).exists()


def test_a_comparison_of_another_project_is_not_there(client, project, make_comparisons):
    (foreign,) = make_comparisons(create_project(name="Other", by=None), 1)
    assert client.get(url(project, "review-item", foreign.pk)).status_code == 404
    assert client.post(url(project, "review-decide", foreign.pk), decision(foreign)).status_code == 404
