"""What the store holds leaves as one file: a snapshot's rows for a trainer, or the whole project as a backup.

A file is whole or not there. What its format has no place for is named in the summary.
"""

import tempfile
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from django.conf import settings
from django.utils.translation import gettext as _

from alignment.actions.backups import not_in_a_backup, project_rows
from alignment.actions.snapshots import frozen_lines, frozen_rows, snapshot_folder, verify_snapshot
from alignment.formats.dataset_folder import CARD, MANIFEST, SPLITS
from alignment.formats.openai_reinforcement import NAME as REINFORCEMENT
from alignment.formats.registry import FOLDER, PREFERENCE, WRITERS, Writer, with_grader
from alignment.formats.source import FormatError
from alignment.formats.target import (
    PARQUET,
    ZIP,
    Lines,
    add_file,
    add_json,
    add_lines,
    check_target,
    copy_file,
    lines_of,
    replacing_zip,
    write_beside,
    write_lines,
    write_rows,
)
from alignment.models import Snapshot
from feedback.actions.audit import record
from feedback.errors import Refused
from feedback.models import Project
from feedback.people import Person
from feedback.statements import reading_through
from judges.core.graders.export import openai_grader
from judges.core.graders.fields import BadGrader
from judges.queries import grader_documents

Rows = Iterable[Any]  # dictionaries, or the structs of our own format
REPORT = "report.json"


@dataclass(frozen=True)
class ExportSummary:
    """What an export wrote. ``left_out`` says, a clause each, what the file does not hold; ``beside`` names the files
    that were written beside it."""

    path: Path
    rows: int
    left_out: tuple[str, ...]
    beside: tuple[str, ...] = ()


def export(
    *,
    project: Project,
    format: str,
    path: Path,
    by: Person,
    snapshot: Snapshot | None = None,
    split: str = "train",
) -> ExportSummary:
    """Write the project, or one split of a snapshot (its newest one), to ``path`` in one of the WRITERS'
    formats, or the snapshot's whole folder.

    A path that ends in .zip holds the rows as JSON lines, what belongs beside them, and this summary. Refused: an
    unknown format, a path where no such file can be, no snapshot, a damaged one, a full disk.
    """
    _check(format, split)
    try:
        if format == FOLDER:
            check_target(path, endings=(ZIP,))
            return _export_folder(project, path, by, snapshot or _newest(project))
        writer = _writer(project, format)
        check_target(path, parquet=writer.schema is not None)
        if writer.source == "project":
            return _export_project(project, writer, path, by)
        return _export_snapshot(project, writer, path, by, snapshot or _newest(project), split)
    except FormatError as error:
        raise Refused(error.sentence, field="path") from error
    except OSError as error:
        raise Refused(
            _(
                "%(path)s can not be written (%(error)s): make room there and export again. Nothing was "
                "left behind."
            )
            % {"path": path, "error": error.strerror or error}
        ) from error


def export_to_send(
    *, snapshot: Snapshot, format: str, split: str, ending: str, by: Person
) -> tuple[BinaryIO, ExportSummary]:
    """An export as an open file, which goes when the last byte has been read. A folder is a .zip, whatever is asked."""
    project = snapshot.project
    ending = ZIP if format == FOLDER else ending
    with tempfile.TemporaryDirectory(dir=settings.VAR, prefix="export-") as folder:
        path = Path(folder) / f"{project.slug}-{snapshot.sha256[:12]}-{format}-{split}{ending}"
        summary = export(project=project, format=format, path=path, by=by, snapshot=snapshot, split=split)
        return path.open("rb"), summary


def hand_out_split(*, snapshot: Snapshot, split: str, by: Person) -> Path:
    """The file of one split for somebody to download, noted in the audit trail. Refused where it is gone."""
    file = snapshot_folder(snapshot) / f"{split}.parquet"
    if not file.is_file():
        raise Refused(
            _("The files of %(snapshot)s are gone; freeze its labels again.") % {"snapshot": snapshot}
        )
    record(by=by, verb="export", target=snapshot, project=snapshot.project, split=split)
    return file


def _check(format: str, split: str) -> None:
    if format not in (FOLDER, *WRITERS):
        raise Refused(
            _("%(format)r is no format that can be written; use one of %(choices)s.")
            % {"format": format, "choices": ", ".join((*WRITERS, FOLDER))},
            field="format",
        )
    if split not in SPLITS:
        raise Refused(
            _("%(split)r is no split; use one of %(choices)s.")
            % {"split": split, "choices": ", ".join(SPLITS)},
            field="split",
        )


def _writer(project: Project, format: str) -> Writer:
    """How rows are written; for reinforcement beside the project's newest grader that OpenAI takes, if it has one."""
    if format != REINFORCEMENT:
        return WRITERS[format]
    for document in grader_documents(project):
        try:
            return with_grader(openai_grader(document))
        except BadGrader:
            continue
    return WRITERS[format]


def _export_folder(project: Project, path: Path, by: Person, snapshot: Snapshot) -> ExportSummary:
    verify_snapshot(snapshot=snapshot)
    folder = snapshot_folder(snapshot)
    with replacing_zip(path) as archive:
        for name in (CARD, MANIFEST, *(f"{split}.parquet" for split in SPLITS)):
            add_file(archive, name, folder / name)
    record(by=by, verb="export", target=snapshot, project=project, format=FOLDER)
    return ExportSummary(path, snapshot.train_rows + snapshot.test_rows, ())


def _export_project(project: Project, writer: Writer, path: Path, by: Person) -> ExportSummary:
    with reading_through():
        summary = _convert(writer, project_rows(project), path, tuple(not_in_a_backup(project)))
    record(by=by, verb="export", target=project, project=project, rows=summary.rows)
    return summary


def _export_snapshot(
    project: Project, writer: Writer, path: Path, by: Person, snapshot: Snapshot, split: str
) -> ExportSummary:
    if writer is not WRITERS[PREFERENCE]:
        summary = _convert(writer, frozen_rows(snapshot=snapshot, split=split), path, writer.not_held)
    elif path.name.endswith(PARQUET):
        count = sum(number for _lines, number in frozen_lines(snapshot=snapshot, split=split))
        copy_file(snapshot_folder(snapshot) / f"{split}{PARQUET}", path)  # is what would be written
        summary = ExportSummary(path, count, writer.not_held)
    else:
        summary = _write(
            writer, frozen_lines(snapshot=snapshot, split=split), path, writer.not_held, Counter()
        )
    record(by=by, verb="export", target=snapshot, project=project, rows=summary.rows, split=split)
    return summary


def _convert(writer: Writer, rows: Rows, path: Path, not_held: tuple[str, ...]) -> ExportSummary:
    left_out: Counter[str] = Counter()
    converted = writer.convert(rows, left_out)
    if not path.name.endswith(PARQUET):
        return _write(writer, lines_of(converted), path, not_held, left_out)
    count = write_rows(path, map(writer.parquet_row, converted), writer.schema)
    return _summary(writer, path, count, not_held, left_out)


def _write(
    writer: Writer, lines: Lines, path: Path, not_held: tuple[str, ...], left_out: Counter[str]
) -> ExportSummary:
    if path.name.endswith(ZIP):
        return _write_zip(writer, lines, path, not_held, left_out)
    return _summary(writer, path, write_lines(path, lines), not_held, left_out)


def _summary(
    writer: Writer, path: Path, rows: int, not_held: tuple[str, ...], left_out: Counter[str]
) -> ExportSummary:
    """What was written to ``path``, once what belongs beside it is there."""
    beside = writer.beside(path.name)
    for name, value in beside.items():
        write_beside(path.with_name(name), value)
    return ExportSummary(path, rows, (*not_held, *_counted(left_out)), tuple(beside))


def _write_zip(
    writer: Writer, lines: Lines, path: Path, not_held: tuple[str, ...], left_out: Counter[str]
) -> ExportSummary:
    name = f"{path.name.removesuffix(ZIP)}.jsonl"
    beside = writer.beside(name)
    with replacing_zip(path) as archive:
        count = add_lines(archive, name, lines)
        for other, value in beside.items():
            add_json(archive, other, value)
        said = (*not_held, *_counted(left_out))
        add_json(archive, REPORT, {"rows": count, "does_not_hold": said})
    return ExportSummary(path, count, said, (*beside, REPORT))


def _counted(left_out: Counter[str]) -> tuple[str, ...]:
    return tuple(f"{number} {what}" for what, number in left_out.items() if number)


def _newest(project: Project) -> Snapshot:
    snapshot = project.snapshots.first()
    if snapshot is None:
        raise Refused(
            _("%(project)s has no snapshot yet: freeze its labels first.") % {"project": project.name},
            field="snapshot",
        )
    return snapshot
