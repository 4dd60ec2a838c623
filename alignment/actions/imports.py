"""A file enters the store: recognised, read as a stream, its rows stored in batches, what is broken set
apart.

A bad row is written with its line, field and reason to a file of rejects and stops nothing; strictly, the
first one stops everything, and nothing of the file is stored.
"""

from collections.abc import Callable
from contextlib import ExitStack, nullcontext
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import BinaryIO

from django.db import transaction
from django.utils.translation import gettext as _

from alignment.actions.format_rubrics import bring_rubric
from alignment.formats.mapping import Mapped
from alignment.formats.registry import AUTO, open_records
from alignment.formats.source import FormatError
from alignment.formats.target import json_line, replacing
from feedback.actions.import_reading import read_ahead
from feedback.actions.imports import ImportSummary, store_records
from feedback.errors import Refused
from feedback.models import Project
from feedback.people import Person
from feedback.records import Rejection

EXAMPLES = 5


@dataclass(frozen=True)
class ImportReport:
    """What became of a file. ``rejects`` is the file of all rejections, ``examples`` are the first few."""

    format: str
    stored: ImportSummary
    rejected: int
    examples: list[Rejection]
    rejects: Path | None


def import_file(
    *,
    project: Project,
    path: Path,
    by: Person,
    format: str = AUTO,
    mapping: Mapped | None = None,
    strict: bool = False,
    rejects_path: Path | None = None,
    progress: Callable[[int, ImportSummary], None] | None = None,
) -> ImportReport:
    """Store what the file holds. The same file again changes nothing.

    ``format`` is one of the READERS or "auto"; a ``mapping`` describes the columns of pairs. ``progress``
    is told the line reached and the counts. Refused: a file or format that can not be used, a file whose rows are all
    broken, and, if ``strict``, one with any broken row.
    """
    with ExitStack() as stack:
        rejects = _Rejects(stack, rejects_path, strict)
        try:
            name, records = open_records(path, format, mapping)
            with transaction.atomic() if strict else nullcontext():
                records = bring_rubric(project=project, format=name, records=records, by=by)
                stored = store_records(
                    project=project,
                    records=read_ahead(project=project, records=records),
                    by=by,
                    reject=rejects.add,
                    progress=progress,
                )
        except FormatError as error:
            raise Refused(error.sentence, field="file") from error
        except OSError as error:
            raise Refused(
                _("The import of %(path)s stopped: %(error)s. Import it again to go on.")
                % {"path": path, "error": error},
                field="file",
            ) from error
    _check_any(path, stored, rejects)
    return ImportReport(name, stored, rejects.count, rejects.examples, rejects.written)


def _check_any(path: Path, stored: ImportSummary, rejects: "_Rejects") -> None:
    if stored.comparisons_new or stored.comparisons_unchanged:
        return
    if not rejects.examples:
        raise Refused(_("%(path)s has no rows.") % {"path": path}, field="file")
    first = sentence(min(rejects.examples, key=lambda rejection: rejection.line))
    raise Refused(
        _("None of the %(count)s rows of %(path)s can be imported; the first: %(first)s")
        % {"count": rejects.count, "path": path, "first": first},
        field="file",
    )


def sentence(rejection: Rejection) -> str:
    """A rejection in words."""
    where = f"line {rejection.line}, {rejection.field}" if rejection.field else f"line {rejection.line}"
    return f"{where}: {rejection.reason}.".encode("utf-8", "backslashreplace").decode()


class _Rejects:
    """Counts rejections, keeps the first few, and writes all to a file that is made with the first."""

    def __init__(self, stack: ExitStack, path: Path | None, strict: bool) -> None:
        self.count = 0
        self.examples: list[Rejection] = []
        self._stack = stack
        self._path = path
        self._strict = strict
        self._file: BinaryIO | None = None

    @property
    def written(self) -> Path | None:
        return self._path if self._file else None

    def add(self, rejection: Rejection) -> None:
        if self._strict:
            raise Refused(
                _("Nothing was imported: %(sentence)s") % {"sentence": sentence(rejection)}, field="file"
            )
        self.count += 1
        if len(self.examples) < EXAMPLES:
            self.examples.append(rejection)
        if self._path:
            self._write(self._path, rejection)

    def _write(self, path: Path, rejection: Rejection) -> None:
        if self._file is None:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = self._stack.enter_context(replacing(path))
        self._file.write(json_line(asdict(rejection)))
