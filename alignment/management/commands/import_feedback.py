"""``import_feedback``: a file of comparisons and judgments enters the store."""

import sys
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from alignment.actions.imports import ImportReport, import_file, sentence
from alignment.formats.mapping import Mapped, parse_mapping
from alignment.formats.registry import AUTO, PAIRS, READERS
from alignment.formats.source import FormatError
from feedback.actions.imports import ImportSummary
from feedback.actions.projects import create_project
from feedback.errors import Refused
from feedback.models import Project
from feedback.queries.projects import project_named


class Command(BaseCommand):
    help = "Import comparisons and judgments from a file: JSON lines, CSV or Parquet, also gzip or zstd."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", type=Path)
        parser.add_argument("--project", required=True, help="Its name; it is made if it is not there yet.")
        parser.add_argument("--format", default=AUTO, help=f"One of {', '.join((AUTO, *READERS, PAIRS))}.")
        parser.add_argument(
            "--mapping",
            metavar="FILE",
            help="Which column is what, as JSON, or a file of it.",
        )
        parser.add_argument("--strict", action="store_true", help="Import nothing if any row is broken.")
        parser.add_argument(
            "--rejects",
            type=Path,
            metavar="FILE",
            help="Where broken rows are noted (by default in var/rejects).",
        )

    def handle(self, **options: Any) -> None:
        try:
            mapping = _mapping(options["mapping"])
            project, created = self._project(options["project"])
            try:
                report = self._import(project, mapping, options)
            finally:
                if created and not project.comparisons.exists():
                    project.delete()
        except FormatError as error:
            raise CommandError(error.sentence) from error
        except Refused as error:
            raise CommandError(error.sentence) from error
        if created:
            self.stdout.write(f"Made the project {project.name}.")
        self._tell(options["file"], project, report)

    def _import(self, project: Project, mapping: Mapped | None, options: dict[str, Any]) -> ImportReport:
        path = options["file"]
        return import_file(
            project=project,
            path=path,
            by=None,
            format=options["format"],
            mapping=mapping,
            strict=options["strict"],
            rejects_path=options["rejects"] or settings.VAR / "rejects" / f"{project.slug}-{path.name}.jsonl",
            progress=self._progress if sys.stderr.isatty() else None,
        )

    def _project(self, name: str) -> tuple[Project, bool]:
        """The project, and whether it was made just now."""
        try:
            return project_named(name), False
        except Refused:
            return create_project(name=name, by=None), True

    def _progress(self, line: int, _: ImportSummary) -> None:
        self.stderr.write(f"\rline {line}", ending="")

    def _tell(self, path: Path, project: Project, report: ImportReport) -> None:
        stored = report.stored
        there = f"{stored.comparisons_unchanged} comparisons and {stored.judgments_unchanged} judgments"
        if stored.changed:
            new = f"{stored.comparisons_new} comparisons and {stored.judgments_new} judgments"
            already = f"; {there} were there already" if stored.comparisons_unchanged else ""
            self.stdout.write(f"Imported {new} from {path} ({report.format}) into {project.name}{already}.")
        else:
            self.stdout.write(f"Nothing new: the {there} of {path} are already in {project.name}.")
        if report.rejected:
            self.stdout.write(f"Rejected {report.rejected}, each with its reason in {report.rejects}:")
            for rejection in report.examples:
                self.stdout.write(f"  {sentence(rejection)}")


def _mapping(given: str | None) -> Mapped | None:
    if given is None or given.lstrip().startswith("{"):
        return parse_mapping(given) if given else None
    try:
        return parse_mapping(Path(given).read_text(encoding="utf-8-sig"))
    except (OSError, UnicodeDecodeError) as error:
        raise CommandError(f"The mapping {given} can not be read ({error}); check its name.") from error
