"""The loop at a glance: real counts, what to do next, and an annotator's own part of it."""

import pytest
from django.test import Client
from django.urls import reverse

from alignment.models import Decision, Label, Labelling, Policy
from deploy.next_steps import next_steps
from deploy.queries import loop_counts
from feedback.models import Job, JobState, Role
from feedback.permissions import GRANTS, Permission
from feedback.records import JudgmentRecord

A_WINS = {"a": 1, "b": 2}


@pytest.fixture
def page(project):
    return reverse("loop", args=[project.slug])


@pytest.fixture
def log_in(project, make_user):
    def enter(role: str) -> Client:
        client = Client()
        client.force_login(make_user(f"the {role}", project=project, role=role))
        return client

    return enter


@pytest.fixture
def label(project):
    """Labels of one applied policy, with the decisions given."""

    def make(comparisons, decisions) -> None:
        policy = Policy.objects.create(project=project, name="default", document={}, sha256="0" * 64)
        job = Job.objects.create(project=project, task="t", queue="default", state=JobState.SUCCEEDED)
        labelling = Labelling.objects.create(policy=policy, job=job)
        for comparison, decision in zip(comparisons, decisions, strict=True):
            ranking = (1, 2) if decision == Decision.USED else ()
            Label.objects.create(
                policy=policy,
                labelling=labelling,
                comparison=comparison,
                decision=decision,
                ranking=ranking,
                sources=ranking,
                reason="r",
                sentence="s",
            )

    return make


def sentences(project, role: str) -> list[str]:
    return [step.sentence for step in next_steps(project, loop_counts(project), GRANTS[role])]


def test_an_empty_project_asks_an_engineer_for_an_import_with_the_command(project, log_in, page):
    html = log_in(Role.ENGINEER).get(page).content.decode()
    assert "Nothing has been imported yet" in html
    assert "python manage.py import_feedback FILE --project help-desk" in html


def test_open_comparisons_ask_for_people(project, make_comparisons):
    make_comparisons(project, 3)
    assert sentences(project, Role.REVIEWER)[0] == "6 judgments are still wanted from people."


def test_judgments_without_labels_ask_for_a_policy(project, make_comparisons):
    both = [JudgmentRecord(rater=name, ranking=A_WINS) for name in ("ana", "bob")]
    make_comparisons(project, 2, both)
    assert any("no labels: apply a policy" in sentence for sentence in sentences(project, Role.ENGINEER))


def test_routed_and_used_labels_ask_for_people_and_a_snapshot(project, make_comparisons, label):
    judgments = [JudgmentRecord(rater="opus", kind="judge", ranking=A_WINS)]
    judgments += [JudgmentRecord(rater=name, ranking=A_WINS) for name in ("ana", "bob")]
    label(make_comparisons(project, 3, judgments), [Decision.USED, Decision.ROUTED, Decision.USED])
    found = sentences(project, Role.ENGINEER)
    assert found[0].startswith("1 label is routed to people")
    assert found[1] == "2 labels can train a model: freeze a snapshot of them."


def test_nobody_is_told_to_do_what_they_may_not(project, make_comparisons):
    make_comparisons(project, 1, [JudgmentRecord(rater="ana", ranking=A_WINS)])
    for role in Role.values:
        steps = next_steps(project, loop_counts(project), GRANTS[role])
        assert {step.needs for step in steps} <= GRANTS[role]


def test_each_stage_shows_its_count(project, make_comparisons, label, log_in, page):
    judgments = [
        JudgmentRecord(rater="ana", ranking=A_WINS),
        JudgmentRecord(rater="opus", kind="judge", outcome="unparseable"),
    ]
    label(
        make_comparisons(project, 4, judgments),
        [Decision.USED, Decision.USED, Decision.ROUTED, Decision.DROPPED],
    )
    client = log_in(Role.OWNER)
    counts = client.get(page).context["counts"]
    assert (counts.store.comparisons, counts.store.human_judgments, counts.store.ai_judgments) == (4, 4, 0)
    assert counts.store.without_verdict == 4
    assert counts.labels == {"used": 2, "routed": 1, "dropped": 1}
    html = client.get(page).content.decode()
    for words in ("2 used", "1 routed", "1 dropped", "1 label routed to people"):
        assert words in html


def test_the_newest_labelling_counts_and_not_an_earlier_policys(project, make_comparisons, label):
    comparisons = make_comparisons(project, 2)
    label(comparisons, [Decision.USED, Decision.USED])
    Policy.objects.update(name="older")
    label(comparisons, [Decision.ROUTED, Decision.DROPPED])
    assert loop_counts(project).labels == {"used": 0, "routed": 1, "dropped": 1}


def test_an_annotator_sees_their_own_part_and_no_counts_of_others(project, make_comparisons, log_in, page):
    make_comparisons(project, 5, [JudgmentRecord(rater="bob", ranking=A_WINS)])
    html = log_in(Role.ANNOTATOR).get(page).content.decode()
    assert "5 comparisons wait for you" in html
    assert "Prefer the polite answer." in html
    for hidden in ("bob", "Human judgments", "AI judgments", "Labels", "Agreement"):
        assert hidden not in html


@pytest.mark.parametrize("role", Role.values)
def test_the_navigation_shows_what_the_role_may_open(role, log_in, page):
    client = log_in(role)
    html = client.get(page).content.decode()
    navigation = html[html.index('class="sections"') : html.index("</nav>")]
    reviews = Permission.REVIEW in GRANTS[role]
    assert ("Comparisons" in navigation) == reviews
    assert ("Agreement" in navigation) == reviews
    assert ("Members" in navigation) == (role == Role.OWNER)


def test_a_wrong_password_is_told_and_too_many_lock_the_door(make_user):
    make_user("ana")
    client = Client()
    wrong = {"username": "ana", "password": "wrong"}
    html = client.post(reverse("login"), wrong).content.decode()
    assert "do not go together" in html
    for _ in range(9):
        response = client.post(reverse("login"), wrong)
    assert response.status_code == 429
    assert "Locked for a while" in response.content.decode()


def test_log_in_goes_on_to_the_page_asked_for_and_log_out_ends_it(project, make_user, page):
    make_user("ana", project=project, role="owner")
    client = Client()
    response = client.post(
        f"{reverse('login')}", {"username": "ana", "password": "correct horse", "next": page}
    )
    assert response.url == page
    client.post(reverse("logout"))
    assert client.get(page).status_code == 302


def test_a_page_that_is_not_there_says_so_in_our_own_words(make_user, db):
    client = Client()
    client.force_login(make_user("ana"))
    response = client.get("/p/nowhere/")
    assert response.status_code == 404
    assert "There is nothing here" in response.content.decode()
