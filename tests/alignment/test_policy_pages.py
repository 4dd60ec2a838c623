"""The page on which a policy is edited: what it would do, nothing saved; and its labels' update."""

import csv

import pytest
from django.urls import reverse
from django.utils import timezone

from alignment import whatif
from alignment.actions.labels import apply_policy
from alignment.models import Label, Labelling, Policy
from alignment.policy_form import PolicyForm
from alignment.tasks import perform_labelling
from feedback.actions.judgment_records import GivenJudgment, store_judgments
from feedback.models import Job, Judgment, Project
from judges.actions.judges import create_judge
from judges.actions.rubrics import create_rubric
from judges.models import JudgeCall
from tests.alignment.conftest import said

HTMX = {"HX-Request": "true"}


@pytest.fixture
def engineer(client, make_user, judged):
    client.force_login(make_user("erin", project=judged, role="engineer"))
    return client


def sent(project, **values):
    """The form as a browser sends it: an empty field is empty text, and of boxes none is checked."""
    fields = PolicyForm(project, None, None).fields
    given = {name: field.initial for name, field in fields.items() if name != "slices"} | values
    return {name: "" if value is None else value for name, value in given.items()}


def editor(project):
    return reverse("alignment:policy-new", args=[project.slug])


def test_saving_makes_a_policy_and_queues_its_labelling(engineer, judged):
    engineer.post(editor(judged), sent(judged, min_confidence=0.9, max_error=""))
    policy = Policy.objects.get()
    assert (policy.document["min_confidence"], policy.document["max_error"]) == (0.9, None)
    assert policy.created_by is not None
    labels = reverse("alignment:labels", args=[judged.slug])
    assert "waits for a worker" in engineer.get(labels).content.decode()
    perform_labelling(Job.objects.get().pk)
    assert engineer.get(labels).context["counts"]["used"] > 0


@pytest.mark.parametrize(
    ("values", "field", "sentence"),
    [
        ({"min_confidence": 0.2}, "min_confidence", "above 0.5"),
        ({"max_error": 1.5}, "max_error", "below 1"),
        ({"max_attack_rate": -0.1}, "max_attack_rate", "at least 0"),
    ],
)
def test_a_value_out_of_range_is_said_at_its_field(engineer, judged, values, field, sentence):
    errors = engineer.post(editor(judged), sent(judged, **values)).context["form"].errors
    assert sentence in errors[field][0]
    assert not Policy.objects.exists()


def test_a_look_saves_nothing_and_says_what_it_would_do(engineer, judged):
    shown = engineer.post(editor(judged), sent(judged, max_error=""), headers=HTMX)
    what = shown.context["what"]
    assert not Policy.objects.exists()
    assert sum(what.outlook.decisions.values()) == 120
    assert what.outlook.by_judges > 20
    assert [way.name for way in what.ways] == ["policy", "people", "good", "partly", "pooled"]
    errors = {way.name: way.error.value for way in what.ways}
    assert errors["good"] < errors["partly"]
    assert what.ways[2].error.low < what.ways[2].error.value < what.ways[2].error.high


@pytest.fixture
def paid_calls(judged):
    """What a judge's two answered calls cost: a dollar, and half of one."""
    rubric = create_rubric(project=judged, name="Helpful", instructions="Prefer the helpful answer.", by=None)
    judge = create_judge(
        project=judged, name="paid", provider="rules", model="offline", rubric=rubric,
        settings={"rules": [{"pattern": "A", "weight": 1.0}]}, by=None,
    )  # fmt: skip
    for number, cost in enumerate((1, 0.5)):
        JudgeCall.objects.create(
            judge=judge, request_sha256=f"{number:064}", cost=cost, answered_at=timezone.now()
        )
    return JudgeCall.objects.filter(judge=judge)


def test_a_look_says_what_is_saved_once_an_hour_of_a_person_has_a_price(engineer, judged, paid_calls):
    def look():
        whatif._loaded.clear()  # what was loaded is kept until a judgment comes
        return engineer.post(editor(judged), sent(judged, max_error=""), headers=HTMX)

    untimed = look()
    assert untimed.context["what"].saved == whatif.Saved(
        None, 1.5, None, "No answer of a person here was timed."
    )
    assert "Set it" not in untimed.content.decode()
    Judgment.objects.filter(rater__kind="human").update(seconds=30)
    page = look()
    assert page.context["what"].saved.dollars is None
    assert "What an hour of a person costs is not set." in page.content.decode()
    assert "Set it" in page.content.decode()
    Project.objects.filter(pk=judged.pk).update(pay_per_hour=24)
    what = look().context["what"]
    # Three people judge a comparison, half a minute each.
    assert what.saved.minutes == pytest.approx(what.outlook.by_judges * 3 / 2)
    assert what.saved.dollars == pytest.approx(what.saved.minutes * 0.4 - 1.5)
    assert f"$ {what.saved.dollars:.2f}" in look().content.decode()
    paid_calls.filter(cost=1).update(cost=None)
    assert look().context["what"].saved.reason == "What some of the judges' calls cost is not known."


def test_a_look_shows_the_curve_and_its_chosen_point(engineer, judged):
    shown = engineer.post(editor(judged), sent(judged, max_error=0.25, epsilon=0.3), headers=HTMX)
    what = shown.context["what"]
    assert [point.chosen for point in what.curve].count(True) == 1
    assert what.outlook.bound <= 0.25
    text = shown.content.decode()
    assert "Coverage against error" in text
    url = text.split('href="')[1:]
    link = next(each.split('"')[0] for each in url if "curve.csv" in each).replace("&amp;", "&")
    rows = list(csv.DictReader(engineer.get(link).content.decode().splitlines()))
    assert len(rows) == len(what.curve)
    assert {row["chosen"] for row in rows} <= {"True", "False"}


def test_a_look_says_which_labels_would_differ(engineer, policy, label):
    label(policy)
    data = sent(policy.project, name=policy.name, min_confidence=0.99, max_error="")
    what = engineer.post(editor(policy.project), data, headers=HTMX).context["what"]
    assert what.changed > 0
    first = what.examples[0]
    assert (first.before, first.ranking_before) != (first.after, first.ranking_after)
    same = engineer.post(editor(policy.project), sent(policy.project, name=policy.name), headers=HTMX)
    assert same.context["what"].changed == 0


def test_a_new_judgment_is_seen_by_the_next_look(engineer, judged):
    data = sent(judged, max_error="")
    before = engineer.post(editor(judged), data, headers=HTMX).context["what"].outlook.decisions
    Judgment.objects.filter(comparison__external_id="q119", rater__name="good").delete()
    given = GivenJudgment("q119", said("another", "tie", "judge"), line=1)
    store_judgments(project=judged, judgments=[given], by=None)
    after = engineer.post(editor(judged), data, headers=HTMX).context["what"].outlook.decisions
    assert after != before


def test_nobody_but_engineers_edits(client, make_user, judged):
    client.force_login(make_user("rita", project=judged, role="reviewer"))
    assert client.get(editor(judged)).status_code == 404
    assert client.get(reverse("alignment:policy-curve", args=[judged.slug])).status_code == 404


def test_the_page_updates_labels_by_the_certificates_there_are(engineer, policy, label):
    first = label(policy)
    url = reverse("alignment:policy-update", args=[policy.project.slug, policy.pk])
    engineer.post(url)
    update = Labelling.objects.first()
    assert update.base == first
    perform_labelling(update.job_id)
    assert Label.objects.filter(labelling=first).count() == 120
    shown = engineer.get(reverse("alignment:policy", args=[policy.project.slug, policy.pk]))
    assert "That was an update" in shown.content.decode()


def test_an_update_before_anything_was_applied_is_refused(engineer, policy):
    apply_policy(policy=policy, by=None)
    url = reverse("alignment:policy-update", args=[policy.project.slug, policy.pk])
    shown = engineer.post(url, follow=True)
    assert "apply it first" in shown.content.decode()
    assert Labelling.objects.count() == 1
