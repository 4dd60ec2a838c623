"""The agreement section's pages: who sees them, slices, figures equal to the CSV files', hostile names, old reports."""

import csv
import io
import json

import pytest
from django.urls import reverse

from alignment.actions.reports import compute_report
from alignment.agreement_tables import TABLES, flat_rows
from alignment.models import AgreementReport
from feedback.actions.imports import store_records
from feedback.models import Rater
from tests.alignment.conftest import pair, said

PAGES = (
    "agreement",
    "agreement-matrix",
    "agreement-tests",
    "agreement-bias",
    "agreement-confidence",
    "agreement-models",
    "agreement-drift",
    "disagreements",
    "agreement-definitions",
)
HOSTILE = "<script>alert(1)</script>"


@pytest.fixture
def reviewer(client, make_user, judged):
    client.force_login(make_user("rita", project=judged, role="reviewer"))
    compute_report(project=judged, by=None)
    return client


def page(client, name, project, *args, **params):
    return client.get(reverse(f"alignment:{name}", args=[project.slug, *args]), params)


def csv_rows(client, project, table, **params):
    answer = page(client, "agreement-csv", project, table, **params)
    assert answer["Content-Type"] == "text/csv; charset=utf-8"
    return list(csv.DictReader(io.StringIO(answer.content.decode())))


def test_a_reviewer_sees_each_page_and_an_annotator_finds_none(client, make_user, judged):
    client.force_login(make_user("rita", project=judged, role="reviewer"))
    assert [page(client, name, judged).status_code for name in PAGES] == [200] * len(PAGES)
    client.force_login(make_user("ada", project=judged, role="annotator"))
    assert [page(client, name, judged).status_code for name in PAGES] == [404] * len(PAGES)


def test_an_annotator_finds_no_data(client, make_user, judged):
    compute_report(project=judged, by=None)
    client.force_login(make_user("ada", project=judged, role="annotator"))
    assert page(client, "agreement-csv", judged, "pairs").status_code == 404


def test_csv_files_hold_the_reports_figures(reviewer, judged):
    body = AgreementReport.objects.get().body
    empty = set()
    for table, entries in TABLES.items():
        columns, rows = flat_rows(entries(body, "odd"))
        shown = csv_rows(reviewer, judged, table, slice="odd")
        expected = [["" if row.get(name) is None else str(row[name]) for name in columns] for row in rows]
        assert [list(row) for row in shown[:1]] == [columns for _row in rows[:1]]
        assert [list(row.values()) for row in shown] == expected
        empty |= set() if rows else {table}
    assert empty == {"leniency", "length-curve"}  # no levels were given, and all texts are equally long


def test_the_matrix_shows_what_its_file_holds(reviewer, judged):
    shown = page(reviewer, "agreement-matrix", judged, slice="odd", measure="gwet_ac1")
    cells = {
        (row["rater"]["name"], cell["column"]["name"]): cell["statistic"]
        for row in shown.context["matrix"]
        for cell in row["cells"]
        if cell["statistic"]
    }
    found = csv_rows(reviewer, judged, "pairs", slice="odd")
    assert len(found) == 10
    for row in found:
        statistic = cells[row["a"], row["b"]]
        assert statistic == cells[row["b"], row["a"]]
        for part in ("value", "low", "high", "n"):
            assert float(row[f"gwet_ac1_{part}"]) == pytest.approx(statistic[part], nan_ok=True)


def test_a_cell_leads_to_the_comparisons_of_its_two_raters(reviewer, judged):
    numbers = dict(Rater.objects.values_list("name", "pk"))
    text = page(reviewer, "agreement-matrix", judged, slice="odd").content.decode()
    address = reverse("alignment:disagreements", args=[judged.slug])
    expected = f"{address}?a={numbers['good']}&amp;b={numbers['ana']}&amp;slice=odd&amp;outcome=both"
    assert expected in text


def test_an_unknown_slice_is_all(reviewer, judged):
    assert page(reviewer, "agreement", judged, slice="nope").context["slice"] == "all"
    assert page(reviewer, "agreement-csv", judged, "nope").status_code == 404


def test_the_axis_has_each_judge_beside_its_ceiling(reviewer, judged):
    rows = page(reviewer, "agreement", judged, slice="odd").context["axis"]
    assert [row["judge"] for row in rows] == ["good", "partly"]
    good, partly = rows
    assert good["difference"]["high"] > 0 > partly["difference"]["high"]
    for row in rows:
        gap = row["judge_with_people"]["value"] - row["people"]["value"]
        assert gap == pytest.approx(row["difference"]["value"])


def test_each_person_is_tested_and_decided_with_all_slices(reviewer, judged):
    shown = page(reviewer, "agreement-tests", judged)
    good = next(judge for judge in shown.context["judges"] if judge["judge"] == "good")
    assert [test["person"] for test in good["people"]] == ["ana", "ben", "cy"]
    assert all(test["rejected"] and test["p"] < 0.05 for test in good["people"])
    text = shown.content.decode()
    assert "No more labels are needed." in text
    assert "more human labels until it" in text


def test_the_cheapest_labels_follow_the_address(reviewer, judged):
    narrow = page(reviewer, "agreement-models", judged, half_width="0.01").context["rates"]
    wide = page(reviewer, "agreement-models", judged, half_width="0.1").context["rates"]
    assert narrow[0]["mix"]["people"] > 50 * wide[0]["mix"]["people"]
    wrong = page(reviewer, "agreement-models", judged, half_width="-1")
    assert wrong.context["rates"][0]["mix"] is None
    assert "greater than or equal to" in wrong.content.decode()


def test_names_from_outside_are_only_ever_text(client, make_user, project):
    records = [
        pair(
            f"{index}",
            [said(HOSTILE, "first"), said("ben", "first"), said(f"{HOSTILE}j", "first", "judge")],
            (HOSTILE,),
        )
        for index in range(3)
    ]
    store_records(project=project, records=records, by=None)
    client.force_login(make_user("rita", project=project, role="reviewer"))
    for name in PAGES:
        text = page(client, name, project, slice=HOSTILE, outcome="both").content.decode()
        assert HOSTILE not in text
        assert "\N{LESS-THAN SIGN}script>alert" not in text


def test_a_report_of_an_earlier_version_is_still_shown(client, make_user, judged):
    report = compute_report(project=judged, by=None)
    body = {
        name: part for name, part in report.body.items() if name not in ("bias", "rankings", "reliability")
    }
    body = {name: part for name, part in body.items() if name not in ("win_rates", "drift")}
    for entry in body["judges"]:
        del entry["labels_needed"], entry["winning_rate_across"]
    AgreementReport.objects.create(project=judged, inputs_sha256="0" * 64, sha256="0" * 64, body=body)
    client.force_login(make_user("rita", project=judged, role="reviewer"))
    for name in PAGES:
        assert page(client, name, judged).status_code == 200
    for table in TABLES:
        assert page(client, "agreement-csv", judged, table).status_code == 200


def test_the_api_gives_the_whole_report(reviewer, judged):
    answer = reviewer.get(f"/api/v1/projects/{judged.slug}/agreement")
    assert answer.status_code == 200
    assert answer.json()["body"] == json.loads(json.dumps(AgreementReport.objects.get().body))
    assert {"bias", "rankings", "reliability", "win_rates", "drift"} <= set(answer.json()["body"])


def test_definitions_have_the_anchors_that_charts_lead_to(reviewer, judged):
    text = page(reviewer, "agreement-definitions", judged).content.decode()
    leads = [
        part.split('"', 1)[0]
        for name in PAGES
        for part in page(reviewer, name, judged).content.decode().split("/definitions/#")[1:]
    ]
    assert len(set(leads)) >= 6
    for anchor in set(leads):
        assert f'id="{anchor}"' in text
