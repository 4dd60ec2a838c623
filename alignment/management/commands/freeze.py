"""``freeze``: the labels that a policy uses become a snapshot."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from alignment.actions.snapshots import freeze_snapshot, snapshot_folder
from alignment.health.balance import AS_IT_IS, BALANCES
from alignment.models import Policy
from alignment.queries import newest_labelling, policy_named
from feedback.errors import Refused
from feedback.models import Project
from feedback.queries.projects import project_named


class Command(BaseCommand):
    help = (
        "Freeze a policy's labels as a snapshot: train and test rows in Parquet, with a manifest and a card."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--project", required=True, help="The project's name.")
        parser.add_argument("--policy", help="The policy's name (by default the one applied last).")
        parser.add_argument(
            "--test-share", type=float, default=0.2, help="Share of the prompts held out (0.2)."
        )
        parser.add_argument(
            "--balance",
            default=AS_IT_IS,
            help=f"Tags of unequal size: one of {', '.join(BALANCES)} ({AS_IT_IS}).",
        )
        parser.add_argument("--seed", type=int, default=0, help="Which prompts are held out (0).")

    def handle(self, **options: Any) -> None:
        try:
            project = project_named(options["project"])
            snapshot = freeze_snapshot(
                project=project,
                policy=_policy(project, options["policy"]),
                by=None,
                test_share=options["test_share"],
                seed=options["seed"],
                balance=options["balance"],
            )
        except Refused as error:
            raise CommandError(error.sentence) from error
        rows = f"{snapshot.train_rows} train and {snapshot.test_rows} test rows"
        self.stdout.write(f"Snapshot {snapshot.sha256}: {rows} in {snapshot_folder(snapshot)}.")


def _policy(project: Project, name: str | None) -> Policy:
    if name:
        return policy_named(project, name)
    labelling = newest_labelling(project)
    if labelling is None:
        raise Refused(f"{project.name} has no labels yet: apply a policy first.")
    return labelling.policy
