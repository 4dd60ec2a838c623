"""Asks a judge from the command line: starts a run, and carries it out here with ``--wait``."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from feedback.actions.jobs import perform_job
from feedback.errors import Refused
from feedback.models import JobState, Project, Tag
from feedback.queries.projects import project_named
from judges.actions.runs import carry_out_judge_run, start_judge_run
from judges.models import JudgeRun
from judges.queries import judge_named, judge_summary


class Command(BaseCommand):
    help = "Ask a judge about the comparisons of a project that it has not judged."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--project", required=True, help="the project's name or its slug")
        parser.add_argument("--judge", required=True, help="the judge's name; its newest version is asked")
        parser.add_argument("--tag", help="only the comparisons with this tag")
        parser.add_argument(
            "--wait", action="store_true", help="do the work here instead of leaving it to a worker"
        )

    def handle(self, *, project: str, judge: str, tag: str | None, wait: bool, **options: Any) -> None:
        try:
            found = project_named(project)
            run = start_judge_run(judge=judge_named(found, judge), tag=_tag(found, tag), by=None)
        except Refused as refusal:
            raise CommandError(refusal.sentence) from None
        if not wait:
            self.stdout.write(f"Run {run.pk} of {run.judge} waits for a worker.")
            return
        perform_job(run.job_id, carry_out_judge_run)
        self._tell_the_end(run)

    def _tell_the_end(self, run: JudgeRun) -> None:
        run.job.refresh_from_db()
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


def _tag(project: Project, name: str | None) -> Tag | None:
    if name is None:
        return None
    found = project.tags.filter(name=name).first()
    if found is None:
        known = ", ".join(project.tags.values_list("name", flat=True)) or "none yet"
        raise Refused(f"{project} has no tag {name!r}; it has: {known}.")
    return found
