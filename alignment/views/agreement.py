"""How far raters agree, from the newest report: judges and people, every two raters, tests, biases, confidence, models,
drift. Every page takes ``slice``; every chart's data is a CSV file.
"""

from collections.abc import Callable, Mapping
from itertools import chain
from typing import Any

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_GET, require_POST

from alignment.actions.measures import MOST_IN_MATRIX
from alignment.actions.reports import compute_report, request_report
from alignment.agreement_tables import TABLES, entries, flat_rows
from alignment.models import Labelling
from alignment.policy.verdicts import ALL
from alignment.queries import newest_report, rater_names, report_job, settled_labelling
from alignment.views.agreement_mix import MixForm, with_mixes
from feedback.errors import Refused
from feedback.models import Project
from feedback.parameters import plain_text
from feedback.people import Person, logged_in
from feedback.permissions import Permission, project_for
from feedback.queries.judgments import current_judgments
from feedback.spreadsheets import csv_response

SMALL = 20_000  # judgments that are measured while one waits for the page
MOST_PAIRS = 200
MEASURES: dict[str, str | Promise] = {
    "symmetric_kappa": gettext_lazy("Symmetric kappa"),
    "agreement": gettext_lazy("Share of equal verdicts"),
    "cohen_kappa": gettext_lazy("Cohen's kappa"),
    "krippendorff_alpha": gettext_lazy("Krippendorff's alpha"),
    "gwet_ac1": gettext_lazy("Gwet's AC1"),
}
MAJORITY = {
    "first": (gettext_lazy("First is better"), gettext_lazy("majority of people, by canonical order")),
    "second": (gettext_lazy("Second is better"), gettext_lazy("majority of people, by canonical order")),
    "tie": (gettext_lazy("Tie"), gettext_lazy("majority of people")),
    "none": (gettext_lazy("No majority"), gettext_lazy("people are split")),
    "longer": (
        gettext_lazy("Longer rankings"),
        gettext_lazy("majority of people on three responses or more"),
    ),
}

Json = dict[str, Any]
Part = Callable[[HttpRequest, Project, Json, str], Json]


@require_GET
def agreement(request: HttpRequest, slug: str) -> HttpResponse:
    """Judges beside people; a small project's first report is made on the way."""
    return _tab(request, slug, "agreement", _judges_and_people)


@require_GET
def matrix(request: HttpRequest, slug: str) -> HttpResponse:
    """Every two raters; ``measure`` picks the statistic."""
    return _tab(request, slug, "agreement_matrix", _matrix)


@require_GET
def alternative_tests(request: HttpRequest, slug: str) -> HttpResponse:
    """The alternative annotator test, person by person."""
    return _tab(request, slug, "agreement_tests", _tests)


@require_GET
def bias(request: HttpRequest, slug: str) -> HttpResponse:
    """What sways judges besides the content."""
    return _tab(request, slug, "agreement_bias", _bias)


@require_GET
def confidence(request: HttpRequest, slug: str) -> HttpResponse:
    """Whether the judges' confidence keeps its word with people."""
    return _tab(request, slug, "agreement_confidence", _confidence)


@require_GET
def models(request: HttpRequest, slug: str) -> HttpResponse:
    """Models compared; ``half_width``, ``person_cost`` and ``judge_cost`` ask for the cheapest labels."""
    return _tab(request, slug, "agreement_models", _models)


@require_GET
def drift(request: HttpRequest, slug: str) -> HttpResponse:
    """Each judge's agreement with people by week."""
    return _tab(request, slug, "agreement_drift", _drift)


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
def table_csv(request: HttpRequest, slug: str, table: str) -> HttpResponse:
    """The data of one chart, one of TABLES, on one slice: what its page shows."""
    project = project_for(request.user, slug, Permission.REVIEW)
    report = newest_report(project)
    if report is None or table not in TABLES:
        raise Http404("There is no such table, or the agreement of this project has not been measured yet.")
    slice_name = _slice(request, report.body)
    columns, rows = flat_rows(entries(report.body, table, slice_name))
    cells = ([row.get(column) for column in columns] for row in rows)
    return csv_response(f"{project.slug}-{table}.csv", chain([columns], cells))


def _tab(request: HttpRequest, slug: str, name: str, part: Part) -> HttpResponse:
    """One page of the section; without a report, the same invitation to measure on each."""
    project = project_for(request.user, slug, Permission.REVIEW)
    judgments = current_judgments(project).count()
    report = newest_report(project)
    if report is None and 0 < judgments <= SMALL:
        report = compute_report(project=project, by=logged_in(request.user))
    context: Json = {
        "project": project,
        "tab": name,
        "judgments": judgments,
        "job": report_job(project),
        "report": report,
    }
    if report:
        body, slice_name = report.body, _slice(request, report.body)
        context |= {
            "body": body,
            "slice": slice_name,
            "slices": body["slices"],
            "raters_by_name": {rater["name"]: rater for rater in body["raters"]},
        }
        context |= part(request, project, body, slice_name)
    return render(request, f"alignment/{name}.html", context)


def _slice(request: HttpRequest, body: Json) -> str:
    wanted = plain_text(request, "slice")
    return wanted if wanted in body["slices"] else ALL


def _measure(project: Project, by: Person) -> str:
    if current_judgments(project).count() > SMALL:
        request_report(project=project, by=by)
        return _("A worker is measuring; this page shows the report when it is there.")
    before = newest_report(project)
    report = compute_report(project=project, by=by)
    return _("Nothing has changed since the last report.") if report == before else _("Measured anew.")


def _judges_and_people(_request: HttpRequest, project: Project, body: Json, slice_name: str) -> Json:
    raters = {rater["name"]: rater for rater in body["raters"]}
    labelling = settled_labelling(project)
    outcomes = sorted({outcome for rater in body["raters"] for outcome in rater["missing"]})
    return {
        "majority": [(MAJORITY[name][0], n, MAJORITY[name][1]) for name, n in body["majority"].items()],
        "outcomes": outcomes,
        "raters": [
            {**rater, "counts": [rater["missing"].get(o, 0) for o in outcomes]} for rater in body["raters"]
        ],
        "judges": _trust(body, labelling, raters),
        "labelling": labelling,
        "axis": _with_raters(entries(body, "ceiling", slice_name), raters, "judge"),
        "ceiling": _with_raters(entries(body, "people", slice_name), raters, "rater"),
    }


def _with_raters(found: list[Json], raters: Mapping[str, Json], name: str) -> list[Json]:
    """The entries with the rater whose name stands under ``name``."""
    return [{**entry, "rater": raters.get(entry[name])} for entry in found]


def _trust(body: Json, labelling: Labelling | None, raters: Mapping[str, Json]) -> list[Json]:
    """Each machine with its slices; what the newest labelling certified stands over the report's own test."""
    certificates = {(c["judge"], c["slice"]): c for c in labelling.certificates} if labelling else {}
    judges: dict[str, list[Json]] = {}
    for entry in body["judges"]:
        certificate = certificates.get((entry["judge"], entry["slice"]))
        judges.setdefault(entry["judge"], []).append({**entry, **(certificate or {"trusted": None})})
    return [{"rater": raters[name], "slices": slices} for name, slices in judges.items()]


def _matrix(request: HttpRequest, project: Project, body: Json, slice_name: str) -> Json:
    measure = request.GET.get("measure", "")
    measure = measure if measure in MEASURES else next(iter(MEASURES))
    raters = {rater["name"]: rater for rater in body["raters"]}
    numbers = {name: pk for pk, name in rater_names(project).items()}
    found = entries(body, "pairs", slice_name)
    shown = sorted(found, key=lambda pair: -pair["n"])[:MOST_PAIRS]
    return {
        "measure": measure,
        "measures": MEASURES,
        "matrix": _cells(body, found, measure, numbers),
        "pairs": [{**pair, "a": raters[pair["a"]], "b": raters[pair["b"]]} for pair in shown],
        "pairs_left_out": len(found) - len(shown),
        "raters_left_out": max(0, len(raters) - MOST_IN_MATRIX),
    }


def _cells(body: Json, pairs: list[Json], measure: str, numbers: Mapping[str, int]) -> list[Json]:
    """Rows of the raters with most verdicts: each row's cells, in the same order, None where they never met."""
    busiest = sorted(body["raters"], key=lambda rater: -rater["ranked"])[:MOST_IN_MATRIX]
    shown = [rater for rater in body["raters"] if rater in busiest]
    found = {frozenset((pair["a"], pair["b"])): pair.get(measure) for pair in pairs}

    def cell(row: Json, column: Json) -> Json:
        statistic = found.get(frozenset((row["name"], column["name"])))
        sides = numbers.get(row["name"]), numbers.get(column["name"])
        return {
            "statistic": statistic,
            "level": _level(statistic),
            "a": sides[0],
            "b": sides[1],
            "column": column,
        }

    return [{"rater": row, "cells": [cell(row, column) for column in shown]} for row in shown]


def _level(statistic: Mapping[str, Any] | None) -> int | None:
    """The step of the matrix's scale, 0 to 5 in fifths, for a value from 0 to 1."""
    if statistic is None or statistic["value"] is None:
        return None
    value = float(statistic["value"])
    return min(5, max(0, int(5 * value) + (value > 0)))


def _tests(_request: HttpRequest, _project: Project, body: Json, slice_name: str) -> Json:
    people: dict[str, list[Json]] = {}
    for test in entries(body, "tests", slice_name):
        people.setdefault(test["judge"], []).append(test)
    judges = entries(body, "judges", slice_name)
    reasons = {entry["judge"]: entry for entry in body["judges"] if entry["slice"] == slice_name}
    return {
        "judges": [
            {**judge, "people": people.get(judge["judge"], []), "missing": reasons[judge["judge"]]["missing"]}
            for judge in judges
        ]
    }


def _bias(_request: HttpRequest, _project: Project, body: Json, slice_name: str) -> Json:
    curves: dict[str, list[Json]] = {}
    for step in entries(body, "length-curve", slice_name):
        curves.setdefault(step["judge"], []).append(step)
    tables = {name: entries(body, name, slice_name) for name in ("position", "length", "family", "leniency")}
    return {**tables, "curves": curves, "lengths": _added_by_length(body, slice_name)}


def _added_by_length(body: Json, slice_name: str) -> list[Json]:
    """What a standard deviation of length adds, by rater: where the ranking of models could be fitted."""
    rankings = (entry for entry in body.get("rankings", []) if entry["slice"] == slice_name)
    return [
        {
            "rater": entry["rater"],
            "length": entry.get("length"),
            "n": entry["n"],
            "reason": entry.get("reason"),
        }
        for entry in rankings
    ]


def _confidence(_request: HttpRequest, _project: Project, body: Json, slice_name: str) -> Json:
    found = [entry for entry in body.get("reliability", []) if entry["slice"] == slice_name]
    return {"reliability": found[0] if found else None}


def _models(request: HttpRequest, project: Project, body: Json, slice_name: str) -> Json:
    rankings = [entry for entry in body.get("rankings", []) if entry["slice"] == slice_name]
    rates = entries(body, "win-rates", slice_name)
    form = MixForm.of(request, project)
    return {"rankings": rankings, "rates": with_mixes(rates, form), "form": form}


def _drift(_request: HttpRequest, _project: Project, body: Json, slice_name: str) -> Json:
    found = [entry for entry in body.get("drift", []) if entry["slice"] == slice_name]
    return {"drift": found}
