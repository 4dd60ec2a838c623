"""Runs beside each other: where their specs differ, and what their snapshots have in common."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import pyarrow.parquet as pq

from alignment.actions.snapshots import snapshot_folder
from alignment.models import Snapshot
from feedback.hashing import canonical_json, content_sha256
from trainer.models import Run

MOST = 5  # runs over each other: each has a colour of its own
LEFT_OUT = ("dataset_sha256",)


def spec_differences(runs: Sequence[Run]) -> list[tuple[str, list[str]]]:
    """The fields of the spec that are not the same in all runs: name, and the value of each run."""
    flat = [_flat(run) for run in runs]
    names = sorted({name for each in flat for name in each})
    rows = [(name, [each.get(name, "") for each in flat]) for name in names]
    return [(name, values) for name, values in rows if len(set(values)) > 1]


class SnapshotDifference(NamedTuple):
    """Training rows of a run's snapshot: all, those that the first run's has too, and those that only one has."""

    run: Run
    rows: int
    shared: int
    added: int
    missing: int


def snapshot_differences(runs: Sequence[Run]) -> list[SnapshotDifference]:
    """Each run's training rows against the first run's; empty where there is nothing to compare."""
    held = [(run, run.snapshot) for run in runs]
    if len({snapshot.pk for _, snapshot in held if snapshot}) < 2 or held[0][1] is None:
        return []
    first = _rows(held[0][1])
    differences = []
    for run, snapshot in held:
        rows = _rows(snapshot) if snapshot else set()
        shared = len(first & rows)
        differences.append(
            SnapshotDifference(run, len(rows), shared, len(rows) - shared, len(first) - shared)
        )
    return differences


def _flat(run: Run) -> dict[str, str]:
    spec: dict[str, Any] = dict(run.spec)
    parameters, budget = spec.pop("parameters", {}), spec.pop("budget", {}) or {}
    named = {f"parameters.{name}": value for name, value in parameters.items()}
    named |= {f"budget.{name}": value for name, value in budget.items()}
    named |= {name: value for name, value in spec.items() if name not in LEFT_OUT}
    named["dataset"] = run.snapshot.sha256[:12] if run.snapshot else spec["dataset"]
    named["model"] = run.base.name if run.base else spec["model"]
    named["launcher"] = run.launcher
    return {name: str(value) for name, value in named.items()}


def _rows(snapshot: Snapshot) -> set[str]:
    """The training rows by their texts."""
    path = snapshot_folder(snapshot) / "train.parquet"
    if not path.is_file():
        return set()
    table = pq.read_table(path)
    texts = table.select([name for name in ("prompt", "chosen", "rejected") if name in table.column_names])
    return {content_sha256(canonical_json(row)) for row in texts.to_pylist()}
