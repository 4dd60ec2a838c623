"""The agreement and label pages: who may see them, what they say, and what their buttons do."""

import csv

import pytest
from django.urls import reverse

from alignment.models import AgreementReport, Asking, Label, Labelling
from alignment.views import agreement as agreement_page
from feedback.actions.imports import store_records
from feedback.models import Job, JobState, QueueItem, Rater
from tests.alignment.conftest import pair, said

PAGES = ("agreement", "labels")


def enter(client, make_user, project, role):
    client.force_login(make_user(f"{role}-{project.slug}", project=project, role=role))
    return client


def page(client, name, project, *args, **params):
    return client.get(reverse(f"alignment:{name}", args=[project.slug, *args]), params)


@pytest.fixture
def engineer(client, make_user, judged):
    return enter(client, make_user, judged, "engineer")


@pytest.mark.parametrize("name", PAGES)
def test_an_annotator_does_not_find_the_pages(client, make_user, judged, name):
    assert page(enter(client, make_user, judged, "annotator"), name, judged).status_code == 404


def test_an_annotator_does_not_find_a_label_or_a_policy(client, make_user, policy, label):
    label(policy)
    enter(client, make_user, policy.project, "annotator")
    comparison = Label.objects.first().comparison_id
    assert page(client, "label", policy.project, policy.pk, comparison).status_code == 404
    assert page(client, "policy", policy.project, policy.pk).status_code == 404


def test_a_reviewer_measures_but_applies_no_policy(client, make_user, policy):
    enter(client, make_user, policy.project, "reviewer")
    slug = policy.project.slug
    assert client.post(reverse("alignment:agreement-measure", args=[slug])).status_code == 302
    assert client.get(reverse("alignment:policy-new", args=[slug])).status_code == 404
    for name in ("policy-apply", "policy-route"):
        assert client.post(reverse(f"alignment:{name}", args=[slug, policy.pk])).status_code == 404
    assert not Labelling.objects.exists()


def test_another_projects_policy_is_not_found(engineer, make_user, policy, pandalm):
    enter(engineer, make_user, pandalm, "owner")
    assert page(engineer, "policy", pandalm, policy.pk).status_code == 404
    assert page(engineer, "labels", pandalm, policy=policy.pk).status_code == 404


def test_the_pages_show_pandalms_published_figures(client, make_user, pandalm):
    enter(client, make_user, pandalm, "reviewer")
    text = page(client, "agreement", pandalm).content.decode()
    shown = page(client, "agreement-matrix", pandalm, measure="cohen_kappa")
    text += shown.content.decode()
    kappas = {
        frozenset((row["a"]["name"], row["b"]["name"])): round(row["cohen_kappa"]["value"], 2)
        for row in shown.context["pairs"]
        if row["a"]["kind"] == row["b"]["kind"] == "human"
    }
    assert sorted(kappas.values()) == [0.85, 0.86, 0.88]
    for figure in ("0.85", "0.88", "0.86", "105", "422", "472"):
        assert f">{figure}<" in text
    assert "25 without a verdict" in text
    assert AgreementReport.objects.count() == 1


def test_simulated_people_are_marked_wherever_they_are_named(engineer, judged):
    Rater.objects.filter(name="ana").update(simulated=True)
    text = page(engineer, "agreement", judged).content.decode()
    assert text.count("simulated") >= 3


def test_the_page_says_which_judge_is_trusted_where_and_why(engineer, policy, label):
    assert "No policy has been applied yet" in page(engineer, "agreement", policy.project).content.decode()
    label(policy)
    shown = page(engineer, "agreement", policy.project)
    partly = next(judge for judge in shown.context["judges"] if judge["rater"]["name"] == "partly")
    assert {row["slice"]: row["trusted"] for row in partly["slices"]}["odd"] is False
    assert "may replace" in shown.content.decode()


def test_the_page_notices_new_judgments_and_measures_again(engineer, judged):
    page(engineer, "agreement", judged)
    store_records(project=judged, records=[pair("new", [said("ana", "first")])], by=None)
    assert "measure again" in page(engineer, "agreement", judged).content.decode()
    engineer.post(reverse("alignment:agreement-measure", args=[judged.slug]))
    assert page(engineer, "agreement", judged).context["body"]["comparisons"] == 121


def test_a_large_project_is_measured_by_a_worker(engineer, judged, monkeypatch):
    monkeypatch.setattr(agreement_page, "SMALL", 10)
    assert "Not measured yet" in page(engineer, "agreement", judged).content.decode()
    engineer.post(reverse("alignment:agreement-measure", args=[judged.slug]))
    assert Job.objects.get().task == "alignment.tasks.perform_report"
    assert "waits for a worker" in page(engineer, "agreement", judged).content.decode()


def test_a_project_without_judgments_says_how_they_come(client, make_user, project):
    text = page(enter(client, make_user, project, "reviewer"), "agreement", project).content.decode()
    assert "No judgments yet" in text
    assert page(client, "agreement-csv", project, "pairs").status_code == 404


@pytest.mark.parametrize("measure", ["cohen_kappa", "agreement", "nonsense"])
def test_the_matrix_shows_the_measure_asked_for(engineer, judged, measure):
    shown = page(engineer, "agreement-matrix", judged, measure=measure)
    assert shown.context["measure"] == (measure if measure != "nonsense" else "symmetric_kappa")


def test_pairs_come_as_csv_without_formulas(engineer, judged):
    Rater.objects.filter(name="ana").update(name="=cmd()")
    page(engineer, "agreement", judged)
    lines = page(engineer, "agreement-csv", judged, "pairs").content.decode().splitlines()
    assert lines[0].startswith("a,b,slice,n,agreement_value")
    assert len(lines) == 1 + 10
    assert any(line.startswith("'=cmd(),") for line in lines)


@pytest.mark.parametrize("name", ["\t=cmd()", " +1", "＝cmd()", "@x", "-1"])
def test_no_name_in_the_csv_is_a_formula(engineer, judged, name):
    Rater.objects.filter(name="ana").update(name=name)
    page(engineer, "agreement", judged)
    rows = list(csv.reader(page(engineer, "agreement-csv", judged, "pairs").content.decode().splitlines()))
    names = {row[0] for row in rows} | {row[1] for row in rows}
    assert f"'{name}" in names
    assert name not in names


def test_labels_are_filtered_by_decision_reason_and_tag(engineer, policy, label):
    label(policy)
    routed = Label.objects.filter(policy=policy, decision="routed")
    reason = routed.first().reason
    shown = page(engineer, "labels", policy.project, decision="routed", reason=reason, tag="odd")
    assert {row.decision for row in shown.context["rows"]} == {"routed"}
    expected = routed.filter(reason=reason, comparison__tags__name="odd").count()
    assert len(shown.context["rows"]) == expected


def test_labels_are_paged(engineer, policy, label):
    label(policy)
    seen, after = [], 0
    while after is not None:
        shown = page(engineer, "labels", policy.project, after=after)
        seen += [row.comparison_id for row in shown.context["rows"]]
        after = shown.context["after"]
    assert seen == list(Label.objects.order_by("comparison_id").values_list("comparison_id", flat=True))


def test_a_label_is_traced_to_its_judgments_certificates_and_hashes(engineer, policy, label):
    label(policy)
    traced = Label.objects.get(policy=policy, comparison__external_id="q001")
    text = page(engineer, "label", policy.project, policy.pk, traced.comparison_id).content.decode()
    shown = page(engineer, "label", policy.project, policy.pk, traced.comparison_id).context
    assert {judgment.rater.name for judgment in shown["counted"]} == {"ana", "ben", "cy", "good"}
    assert {judgment.rater.name for judgment in shown["others"]} == {"partly"}
    assert {(entry["judge"], entry["slice"]) for entry in shown["certificates"]} == {
        (judge, name) for judge in ("good", "partly") for name in ("all", "odd")
    }
    for part in (
        policy.sha256,
        traced.labelling.report.sha256,
        traced.sentence,
        "Question q001?",
        "A to q001.",
    ):
        assert part in text


def test_route_to_people_refills_the_queue(engineer, policy, label):
    label(policy)
    routed = Label.objects.filter(policy=policy, decision="routed").values_list("comparison", flat=True)
    url = reverse("alignment:policy-route", args=[policy.project.slug, policy.pk])
    text = engineer.post(url, follow=True).content.decode()
    waiting = set(QueueItem.objects.filter(priority__gt=0).values_list("comparison", flat=True))
    assert f"{len(waiting)} comparisons wait for people now" in text
    drawn = Asking.objects.filter(comparison__in=waiting.difference(routed)).values_list("ground", flat=True)
    assert waiting.issuperset(routed)
    assert [*drawn] == ["drawn"] * (len(waiting) - len(routed))


def test_a_labelling_is_stopped_and_resumed_from_its_page(engineer, policy):
    slug = policy.project.slug
    engineer.post(reverse("alignment:policy-apply", args=[slug, policy.pk]))
    labelling = Labelling.objects.get()
    engineer.post(reverse("alignment:labelling-cancel", args=[slug, labelling.pk]))
    labelling.job.refresh_from_db()
    assert labelling.job.state == JobState.CANCELLED
    assert "did not reach its end" in page(engineer, "labels", policy.project).content.decode()
    engineer.post(reverse("alignment:labelling-resume", args=[slug, labelling.pk]))
    labelling.job.refresh_from_db()
    assert labelling.job.state == JobState.QUEUED
    assert page(engineer, "policy", policy.project, policy.pk).status_code == 200
