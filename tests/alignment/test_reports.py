"""Agreement reports: published figures, determinism, missing verdicts and content addresses."""

import json
from dataclasses import replace

import pytest

from alignment.actions.reports import compute_report, request_report
from alignment.models import AgreementReport
from alignment.tasks import perform_report
from feedback.actions.imports import store_records
from feedback.actions.projects import create_project
from feedback.errors import Refused
from feedback.models import AuditEntry, JobState
from feedback.records import ComparisonRecord, JudgmentRecord, ResponseRecord
from tests.alignment.conftest import pair, said


def between(body, a, b):
    return next(entry for entry in body["pairs"] if {entry["a"], entry["b"]} == {a, b})


def judge_entry(body, judge, slice_name="all"):
    return next(entry for entry in body["judges"] if (entry["judge"], entry["slice"]) == (judge, slice_name))


def test_pandalm_gives_the_published_figures(pandalm, shared_data):
    published = json.loads((shared_data / "pandalm" / "published.json").read_text())
    body = compute_report(project=pandalm, by=None).body
    for names, kappa in published["kappa_exact"].items():
        one, two = names.split("-")
        found = between(body, f"annotator{one}", f"annotator{two}")["cohen_kappa"]
        assert found["value"] == pytest.approx(kappa, abs=5e-5)
        assert found["low"] < kappa < found["high"]
        assert found["n"] == 999
    assert body["majority"] == {"first": 422, "second": 472, "tie": 105, "none": 0}


def test_pandalms_unparseable_verdicts_stay_missing(pandalm):
    body = compute_report(project=pandalm, by=None).body
    gpt = next(rater for rater in body["raters"] if rater["name"] == "gpt-3.5-turbo")
    assert (gpt["ranked"], gpt["missing"]) == (974, {"unparseable": 25})
    agreement = judge_entry(body, "gpt-3.5-turbo")["agreement"]
    assert (agreement["n"], agreement["excluded"]) == (974, 25)
    assert agreement["value"] == pytest.approx(0.7156, abs=5e-5)  # published.json: "71.56 if dropped"


def test_the_same_judgments_give_the_same_report_row(judged):
    first = compute_report(project=judged, by=None)
    assert compute_report(project=judged, by=None) == first
    assert AgreementReport.objects.count() == 1
    assert AuditEntry.objects.filter(verb="measure").count() == 1


def test_a_new_judgment_gives_a_new_report(judged):
    first = compute_report(project=judged, by=None)
    store_records(project=judged, records=[pair("new", [said("ana", "first")])], by=None)
    second = compute_report(project=judged, by=None)
    assert second.inputs_sha256 != first.inputs_sha256
    assert second.body["comparisons"] == first.body["comparisons"] + 1


def test_a_report_does_not_depend_on_the_order_in_which_rows_were_stored(judged, judged_records):
    other = create_project(name="Other", by=None)
    turned = [replace(record, judgments=record.judgments[::-1]) for record in judged_records[::-1]]
    store_records(project=other, records=turned, by=None)
    one, two = (compute_report(project=project, by=None) for project in (judged, other))
    assert (one.inputs_sha256, one.sha256, one.body) == (two.inputs_sha256, two.sha256, two.body)


def test_every_statistic_says_its_interval_and_n_or_why_not(judged):
    body = compute_report(project=judged, by=None).body
    found = []

    def walk(node):
        if isinstance(node, dict) and "value" in node:
            found.append(node)
        elif isinstance(node, dict | list):
            for child in node.values() if isinstance(node, dict) else node:
                walk(child)

    walk(body)
    assert len(found) > 30
    assert all("n" in entry and (entry["value"] is not None or entry["reason"]) for entry in found)


def test_judges_are_measured_on_each_slice_and_against_the_human_ceiling(judged):
    body = compute_report(project=judged, by=None).body
    assert body["slices"] == {"all": 120, "even": 60, "odd": 60}
    even, odd = (judge_entry(body, "partly", name) for name in ("even", "odd"))
    assert even["agreement"]["low"] > odd["agreement"]["high"]
    assert {person["rater"] for person in even["annotators"]} == {"ana", "ben", "cy"}
    ceiling = [entry for entry in body["ceiling"] if entry["slice"] == "all"]
    assert [entry["rater"] for entry in ceiling] == ["ana", "ben", "cy"]
    assert all(entry["agreement"]["value"] > 0.8 for entry in ceiling)


def test_a_pair_of_raters_is_listed_only_where_both_were_asked(project):
    records = [pair("1", [said("ana", "first")]), pair("2", [said("ben", "first"), said("cy", "first")])]
    store_records(project=project, records=records, by=None)
    body = compute_report(project=project, by=None).body
    assert [(entry["a"], entry["b"]) for entry in body["pairs"]] == [("ben", "cy")]


def test_a_person_and_a_judge_of_one_name_are_told_apart(project):
    records = [pair("1", [said("sam", "first"), said("sam", "tie", "judge")])]
    store_records(project=project, records=records, by=None)
    body = compute_report(project=project, by=None).body
    assert [rater["name"] for rater in body["raters"]] == ["sam (human)", "sam (judge)"]


def test_rankings_of_three_are_compared_as_wholes(project):
    def three(key, *rankings):
        judgments = [
            JudgmentRecord(name, ranking=dict(zip("abc", ranking, strict=True)))
            for name, ranking in zip(("ana", "ben"), rankings, strict=True)
        ]
        responses = [ResponseRecord(letter, "x", f"{letter}{key}") for letter in "abc"]
        return ComparisonRecord([{"role": "user", "content": key}], responses, key=key, judgments=judgments)

    same, turned = (1, 2, 3), (1, 3, 2)
    records = [three("1", same, same), three("2", same, turned), three("3", turned, turned)]
    store_records(project=project, records=records, by=None)
    body = compute_report(project=project, by=None).body
    assert between(body, "ana", "ben")["agreement"]["value"] == pytest.approx(2 / 3)
    assert between(body, "ana", "ben")["symmetric_kappa"]["reason"] == "only for comparisons of two responses"
    assert body["majority"]["longer"] == 2


def test_a_tag_called_all_is_not_taken_for_everything(project):
    records = [pair("1", [said("ana", "first")], ("all",)), pair("2", [said("ana", "first")])]
    store_records(project=project, records=records, by=None)
    assert compute_report(project=project, by=None).body["slices"] == {"all": 2, "tag all": 1}


def test_a_project_without_judgments_is_refused(project, make_comparisons):
    make_comparisons(project, 3)
    with pytest.raises(Refused, match="no judgments yet"):
        compute_report(project=project, by=None)


def test_a_worker_measures_and_says_so(judged):
    job = request_report(project=judged, by=None)
    perform_report(job.pk)
    job.refresh_from_db()
    assert job.state == JobState.SUCCEEDED
    assert AgreementReport.objects.get(project=judged).body["comparisons"] == 120


def test_asking_again_while_a_report_waits_is_the_same_job(judged):
    assert request_report(project=judged, by=None) == request_report(project=judged, by=None)
