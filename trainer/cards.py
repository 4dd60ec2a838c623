"""A model card: what the weights are, where they came from, and how they were judged, for a hub or a download."""

import json
from typing import Any

import yaml

from alignment.statistics.results import Statistic
from trainer.lineage import Step, lineage_of, told_raters
from trainer.models import ModelKind, ModelVersion
from trainer.queries import stage_of
from trainer.tables import measures


def lineage_json(version: ModelVersion) -> str:
    """The lineage with every hash, as JSON."""
    steps = [step.as_json() for step in lineage_of(version)]
    return json.dumps({"model": version.name, "lineage": steps}, indent=1, ensure_ascii=False) + "\n"


def model_card(version: ModelVersion) -> str:
    """Markdown with the front matter that hubs read. In English, as hubs have it."""
    steps = lineage_of(version)
    front: dict[str, Any] = {"library_name": "transformers", "tags": ["concord", str(version.kind)]}
    if version.licence:
        front["license"] = version.licence
    if version.kind == ModelKind.POLICY:
        front["pipeline_tag"] = "text-generation"
    parts = [
        f"---\n{yaml.safe_dump(front, sort_keys=True, allow_unicode=True)}---\n",
        f"# {version.name}\n",
        _what(version, steps),
        "## Lineage\n",
        *[_step(number, step) for number, step in enumerate(steps, 1)],
        "`lineage.json` has every hash: of weights, run specs, snapshots, policies, reports and judgments.\n",
        "## How it was judged\n",
        _judged(version),
    ]
    return "\n".join(parts)


def _what(version: ModelVersion, steps: list[Step]) -> str:
    method = version.run.method if version.run else "registered from a folder"
    licence = version.licence or "not stated"
    return (
        f"A {version.kind} model ({method}), {len(steps) - 1} steps from its first base. "
        f"Stage: {stage_of(version)}. Licence: {licence}.\n"
    )


def _step(number: int, step: Step) -> str:
    lines = [f"{number}. **{step.version.name}** — weights `{step.version.sha256}`"]
    if step.run:
        lines.append(f"   - run {step.run.name}, method {step.run.method}, spec `{step.run.spec_sha256}`")
    if step.snapshot:
        lines.append(f"   - snapshot `{step.snapshot.sha256}`, {step.snapshot.train_rows} rows to train on")
        for rater in told_raters(step.snapshot):
            who = rater.get("name") or f"{rater['people']} people"
            simulated = ", simulated" if rater["simulated"] else ""
            lines.append(f"   - {rater['judgments']} judgments by {who} ({rater['kind']}{simulated})")
    if step.policy:
        lines.append(f"   - policy {step.policy}, `{step.policy.sha256}`")
    if step.report:
        lines.append(f"   - report `{step.report.sha256}` on the judgments `{step.report.inputs_sha256}`")
    return "\n".join(lines) + "\n"


def _judged(version: ModelVersion) -> str:
    rows = []
    for evaluation in version.evaluations.select_related("base").order_by("-pk"):
        rows += [
            f"| against {evaluation.base.name} | {measure.name} | {_said(measure.win_rate)} |"
            for measure in measures(evaluation)
        ]
        tested = (evaluation.result or {}).get("regression")
        if tested:
            verdict = tested["verdict"].replace("_", " ")
            rows.append(f"| regression set {tested['tag']} | {verdict} | {_said(tested['win_rate'])} |")
    for check in version.checks.exclude(result=None).select_related("snapshot"):
        accuracy = (check.result or {})["accuracy"]
        rows.append(f"| on {check.snapshot} | held-out labels: accuracy | {_said(accuracy)} |")
    if not rows:
        return "It has not been evaluated.\n"
    return "\n".join(["| what | by | value (95 % interval), n |", "| --- | --- | --- |", *rows]) + "\n"


def _said(statistic: Any) -> str:
    known = Statistic(
        statistic.get("value"),
        statistic.get("low"),
        statistic.get("high"),
        statistic["n"],
        statistic.get("reason"),
    )
    if known.value is None:
        return f"undefined: {known.reason}"
    between = "" if known.low is None or known.high is None else f" ({known.low:.3f} to {known.high:.3f})"
    return f"{known.value:.3f}{between}, n = {known.n}"
