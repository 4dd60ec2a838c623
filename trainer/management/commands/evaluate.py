"""``evaluate``: a model version against its base on held-out prompts, decided by trusted judges."""

import time
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from feedback.errors import Refused
from feedback.models import RESUMABLE, JobState, Project
from feedback.queries.projects import project_named, tag_named
from judges.queries import judge_named
from trainer.actions.evaluations import start_evaluation
from trainer.actions.measuring import finish_evaluation, judges_have_answered
from trainer.management.waiting import wait_for
from trainer.models import Evaluation
from trainer.queries import model_named, trusted_judges


class Command(BaseCommand):
    help = "Compare a model version with its base on the held-out prompts of the snapshot it was trained on."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--project", required=True, help="The project's name.")
        parser.add_argument("--model", required=True, help="The name of the model version.")
        parser.add_argument(
            "--base", help="The name of the model version to compare with (what it was trained from)."
        )
        parser.add_argument(
            "--judge",
            action="append",
            default=[],
            help="The judge who decides; several decide by majority (those trusted on all comparisons).",
        )
        parser.add_argument(
            "--reward-model",
            action="append",
            default=[],
            help="A reward model that scores; several may be given.",
        )
        parser.add_argument(
            "--people", type=int, default=0, help="Random pairs that people judge, blind (0)."
        )
        parser.add_argument(
            "--regression-tag", help="The tag whose prompts are added, and must not get worse."
        )
        parser.add_argument("--samples", type=int, default=1, help="Responses a prompt from each model (1).")
        parser.add_argument("--wait", action="store_true", help="Follow it to its end and show the result.")

    def handle(self, **options: Any) -> None:
        try:
            evaluation = _start(project_named(options["project"]), options)
        except Refused as refusal:
            raise CommandError(refusal.sentence) from refusal
        self.stdout.write(f"The evaluation of {evaluation} waits for a worker.")
        if options["wait"]:
            self._wait(evaluation)

    def _wait(self, evaluation: Evaluation) -> None:
        wait_for(evaluation.job, lambda: _line(evaluation), self.stdout.write)
        while not judges_have_answered(evaluation):
            _stop_at_a_failed_judge(evaluation)
            time.sleep(1)
        result = finish_evaluation(evaluation=evaluation, by=None).result or {}
        rate = result["win_rate"]
        if rate["value"] is None:
            raise CommandError(f"There is no win rate: {rate['reason']}.")
        between = "" if rate["low"] is None else f" ({rate['low']:.3f} to {rate['high']:.3f})"
        self.stdout.write(
            f"{evaluation}: wins {rate['value']:.3f}{between} of {rate['n']} pairs, ties half, as judged by "
            f"{result['judge']}; {result['coverage']['value']:.0%} of the pairs have a verdict."
        )
        if result["regression"]:
            tested = result["regression"]
            self.stdout.write(f"Regression set {tested['tag']}: {tested['verdict'].replace('_', ' ')}.")


def _start(project: Project, options: dict[str, Any]) -> Evaluation:
    version = model_named(project, options["model"])
    base = model_named(project, options["base"]) if options["base"] else version.base
    if base is None:
        raise Refused(f"{version.name} has no base here; name one with --base.", field="base")
    judges = [judge_named(project, name) for name in options["judge"]] or trusted_judges(project)
    return start_evaluation(
        model_version=version,
        base=base,
        judges=judges,
        reward_models=[model_named(project, name) for name in options["reward_model"]],
        people_pairs=options["people"],
        regression_tag=tag_named(project, options["regression_tag"]),
        samples=options["samples"],
        by=None,
    )


def _line(evaluation: Evaluation) -> str:
    job = evaluation.job
    if job.state == JobState.RUNNING and job.total:
        return f"{job.message} {job.done} of {job.total} batches."
    return job.message or f"The evaluation is {job.state}."


def _stop_at_a_failed_judge(evaluation: Evaluation) -> None:
    run = evaluation.judge_runs.filter(job__state__in=RESUMABLE).select_related("job").first()
    if run is not None:
        raise CommandError(f"{run.judge} did not finish: {run.job.message} Resume its run.")
