"""Where a model version came from, back to the weights that no run here made, with every hash on the way."""

from collections import Counter
from collections.abc import Mapping
from typing import Any, NamedTuple

from alignment.models import AgreementReport, Policy, Snapshot
from feedback.models import RaterKind
from trainer.models import ModelVersion, Run
from trainer.trials import trained_with


class Step(NamedTuple):
    """A model version with what made it; of one that came from elsewhere only the version is known."""

    version: ModelVersion
    run: Run | None
    snapshot: Snapshot | None
    policy: Policy | None
    report: AgreementReport | None

    def as_json(self) -> dict[str, Any]:
        """Names and hashes, without paths of this server."""
        found: dict[str, Any] = {
            "version": self.version.name,
            "kind": self.version.kind,
            "weights_sha256": self.version.sha256,
            "licence": self.version.licence or None,
        }
        if self.run:
            found["run"] = {
                "name": self.run.name,
                "method": self.run.method,
                "spec_sha256": self.run.spec_sha256,
                "seed": self.run.spec.get("seed"),
                "parameters": trained_with(self.run),
            }
        if self.snapshot:
            found["snapshot_sha256"] = self.snapshot.sha256
            found["rows"] = {"train": self.snapshot.train_rows, "test": self.snapshot.test_rows}
            found["raters"] = told_raters(self.snapshot)
        if self.policy:
            found["policy"] = {"name": str(self.policy), "sha256": self.policy.sha256}
        if self.report:
            found["report_sha256"] = self.report.sha256
            found["judgments_sha256"] = self.report.inputs_sha256
        return found


def lineage_of(version: ModelVersion) -> list[Step]:
    """From the oldest ancestor to the version itself."""
    steps: list[Step] = []
    current: ModelVersion | None = version
    while current is not None:
        run = current.run
        snapshot = run.snapshot if run else None
        steps.append(
            Step(
                current,
                run,
                snapshot,
                snapshot.policy if snapshot else None,
                snapshot.report if snapshot else None,
            )
        )
        current = current.base
    return steps[::-1]


def raters(snapshot: Snapshot) -> list[Mapping[str, Any]]:
    """Who gave the judgments that the snapshot's labels rest on, and how many."""
    return list(snapshot.manifest.get("raters", []))


def told_raters(snapshot: Snapshot) -> list[dict[str, Any]]:
    """The same for files that leave this server: machines by name, people only by how many they are."""
    machines = [dict(rater) for rater in raters(snapshot) if rater["kind"] != RaterKind.HUMAN]
    judgments, people = Counter[bool](), Counter[bool]()
    for rater in raters(snapshot):
        if rater["kind"] == RaterKind.HUMAN:
            people[rater["simulated"]] += 1
            judgments[rater["simulated"]] += rater["judgments"]
    counted = [
        {
            "kind": str(RaterKind.HUMAN),
            "simulated": made,
            "people": people[made],
            "judgments": judgments[made],
        }
        for made in sorted(people)
    ]
    return counted + machines
