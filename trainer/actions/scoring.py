"""Scoring: a reward model trained here is a rater. The runner scores each response; the scores become verdicts.

The job writes what is left to score, has the runner score it on the gpu queue, and stores a verdict a comparison:
the higher score wins, scores within the margin are a tie. A response too long for the model has no score, and its
comparison no verdict.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any
from uuid import UUID, uuid5

import pyarrow as pa
import pyarrow.parquet as pq
from django.db import transaction
from django.db.models import Exists, OuterRef, QuerySet
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

from feedback.actions.audit import record
from feedback.actions.jobs import Lease, cancel_job, queue_job, resume_job
from feedback.actions.judgments import MachineVerdict, store_verdicts
from feedback.errors import Refused
from feedback.models import UNFINISHED, Comparison, Judgment, Purpose, Rater, RaterKind, Tag
from feedback.people import Person
from trainer.actions.inference import ROWS, score, verdict_of
from trainer.actions.model_versions import check_model_folder
from trainer.folders import model_folder, scoring_folder
from trainer.models import ModelKind, ModelVersion, Scoring

BATCH = 100  # comparisons a transaction: people at work on SQLite wait for one batch at most
WRITTEN = 1000  # comparisons in memory while the rows are written
LARGEST_MARGIN = 1e6
SUBMISSIONS = UUID("6b1c7f62-3a0e-5b7d-9c55-1f2d8f0c4e11")  # namespace of the ids made for scores


def start_scoring(
    *, model_version: ModelVersion, by: Person, tag: Tag | None = None, margin: float = 0.0
) -> Scoring:
    """Queue a pass of a reward model over the project's comparisons, those of one tag or all.

    Comparisons that it has scored are left out. Refused: no reward model, nothing to score, or a pass of this
    model that is under way.
    """
    if model_version.kind != ModelKind.REWARD:
        raise Refused(
            _("%(name)s is no reward model, so it gives no scores.") % {"name": model_version.name},
            field="model",
        )
    if not 0 <= margin <= LARGEST_MARGIN:
        raise Refused(_("The tie margin must be a number of at least 0."), field="margin")
    check_model_folder(model_version.project, model_folder(model_version))
    project = model_version.project
    with transaction.atomic():
        ModelVersion.objects.select_for_update().get(pk=model_version.pk)
        _refuse_a_second(model_version)
        scoring = Scoring(
            model_version=model_version, rater=_rater(model_version), tag=tag, margin=margin, created_by=by
        )
        if not comparisons_to_score(scoring).exists():
            raise Refused(_("There is no comparison left that this model has not scored."), field="tag")
        scoring.job = queue_job(project=project, task="trainer.tasks.perform_scoring", queue="gpu", by=by)
        scoring.save()
        record(by=by, verb="start scoring", target=scoring, project=project, model=model_version.name)
    return scoring


def cancel_scoring(*, scoring: Scoring, by: Person) -> None:
    """Ask it to stop; the verdicts that it has stored stay."""
    cancel_job(job=scoring.job, by=by)


def resume_scoring(*, scoring: Scoring, by: Person) -> None:
    """Go on where it stopped. Refused while another pass of the model is under way."""
    with transaction.atomic():
        ModelVersion.objects.select_for_update().get(pk=scoring.model_version_id)
        _refuse_a_second(scoring.model_version)
        resume_job(job=scoring.job, by=by)


def carry_out_scoring(lease: Lease) -> None:
    """Write the rows, score them, store the verdicts; started again it goes on from what is there."""
    found = Scoring.objects.select_related("model_version__project", "rater")
    scoring = found.get(job_id=lease.job_id)
    folder = scoring_folder(scoring)
    _write_rows(scoring, folder, lease)
    scores = score(scoring.model_version, folder, lease)
    lease.report(message=gettext_noop("Storing the verdicts."))
    _store(scoring, folder / "rows.parquet", scores, lease)


def comparisons_to_score(scoring: Scoring) -> QuerySet[Comparison]:
    """Those of its tag that its rater has no current judgment on, in a fixed order."""
    project = scoring.model_version.project_id
    chosen = Comparison.objects.filter(project=project, purpose=Purpose.TRAIN, retired_at=None)
    if scoring.tag_id:
        chosen = chosen.filter(tags=scoring.tag_id)
    scored = Judgment.objects.filter(comparison=OuterRef("pk"), rater=scoring.rater_id, current=True)
    return chosen.filter(~Exists(scored)).order_by("pk")


def _rater(version: ModelVersion) -> Rater:
    rater, _ = Rater.objects.get_or_create(
        project=version.project, kind=RaterKind.REWARD_MODEL, name=version.name
    )
    return rater


def _refuse_a_second(version: ModelVersion) -> None:
    other = version.scorings.filter(job__state__in=UNFINISHED).first()
    if other is not None:
        raise Refused(
            _("%(name)s is scoring already; wait for its end, or cancel it first.") % {"name": version.name}
        )


def _write_rows(scoring: Scoring, folder: Path, lease: Lease) -> None:
    """One row a response, once: a resumed runner goes on in the file that it began with."""
    path, part = folder / "rows.parquet", folder / "rows.part"
    if path.is_file():
        return
    folder.mkdir(parents=True, exist_ok=True)
    with pq.ParquetWriter(part, ROWS) as writer:
        for batch in _batches(comparisons_to_score(scoring)):
            lease.report(message=gettext_noop("Writing the rows."))
            writer.write_table(pa.Table.from_pylist(_rows(batch), schema=ROWS))
    part.replace(path)


def _batches(comparisons: QuerySet[Comparison]) -> Iterator[list[Comparison]]:
    chosen = comparisons.select_related("prompt").prefetch_related("slots__response")
    last = 0
    while batch := list(chosen.filter(pk__gt=last)[:WRITTEN]):
        yield batch
        last = batch[-1].pk


def _rows(comparisons: Sequence[Comparison]) -> list[dict[str, Any]]:
    return [
        {
            "comparison": comparison.pk,
            "prompt": [
                {"role": message["role"], "content": message["content"]}
                for message in comparison.prompt.messages
            ],
            "response": slot.response.text,
        }
        for comparison in comparisons
        for slot in comparison.slots.all()
    ]


def _store(scoring: Scoring, rows: Path, given: Sequence[float | None], lease: Lease) -> None:
    """Verdicts in groups; those that an earlier attempt stored are known by their submission id."""
    scores: dict[int, list[float | None]] = {}
    comparisons = pq.read_table(rows, columns=["comparison"]).column("comparison").to_pylist()
    for comparison, score_given in zip(comparisons, given, strict=True):
        scores.setdefault(comparison, []).append(score_given)
    ids = sorted(scores)
    for start in range(0, len(ids), BATCH):
        lease.report(start, len(ids))
        # One that was deleted or retired since then is left out.
        found = Comparison.objects.filter(pk__in=ids[start : start + BATCH], retired_at=None)
        verdicts = [_verdict(scoring, each, scores[each.pk]) for each in found.prefetch_related("slots")]
        store_verdicts(rater=scoring.rater, verdicts=verdicts)
    lease.report(len(ids), len(ids), "")


def _verdict(scoring: Scoring, comparison: Comparison, scores: Sequence[float | None]) -> MachineVerdict:
    verdict = verdict_of(scores, scoring.margin)
    submission = f"{scoring.pk}:{comparison.pk}:{verdict.rationale}"
    return MachineVerdict(comparison, uuid5(SUBMISSIONS, submission), verdict)
