"""Reward checks: a reward model scores the held-out rows of a snapshot, and is held against their labels."""

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from django.db import transaction
from django.utils.translation import gettext as _
from scipy.special import expit

from alignment.actions.snapshots import snapshot_folder
from alignment.models import Snapshot
from alignment.statistics.calibration import reliability
from alignment.statistics.intervals import cluster_mean, cluster_share
from alignment.statistics.results import Statistic
from feedback.actions.audit import record
from feedback.actions.jobs import Lease, queue_job
from feedback.errors import Refused
from feedback.models import UNFINISHED
from feedback.people import Person
from trainer.actions.inference import ROWS, score
from trainer.actions.model_versions import check_model_folder
from trainer.folders import model_folder, reward_check_folder
from trainer.models import ModelKind, ModelVersion, RewardCheck


def start_reward_check(
    *, model_version: ModelVersion, by: Person, snapshot: Snapshot | None = None
) -> RewardCheck:
    """Queue a reward model's check on a snapshot's test split, by default that of the one it was trained on.

    Refused: no reward model, no held-out rows, or the same check under way.
    """
    if model_version.kind != ModelKind.REWARD:
        raise Refused(
            _("%(name)s is no reward model, so it gives no scores.") % {"name": model_version.name},
            field="model",
        )
    trained_on = model_version.run.snapshot if model_version.run else None
    source = snapshot or trained_on
    if source is None or source.project_id != model_version.project_id or not source.test_rows:
        raise Refused(_("Choose a snapshot of this project that has held-out rows."), field="snapshot")
    check_model_folder(model_version.project, model_folder(model_version))
    with transaction.atomic():
        ModelVersion.objects.select_for_update(no_key=True).get(pk=model_version.pk)
        if model_version.checks.filter(snapshot=source, job__state__in=UNFINISHED).exists():
            raise Refused(_("The same check has not ended; wait for it."))
        job = queue_job(
            project=model_version.project, task="trainer.tasks.perform_reward_check", queue="gpu", by=by
        )
        check = RewardCheck.objects.create(
            model_version=model_version, snapshot=source, job=job, created_by=by
        )
        record(by=by, verb="start reward check", target=check, project=model_version.project)
    return check


def carry_out_reward_check(lease: Lease) -> None:
    """Score both responses of every held-out row, and measure; started again it goes on from what is there."""
    check = RewardCheck.objects.select_related("model_version__project", "snapshot").get(job_id=lease.job_id)
    folder = reward_check_folder(check)
    folder.mkdir(parents=True, exist_ok=True)
    rows = pq.read_table(snapshot_folder(check.snapshot) / "test.parquet").to_pylist()
    texts = [
        {"comparison": index, "prompt": row["prompt"], "response": row[side][-1]["content"]}
        for index, row in enumerate(rows)
        for side in ("chosen", "rejected")
    ]
    pq.write_table(pa.Table.from_pylist(texts, schema=ROWS), folder / "rows.parquet")
    scores = np.array(score(check.model_version, folder, lease), dtype=float)  # None becomes NaN
    check.result = measure(rows, scores[0::2] - scores[1::2])
    check.save(update_fields=["result"])


def measure(rows: list[dict[str, Any]], margins: Any) -> dict[str, Any]:
    """Accuracy (equal scores half right), by slice; how sure sigmoid(margin) is against how often it is right.

    ``margins`` (rows): the score of the chosen response less that of the rejected, NaN where one has none.
    """
    known = ~np.isnan(margins)
    clusters = np.unique([row["prompt_sha256"] for row in rows], return_inverse=True)[1]
    right = np.where(margins > 0, 1.0, np.where(margins == 0, 0.5, 0.0))
    found: dict[str, Any] = {
        "rows": len(rows),
        "accuracy": _share(right, clusters, known).as_json(),
        "margin": _mean(margins, clusters, known).as_json(),
        "slices": [],
    }
    for tag in sorted({tag for row in rows for tag in row["tags"]}):
        inside = np.array([tag in row["tags"] for row in rows])
        accuracy = _share(right, clusters, known & inside, int((inside & ~known).sum()))
        found["slices"].append({"slice": tag, "rows": int(inside.sum()), "accuracy": accuracy.as_json()})
    decided = known & (margins != 0)
    curve = reliability(
        expit(np.abs(margins[decided])), (margins[decided] > 0).astype(float), clusters[decided], bins=8
    )
    found["calibration"] = {
        "ece": curve.ece.as_json(),
        "brier": curve.brier.as_json(),
        "bins": [
            {"low": part.low, "high": part.high, "confidence": part.confidence, "right": part.right.as_json()}
            for part in curve.bins
        ],
    }
    return found


def _share(right: Any, clusters: Any, kept: Any, excluded: int | None = None) -> Statistic:
    left_out = int((~kept).sum()) if excluded is None else excluded
    if not kept.any():
        return Statistic.undefined("no data", 0, left_out)
    return cluster_share(right[kept], clusters[kept], excluded=left_out)


def _mean(values: Any, clusters: Any, kept: Any) -> Statistic:
    left_out = int((~kept).sum())
    if not kept.any():
        return Statistic.undefined("no data", 0, left_out)
    return cluster_mean(values[kept], clusters[kept], excluded=left_out)
