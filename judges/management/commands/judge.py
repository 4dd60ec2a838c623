"""Asks a judge from the command line: estimates or starts a run, and carries it out here with ``--wait``."""

import time
from argparse import ArgumentParser
from decimal import Decimal, InvalidOperation
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from feedback.actions.jobs import perform_job
from feedback.errors import Refused
from feedback.models import JobState
from feedback.queries.projects import project_named, tag_named
from judges.actions.estimates import Estimate, estimate_run
from judges.actions.runs import carry_out_judge_run, start_judge_run
from judges.models import JudgeRun, RunMode
from judges.progress import run_progress
from judges.queries import judge_named, judge_summary

LONGEST_SLEEP = 5.0  # seconds, so that a batch that was cancelled elsewhere is noticed


class Command(BaseCommand):
    help = "Ask a judge about the comparisons of a project that it has not judged."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--project", required=True, help="the project's name or its slug")
        parser.add_argument("--judge", required=True, help="the judge's name; its newest version is asked")
        parser.add_argument("--tag", help="only the comparisons with this tag")
        parser.add_argument(
            "--mode",
            choices=RunMode.values,
            default=RunMode.LIVE,
            help="one by one, in batches for less, or only reading stored replies again",
        )
        parser.add_argument("--budget", type=_dollars, help="dollars that the run may spend at most")
        parser.add_argument(
            "--estimate", action="store_true", help="say what the run would take, and start none"
        )
        parser.add_argument(
            "--wait", action="store_true", help="do the work here instead of leaving it to a worker"
        )

    def handle(
        self,
        *,
        project: str,
        judge: str,
        tag: str | None,
        mode: str,
        budget: Decimal | None,
        estimate: bool,
        wait: bool,
        **options: Any,
    ) -> None:
        try:
            found = project_named(project)
            chosen: dict[str, Any] = {
                "judge": judge_named(found, judge),
                "tag": tag_named(found, tag),
                "mode": mode,
            }
            expected = estimate_run(**chosen)
            if estimate:
                self.stdout.write(_in_words(expected))
                return
            run = start_judge_run(**chosen, budget=budget, estimate=expected.as_json(), by=None)
        except Refused as refusal:
            raise CommandError(refusal.sentence) from None
        if wait:
            self._carry_out(run)
        else:
            self.stdout.write(f"Run {run.pk} of {run.judge} waits for a worker.")

    def _carry_out(self, run: JudgeRun) -> None:
        """Attempt after attempt, while the run waits for batches."""
        perform_job(run.job_id, carry_out_judge_run)
        run.job.refresh_from_db()
        while run.job.state == JobState.QUEUED:
            self._sleep(run)
            perform_job(run.job_id, carry_out_judge_run)
            run.job.refresh_from_db()
        self._tell_the_end(run)

    def _sleep(self, run: JudgeRun) -> None:
        if run.job.not_before is not None:
            wait = (run.job.not_before - timezone.now()).total_seconds()
            time.sleep(min(max(0.0, wait), LONGEST_SLEEP))

    def _tell_the_end(self, run: JudgeRun) -> None:
        if run.job.state == JobState.RUNNING:
            self.stdout.write(f"Run {run.pk} of {run.judge} is in the hands of a worker.")
        elif run.job.state != JobState.SUCCEEDED:
            raise CommandError(run.job.message)
        else:
            said = judge_summary(run.judge)
            self.stdout.write(
                f"{run.judge}: {said.asked} comparisons judged, {said.ranked} with a verdict, "
                f"{said.inconsistent} inconsistent, {said.refused} refused, {said.unparseable} unparseable."
            )
            self._tell_the_bill(run)

    def _tell_the_bill(self, run: JudgeRun) -> None:
        how = run_progress(JudgeRun.objects.select_related("judge", "job").get(pk=run.pk))
        told = f"{how.answered:,} replies for ${how.cost:.4f}, {how.reused:,} that were there before"
        if how.unpriced:
            told += f", {how.unpriced:,} at an unknown price"
        if how.unanswered:
            told += f", {how.unanswered:,} without a reply that may have been billed"
        self.stdout.write(f"{told}.")


def _in_words(estimate: Estimate) -> str:
    counted = "counted by the provider" if estimate.exact else "guessed from their length"
    replies = "at most" if estimate.bound else "about"
    cost = (
        f"${estimate.cost.value:.4f} (${estimate.cost.low:.4f} to ${estimate.cost.high:.4f})"
        if estimate.cost
        else f"unknown. {estimate.unknown}"
    )
    return (
        f"{estimate.comparisons:,} comparisons are left: {estimate.calls:,} calls to be paid for, {estimate.stored:,} "
        f"stored already. Prompts of {estimate.input_tokens.value:,.0f} tokens, {counted} in a sample of "
        f"{estimate.sampled:,}; replies of {replies} {estimate.output_tokens.value:,.0f}. Cost: {cost}"
    )


def _dollars(text: str) -> Decimal:
    try:
        return Decimal(text)
    except InvalidOperation:
        raise CommandError(f"--budget: {text!r} is no number of dollars.") from None
