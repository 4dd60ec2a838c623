"""``export``: rows for a trainer, or the project as a backup."""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from alignment.actions.exports import export
from alignment.formats.dataset_folder import SPLITS
from alignment.formats.registry import FOLDER, WRITERS
from alignment.queries import snapshot_named
from feedback.errors import Refused
from feedback.queries.projects import project_named


class Command(BaseCommand):
    help = "Export a snapshot's rows, or with the format concord the whole project, to one file."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--project", required=True, help="The project's name.")
        parser.add_argument("--format", required=True, help=f"One of {', '.join((*WRITERS, FOLDER))}.")
        parser.add_argument(
            "--output",
            required=True,
            type=Path,
            metavar="FILE",
            help="FILE.jsonl, .jsonl.gz, .jsonl.zst, .parquet, or .zip with what belongs beside the rows",
        )
        parser.add_argument(
            "--snapshot", metavar="SHA", help="The beginning of its hash (by default the newest)."
        )
        parser.add_argument("--split", default="train", help=f"One of {', '.join(SPLITS)} (train).")

    def handle(self, **options: Any) -> None:
        sha256 = options["snapshot"]
        try:
            project = project_named(options["project"])
            summary = export(
                project=project,
                format=options["format"],
                path=options["output"],
                by=None,
                snapshot=snapshot_named(project, sha256) if sha256 else None,
                split=options["split"],
            )
        except Refused as error:
            raise CommandError(error.sentence) from error
        self.stdout.write(f"Wrote {summary.rows} rows to {summary.path}.")
        if summary.beside:
            self.stdout.write(f"With it came {', '.join(summary.beside)}.")
        if summary.left_out:
            self.stdout.write(f"The file does not hold: {', '.join(summary.left_out)}.")
