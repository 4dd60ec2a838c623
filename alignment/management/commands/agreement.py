"""``agreement``: how far a project's raters agree, from the judgments that are there now."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from alignment.actions.reports import compute_report
from alignment.policy.verdicts import ALL
from feedback.errors import Refused
from feedback.queries.projects import project_named

Json = Mapping[str, Any]


class Command(BaseCommand):
    help = "Measure the agreement between a project's raters."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--project", required=True, metavar="NAME")
        parser.add_argument("--json", action="store_true", help="The whole report as JSON.")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            report = compute_report(project=project_named(options["project"]), by=None)
        except Refused as refusal:
            raise CommandError(refusal.sentence) from refusal
        if options["json"]:
            self.stdout.write(json.dumps(report.body, indent=2, ensure_ascii=False))
        else:
            self.stdout.write("\n".join(_lines(report.body)))


def words(statistic: Json) -> str:
    """A statistic on one line: ``0.85 [0.81, 0.89] n 999``, or why there is none."""
    if statistic["value"] is None:
        return f"undefined: {statistic['reason']}"
    interval = "" if statistic["low"] is None else f" [{statistic['low']:.2f}, {statistic['high']:.2f}]"
    return f"{statistic['value']:.2f}{interval} n {statistic['n']}"


def _lines(body: Json) -> Iterator[str]:
    yield f"{body['judgments']} judgments of {body['comparisons']} comparisons, {body['prompts']} prompts"
    yield "\nRaters"
    for rater in body["raters"]:
        missing = "".join(f", {n} {outcome}" for outcome, n in rater["missing"].items())
        played = ", simulated" if rater["simulated"] else ""
        yield f"  {rater['name']:<30} {rater['kind']}{played}: {rater['ranked']} verdicts{missing}"
    counts = ", ".join(f"{n} {verdict}" for verdict, n in body["majority"].items())
    yield f"\nMajority of people: {counts}"
    for group, measured in body["groups"].items():
        yield f"Krippendorff's alpha, {group}: {words(measured['krippendorff_alpha'])}"
    yield "\nPairs of raters: agreement; Cohen's kappa; symmetric kappa"
    for pair in (pair for pair in body["pairs"] if pair["slice"] == ALL):
        measures = "; ".join(words(pair[name]) for name in ("agreement", "cohen_kappa", "symmetric_kappa"))
        yield f"  {pair['a']} and {pair['b']}: {measures}"
    yield "\nJudges against people: winning rate; advantage probability; agreement with the majority"
    for judge in body["judges"]:
        rate = judge["reason"] if judge["winning_rate"] is None else f"{judge['winning_rate']:.2f}"
        measures = "; ".join(words(judge[name]) for name in ("advantage_probability", "agreement"))
        yield f"  {judge['judge']} on {judge['slice']}: {rate}; {measures}"
    yield "\nEach person against the majority of the others"
    for person in body["ceiling"]:
        yield f"  {person['rater']} on {person['slice']}: {words(person['agreement'])}"
