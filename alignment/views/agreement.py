"""How far raters agree: every two of them, judges against people on each slice, people against each other."""

import csv
from collections.abc import Mapping
from typing import Any

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_GET, require_POST

from alignment.actions.reports import compute_report, request_report
from alignment.models import AgreementReport, Labelling
from alignment.policy.verdicts import ALL
from alignment.queries import newest_report, report_job, settled_labelling
from feedback.errors import Refused
from feedback.models import Project
from feedback.people import Person, logged_in
from feedback.permissions import Permission, project_for
from feedback.queries.judgments import current_judgments
from feedback.spreadsheets import inert

SMALL = 20_000  # judgments that are measured while one waits for the page
MOST_IN_MATRIX = 16  # raters
MOST_PAIRS = 200
MEASURES = {
    "symmetric_kappa": "Symmetric kappa",
    "cohen_kappa": "Cohen's kappa",
    "agreement": "Share of equal verdicts",
}
MAJORITY = {
    "first": ("First is better", "majority of people, by canonical order"),
    "second": ("Second is better", "majority of people, by canonical order"),
    "tie": ("Tie", "majority of people"),
    "none": ("No majority", "people are split"),
    "longer": ("Longer rankings", "majority of people on three responses or more"),
}

Json = dict[str, Any]


@require_GET
def agreement(request: HttpRequest, slug: str) -> HttpResponse:
    """The newest report; a small project's first one is made on the way. ``measure`` picks the matrix's figures."""
    project = project_for(request.user, slug, Permission.REVIEW)
    judgments = current_judgments(project).count()
    report = newest_report(project)
    if report is None and 0 < judgments <= SMALL:
        report = compute_report(project=project, by=logged_in(request.user))
    measure = request.GET.get("measure", "")
    context: Json = {"project": project, "judgments": judgments, "job": report_job(project), "report": report}
    if report:
        context |= _page(
            report, settled_labelling(project), measure if measure in MEASURES else "symmetric_kappa"
        )
    return render(request, "alignment/agreement.html", context)


@require_POST
def measure_again(request: HttpRequest, slug: str) -> HttpResponse:
    """Measure again: at once where there is little to measure, else by a worker."""
    project = project_for(request.user, slug, Permission.REVIEW)
    try:
        messages.success(request, _measure(project, logged_in(request.user)))
    except Refused as refusal:
        messages.error(request, refusal.sentence)
    return redirect("alignment:agreement", project.slug)


@require_GET
def pairs_csv(request: HttpRequest, slug: str) -> HttpResponse:
    """Every pair of raters in the newest report, one a line."""
    project = project_for(request.user, slug, Permission.REVIEW)
    report = newest_report(project)
    if report is None:
        raise Http404("The agreement of this project has not been measured yet.")
    response = HttpResponse(content_type="text/csv; charset=utf-8")
    response["Content-Disposition"] = f'attachment; filename="{project.slug}-agreement.csv"'
    writer = csv.writer(response)
    parts = ("value", "low", "high", "n")
    writer.writerow(["a", "b", "slice", *(f"{name}_{part}" for name in MEASURES for part in parts)])
    for pair in report.body["pairs"]:
        figures = (pair[name].get(part) for name in MEASURES for part in parts)
        writer.writerow([inert(pair["a"]), inert(pair["b"]), pair["slice"], *figures])
    return response


def _measure(project: Project, by: Person) -> str:
    if current_judgments(project).count() > SMALL:
        request_report(project=project, by=by)
        return "A worker is measuring; this page shows the report when it is there."
    before = newest_report(project)
    report = compute_report(project=project, by=by)
    return "Nothing has changed since the last report." if report == before else "Measured anew."


def _page(report: AgreementReport, labelling: Labelling | None, measure: str) -> Json:
    body = report.body
    raters = {rater["name"]: rater for rater in body["raters"]}
    outcomes = sorted({outcome for rater in body["raters"] for outcome in rater["missing"]})
    largest = sorted(body["pairs"], key=lambda pair: -pair["n"])[:MOST_PAIRS]
    return {
        "body": body,
        "measure": measure,
        "measures": MEASURES,
        "majority": [(MAJORITY[name][0], n, MAJORITY[name][1]) for name, n in body["majority"].items()],
        "outcomes": outcomes,
        "raters": [
            {**rater, "counts": [rater["missing"].get(o, 0) for o in outcomes]} for rater in body["raters"]
        ],
        "matrix": _matrix(body, measure),
        "pairs": [{**pair, "a": raters[pair["a"]], "b": raters[pair["b"]]} for pair in largest],
        "pairs_left_out": len(body["pairs"]) - len(largest),
        "judges": _judges(body, labelling, raters),
        "labelling": labelling,
        "ceiling": [
            {**entry, "rater": raters[entry["rater"]]} for entry in body["ceiling"] if entry["slice"] == ALL
        ],
    }


def _matrix(body: Json, measure: str) -> list[Json]:
    """Rows of the raters with most verdicts: each row's cells, in the same order, None where they never met."""
    busiest = sorted(body["raters"], key=lambda rater: -rater["ranked"])[:MOST_IN_MATRIX]
    shown = [rater for rater in body["raters"] if rater in busiest]
    found = {frozenset((pair["a"], pair["b"])): pair[measure] for pair in body["pairs"]}
    rows = []
    for row in shown:
        pairs = (found.get(frozenset((row["name"], column["name"]))) for column in shown)
        cells = [{"statistic": statistic, "level": _level(statistic)} for statistic in pairs]
        rows.append({"rater": row, "cells": cells})
    return rows


def _level(statistic: Mapping[str, Any] | None) -> int | None:
    """The step of the matrix's scale, 0 to 5 in fifths, for a value from 0 to 1."""
    if statistic is None or statistic["value"] is None:
        return None
    value = float(statistic["value"])
    return min(5, max(0, int(5 * value) + (value > 0)))


def _judges(body: Json, labelling: Labelling | None, raters: Mapping[str, Json]) -> list[Json]:
    """Each machine with its slices; what the newest labelling certified stands over the report's own test."""
    certificates = {(c["judge"], c["slice"]): c for c in labelling.certificates} if labelling else {}
    judges: dict[str, list[Json]] = {}
    for entry in body["judges"]:
        certificate = certificates.get((entry["judge"], entry["slice"]))
        judges.setdefault(entry["judge"], []).append({**entry, **(certificate or {"trusted": None})})
    return [{"rater": raters[name], "slices": slices} for name, slices in judges.items()]
