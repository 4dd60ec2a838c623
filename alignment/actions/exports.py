"""What the store holds leaves as one file: a snapshot's rows for a trainer, or the whole project as a backup.

A file is whole or not there. What its format has no place for is named in the summary.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from django.db.models import Prefetch, QuerySet
from django.utils.translation import gettext as _

from alignment.actions.snapshots import snapshot_folder, verify_snapshot
from alignment.formats.concord import row_from
from alignment.formats.dataset_folder import SPLITS, read_split
from alignment.formats.registry import WRITERS, Writer
from alignment.formats.source import FormatError
from alignment.formats.target import check_target, write_rows
from alignment.models import Snapshot
from feedback.actions.audit import record
from feedback.errors import Refused
from feedback.models import Comparison, Flag, Judgment, Project, Purpose, Score, Slot
from feedback.people import Person
from feedback.records import ComparisonRecord, GoldRecord, JudgmentRecord, ResponseRecord, SpanRecord

_PAGE = 100  # comparisons


@dataclass(frozen=True)
class ExportSummary:
    """What an export wrote. ``left_out`` says, a clause each, what the file does not hold."""

    path: Path
    rows: int
    left_out: tuple[str, ...]


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
    formats.

    Refused: an unknown format, a path where no such file can be, no snapshot, a damaged one, a full disk.
    """
    writer = WRITERS.get(format)
    if writer is None:
        raise Refused(
            _("%(format)r is no format that can be written; use one of %(choices)s.")
            % {"format": format, "choices": ", ".join(WRITERS)},
            field="format",
        )
    if split not in SPLITS:
        raise Refused(
            _("%(split)r is no split; use one of %(choices)s.")
            % {"split": split, "choices": ", ".join(SPLITS)},
            field="split",
        )
    try:
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


def hand_out_split(*, snapshot: Snapshot, split: str, by: Person) -> Path:
    """The file of one split for somebody to download, noted in the audit trail. Refused where it is gone."""
    file = snapshot_folder(snapshot) / f"{split}.parquet"
    if not file.is_file():
        raise Refused(
            _("The files of %(snapshot)s are gone; freeze its labels again.") % {"snapshot": snapshot}
        )
    record(by=by, verb="export", target=snapshot, project=snapshot.project, split=split)
    return file


def project_records(project: Project) -> Iterator[ComparisonRecord]:
    """Every comparison but the repeats, with its current judgments, page by page: no long query, constant memory."""
    after = 0
    while page := list(_whole(project).filter(pk__gt=after)[:_PAGE]):
        after = page[-1].pk
        for comparison in page:
            yield _record(comparison)


def _export_project(project: Project, writer: Writer, path: Path, by: Person) -> ExportSummary:
    count = _write(writer, map(row_from, project_records(project)), path, Counter())
    record(by=by, verb="export", target=project, project=project, rows=count)
    return ExportSummary(path, count, tuple(_not_in_a_backup(project)))


def _export_snapshot(
    project: Project, writer: Writer, path: Path, by: Person, snapshot: Snapshot, split: str
) -> ExportSummary:
    verify_snapshot(snapshot=snapshot)
    left_out: Counter[str] = Counter()
    count = _write(writer, read_split(snapshot_folder(snapshot), split), path, left_out)
    record(by=by, verb="export", target=snapshot, project=project, rows=count, split=split)
    counted = tuple(f"{number} {what}" for what, number in left_out.items())
    return ExportSummary(path, count, (*writer.not_held, *counted))


def _write(writer: Writer, rows: Iterable[dict[str, object]], path: Path, left_out: Counter[str]) -> int:
    converted = writer.convert(rows, left_out)
    if path.name.endswith(".parquet"):
        return write_rows(path, map(writer.parquet_row, converted), writer.schema)
    return write_rows(path, converted)


def _newest(project: Project) -> Snapshot:
    snapshot = project.snapshots.first()
    if snapshot is None:
        raise Refused(
            _("%(project)s has no snapshot yet: freeze its labels first.") % {"project": project.name},
            field="snapshot",
        )
    return snapshot


def _not_in_a_backup(project: Project) -> Iterator[str]:
    superseded = Judgment.objects.filter(rater__project=project, current=False).count()
    if superseded:
        yield f"{superseded} judgments that later ones superseded"
    repeated = Judgment.objects.filter(
        rater__project=project, current=True, comparison__purpose=Purpose.REPEAT
    ).count()
    if repeated:
        yield f"{repeated} answers to repeated items, which compare people with themselves"
    settled = Flag.objects.filter(
        judgment__rater__project=project, judgment__current=True, settled_at__isnull=False
    ).count()
    if settled:
        yield f"{settled} flags that reviewers have settled"
    if project.rubrics.exists():
        yield "the rubric: scores need one with the same criteria where they are imported"


def _whole(project: Project) -> QuerySet[Comparison]:
    judgments = Judgment.objects.filter(current=True).select_related("rater").order_by("pk")
    scores = Score.objects.select_related("criterion").order_by("position", "criterion__position")
    flags = Prefetch("flags", Flag.objects.filter(settled_at=None).order_by("pk"))
    return (
        Comparison.objects.filter(project=project)
        .exclude(purpose=Purpose.REPEAT)
        .order_by("pk")
        .select_related("prompt", "gold_answer")
        .prefetch_related(
            "tags",
            Prefetch("slots", Slot.objects.select_related("response").order_by("position")),
            Prefetch("judgments", judgments.prefetch_related(Prefetch("scores", scores), "spans", flags)),
        )
    )


def _record(comparison: Comparison) -> ComparisonRecord:
    slots = list(comparison.slots.all())
    keys = [slot.key for slot in slots]
    known = getattr(comparison, "gold_answer", None)
    return ComparisonRecord(
        key=comparison.external_id,
        prompt=comparison.prompt.messages,
        responses=[ResponseRecord(slot.key, slot.response.source, slot.response.text) for slot in slots],
        tags=[tag.name for tag in comparison.tags.all()],
        reference=comparison.prompt.reference,
        metadata=comparison.metadata,
        purpose=Purpose.TRAIN if known else comparison.purpose,
        gold=GoldRecord(dict(zip(keys, known.ranking, strict=True)), comparison.purpose, known.explanation)
        if known
        else None,
        judgments=[_judgment(judgment, keys) for judgment in comparison.judgments.all()],
    )


def _judgment(judgment: Judgment, keys: list[str]) -> JudgmentRecord:
    scores: dict[str, dict[str, int]] = {}
    for score in judgment.scores.all():
        scores.setdefault(keys[score.position], {})[score.criterion.name] = score.value
    return JudgmentRecord(
        rater=judgment.rater.name,
        kind=judgment.rater.kind,
        outcome=judgment.outcome,
        ranking=dict(zip(keys, judgment.ranking, strict=False)),
        strength=judgment.strength,
        shown=[keys[position] for position in judgment.shown],
        scores=scores,
        rationale=judgment.rationale,
        all_bad=judgment.all_bad,
        spans=[
            SpanRecord(keys[span.position], span.start, span.end, span.comment)
            for span in judgment.spans.all()
        ],
        flags=[flag.kind for flag in judgment.flags.all()],
        seconds=judgment.seconds,
        at=judgment.at,
        simulated=judgment.rater.simulated,
        adjudicates=judgment.adjudicates,
    )
