"""A file that came through the browser: kept aside, looked at, and stored, at once or by a worker.

It lies in a folder of its own under var/imports, readable by nobody but the server, until its rows are stored. The
counts, the last line and the length of the file of rejects are written in the transaction of each batch, so that
work that was stopped goes on exactly where it was and every row is counted once.
"""

import json
import os
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict
from datetime import timedelta
from pathlib import Path
from typing import Any, BinaryIO, cast
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

from alignment.actions.format_rubrics import bring_rubric
from alignment.formats.mapping import Mapped, parse_mapping
from alignment.formats.registry import AUTO, Records, stream_records
from alignment.formats.rows import count_rows
from alignment.formats.source import FormatError, check_source, is_parquet, open_bytes
from alignment.formats.target import json_line
from alignment.models import FileImport
from feedback.actions.audit import record
from feedback.actions.import_reading import Prepared, read_ahead
from feedback.actions.imports import ImportSummary, store_records
from feedback.actions.jobs import Lease, queue_job
from feedback.errors import Refused
from feedback.models import UNFINISHED, Project
from feedback.people import Person
from feedback.records import Rejection

TASK = "alignment.tasks.perform_import"
AT_ONCE = 1 << 20  # bytes, unpacked: about a thousand rows, stored while one waits for the page
ABANDONED = timedelta(days=1)
_REPORT_EVERY = 3.0  # seconds; a lease lasts ten times as long
_COUNTS = ("comparisons_new", "comparisons_unchanged", "judgments_new", "judgments_unchanged")
_COLUMNS = ("comparisons_new", "comparisons_known", "judgments_new", "judgments_known")


def folder_of(project: Project, key: UUID) -> Path:
    """Where a file that was sent lies, with its rejects; made with its first file."""
    return Path(settings.VAR) / "imports" / str(project.pk) / key.hex


def data_file(file_import: FileImport) -> Path:
    """The file as it was sent. Refused where it is gone."""
    folder = folder_of(file_import.project, file_import.key)
    found = next(folder.glob("data*"), None)
    if found is None:
        raise Refused(_("The file is no longer here. Send it again."))
    return found


def rejects_file(file_import: FileImport) -> Path:
    return folder_of(file_import.project, file_import.key) / "rejects.jsonl"


def keep_upload(*, project: Project, key: UUID, name: str, size: int, by: Person) -> FileImport:
    """Note a file that lies in its folder now. Whatever was sent and left alone for a day is thrown away."""
    if not size:
        shutil.rmtree(folder_of(project, key), ignore_errors=True)
        raise Refused(_("The file is empty."), field="file")
    waiting = FileImport.objects.filter(project=project, job=None, finished_at=None)
    for old in waiting.filter(created_at__lt=timezone.now() - ABANDONED):
        discard_upload(file_import=old, by=None)
    with transaction.atomic():
        kept = FileImport.objects.create(project=project, key=key, name=name, size=size, created_by=by)
        record(by=by, verb="upload", target=kept, project=project, name=name, size=size)
    return kept


def discard_upload(*, file_import: FileImport, by: Person) -> None:
    """Throw away a file whose rows are not, or not all, stored; what is stored stays."""
    with transaction.atomic():
        locked = FileImport.objects.select_for_update(of=("self",)).select_related("job", "project")
        found = locked.get(pk=file_import.pk)
        if found.finished_at is not None:
            raise Refused(_("It is imported already; only its file of rejects is kept."))
        if found.job and found.job.state in UNFINISHED:
            raise Refused(_("A worker is importing it. Cancel that first."))
        record(by=by, verb="discard", target=found, project=found.project, name=found.name)
        found.delete()
    shutil.rmtree(folder_of(found.project, found.key), ignore_errors=True)


def store_upload(*, file_import: FileImport, mapping: dict[str, Any], by: Person) -> FileImport:
    """Import the file, read through ``mapping`` unless that is empty: at once if it is small, else by a worker.

    Refused: a file or a mapping that can not be used, a file that is being imported or was.
    """
    path = data_file(file_import)
    with told_by_name(file_import, path):
        parsed = parse_mapping(json.dumps(mapping)) if mapping else None
        name, _records = stream_records(path, AUTO, parsed)
    with transaction.atomic():
        found = FileImport.objects.select_for_update().get(pk=file_import.pk)
        if found.job_id or found.finished_at:
            raise Refused(_("It is being imported already, or was."))
        found.format, found.mapping = name, mapping
        small = _is_small(path)
        if not small:
            found.job = queue_job(project=found.project, task=TASK, queue="default", by=by)
        found.save()
        if small:
            _store(found, by, alive=lambda: None, progress=lambda _line: None)
    return found


def carry_out_import(lease: Lease) -> None:
    """The worker's part of ``store_upload``. Started again, it goes on from the last line that was stored."""
    found = FileImport.objects.select_related("project", "job__created_by").get(job_id=lease.job_id)
    if found.finished_at:
        return
    FileImport.objects.filter(pk=found.pk).update(resumed_at_line=found.line)
    found.refresh_from_db(fields=("resumed_at_line",))
    path = data_file(found)
    beat = _Beat(lease)
    lease.report(done=found.line, message=gettext_noop("Reading the file through."))
    with told_by_name(found, path):
        total = count_rows(path) if is_parquet(path) else check_source(path, beat)
    lease.report(total=max(1, total), message=gettext_noop("Storing the rows."))
    by = found.job.created_by if found.job else None
    _store(found, by, alive=beat, progress=lambda line: lease.report(done=min(line, total)))
    lease.report(done=total, message="")


@contextmanager
def told_by_name(file_import: FileImport, path: Path) -> Iterator[None]:
    """What is wrong with the file as a refusal that calls it by the name its sender gave it."""
    try:
        yield
    except FormatError as error:
        raise Refused(error.sentence.replace(str(path), file_import.name), field="file") from error


def _is_small(path: Path) -> bool:
    """Whether the file, unpacked, is stored within a moment."""
    if path.stat().st_size > AT_ONCE or is_parquet(path):
        return False
    with suppress(OSError, EOFError), open_bytes(path) as stream:
        return len(stream.read(AT_ONCE + 1)) <= AT_ONCE
    return True


def _store(
    found: FileImport, by: Person, *, alive: Callable[[], None], progress: Callable[[int], None]
) -> None:
    path = data_file(found)
    mapped = parse_mapping(json.dumps(found.mapping)) if found.mapping else None
    with told_by_name(found, path), _appending(found) as rejects:

        def note(line: int, summary: ImportSummary) -> None:
            rejects.note(max(line, rejects.line), summary)
            progress(line)

        try:
            name, records = _open(path, found, mapped)
            records = bring_rubric(project=found.project, format=name, records=records, by=by)
            summary = store_records(
                project=found.project,
                records=_after(read_ahead(project=found.project, records=records), found.line, alive),
                by=by,
                reject=rejects.add,
                progress=note,
            )
        except OSError as error:
            raise Refused(
                _("The import stopped: %(cause)s. Start it again to go on.")
                % {"cause": error.strerror or error}
            ) from error
        rejects.note(rejects.line, summary, finished_at=timezone.now())
    transaction.on_commit(path.unlink)


def _open(path: Path, found: FileImport, mapped: Mapped | None) -> tuple[str, Records]:
    return stream_records(path, AUTO if mapped else found.format or AUTO, mapped)


def _after(
    records: Iterator[Prepared | Rejection], line: int, alive: Callable[[], None]
) -> Iterator[Prepared | Rejection]:
    """What comes after ``line``, which was stored before; ``alive`` is called on the way."""
    for number, each in enumerate(records):
        if number % 1000 == 999:
            alive()
        if each.line > line:
            yield each


class _Rejects:
    """The file of rejections, written on from where the last stored batch left it, and the counts beside it."""

    def __init__(self, found: FileImport, file: BinaryIO) -> None:
        self._found = found
        self._file = file
        self._count = found.rejected
        self.line = found.line

    def add(self, rejection: Rejection) -> None:
        self._file.write(json_line(asdict(rejection)))
        self._count += 1
        self.line = max(self.line, rejection.line)

    def note(self, line: int, summary: ImportSummary, **more: Any) -> None:
        """Write down how far the work has come."""
        self._file.flush()
        counts = {
            column: getattr(self._found, column) + getattr(summary, name)
            for column, name in zip(_COLUMNS, _COUNTS, strict=True)
        }
        FileImport.objects.filter(pk=self._found.pk).update(
            line=max(line, self._found.line),
            rejected=self._count,
            rejects_bytes=self._file.tell(),
            **counts,
            **more,
        )


@contextmanager
def _appending(found: FileImport) -> Iterator[_Rejects]:
    path = rejects_file(found)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
    with os.fdopen(descriptor, "r+b") as file:
        file.truncate(found.rejects_bytes)
        file.seek(found.rejects_bytes)
        yield _Rejects(found, cast(BinaryIO, file))


class _Beat:
    """Renews the lease, and finds out about a cancellation, every few seconds however often it is called."""

    def __init__(self, lease: Lease) -> None:
        self._lease = lease
        self._last = time.monotonic()

    def __call__(self) -> None:
        if time.monotonic() - self._last >= _REPORT_EVERY:
            self._lease.report()
            self._last = time.monotonic()
