"""``score``: a reward model rates the comparisons of its project."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from feedback.errors import Refused
from feedback.queries.projects import project_named, tag_named
from trainer.actions.scoring import start_scoring
from trainer.management.waiting import wait_for
from trainer.models import ModelKind, Scoring
from trainer.queries import model_named


class Command(BaseCommand):
    help = "Score the comparisons of a project with a reward model, as a rater of its name."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--project", required=True, help="The project's name.")
        parser.add_argument("--model", required=True, help="The name of the reward model.")
        parser.add_argument("--tag", help="Only the comparisons with this tag.")
        parser.add_argument("--margin", type=float, default=0.0, help="Scores this near are a tie (0).")
        parser.add_argument("--wait", action="store_true", help="Follow it to its end.")

    def handle(self, **options: Any) -> None:
        try:
            project = project_named(options["project"])
            scoring = start_scoring(
                model_version=model_named(project, options["model"], ModelKind.REWARD),
                tag=tag_named(project, options["tag"]),
                margin=options["margin"],
                by=None,
            )
        except Refused as refusal:
            raise CommandError(refusal.sentence) from refusal
        self.stdout.write(f"The scoring by {scoring.model_version} waits for a worker.")
        if options["wait"]:
            wait_for(scoring.job, lambda: _line(scoring), self.stdout.write)


def _line(scoring: Scoring) -> str:
    job = scoring.job
    return f"{job.message or 'It is ' + job.state + '.'} {job.done} of {job.total or '?'}"
