"""Evaluations: a model version and its base answer the same held-out prompts; judges compare them.

The work samples the responses with the runner, stores the pairs as comparisons that never train anything, and
asks the judges. When these have answered, the win rate is computed from their verdicts.
"""

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from django.db import transaction

from alignment.actions.snapshots import snapshot_folder
from alignment.models import Snapshot
from alignment.statistics.intervals import cluster_share
from alignment.statistics.verdicts import MISSING
from alignment.statistics.win_rate import win_rate
from feedback.actions.audit import record
from feedback.actions.imports import store_records
from feedback.actions.jobs import Lease, queue_job
from feedback.errors import Refused
from feedback.hashing import canonical_json, content_sha256
from feedback.models import UNFINISHED, JobState, Purpose
from feedback.people import Person
from feedback.records import ComparisonRecord, Message, ResponseRecord
from judges.actions.runs import start_judge_run
from judges.models import Judge
from judges.queries import unfinished_run
from trainer.actions.events import note_progress
from trainer.actions.following import Progress, carry_out_spec, write_spec
from trainer.actions.model_versions import check_model_folder
from trainer.actions.runs import checked_spec
from trainer.events import read_events
from trainer.folders import evaluation_folder, model_folder
from trainer.launchers.registry import launcher_named
from trainer.models import Evaluation, ModelKind, ModelVersion
from trainer.pairs import pairs_of
from trainer.spec import RunSpec

Conversation = Sequence[Message]
TOO_LONG = "the prompt is too long"
MODEL_SILENT = "the model gave no text"
BASE_SILENT = "the base gave no text"
NOT_STORABLE = "a response can not be stored"


def start_evaluation(
    *,
    model_version: ModelVersion,
    base: ModelVersion,
    judges: Sequence[Judge],
    by: Person,
    snapshot: Snapshot | None = None,
    prompts: Sequence[Conversation] | None = None,
    samples: int = 1,
    parameters: Mapping[str, Any] | None = None,
    seed: int = 0,
) -> Evaluation:
    """Queue the comparison of a model with its base on ``prompts``, or on a snapshot's held-out prompts.

    Without either, the snapshot is the one that the model was trained on. Each prompt is answered ``samples``
    times by both, with the ``parameters`` of the runner's ``generate``. Refused names the field at fault.
    """
    _check_models(model_version, base)
    _check_judges(model_version, judges)
    trained_on = model_version.run.snapshot if model_version.run else None
    source = None if prompts is not None else snapshot or trained_on
    given = prompts if prompts is not None else held_out_prompts(source)
    if not given:
        raise Refused("An evaluation needs at least one prompt; give some.", field="prompts")
    evaluation = Evaluation(
        model_version=model_version,
        base=base,
        snapshot=source,
        prompts=[[dict(message) for message in prompt] for prompt in given],
        parameters={**(parameters or {}), "samples": samples},
        seed=seed,
        created_by=by,
    )
    evaluation.parameters = dict(_spec(evaluation, model_version).parameters)
    with transaction.atomic():
        _refuse_a_second(evaluation)
        evaluation.job = queue_job(
            project=model_version.project, task="trainer.tasks.perform_evaluation", queue="gpu", by=by
        )
        evaluation.save()
        evaluation.judges.set(judges)
        record(by=by, verb="start evaluation", target=evaluation, project=model_version.project)
    return evaluation


def _refuse_a_second(evaluation: Evaluation) -> None:
    """A second click starts no second evaluation. The model's row is held, so that two requests come one by one."""
    ModelVersion.objects.select_for_update(no_key=True).get(pk=evaluation.model_version_id)
    same = Evaluation.objects.filter(
        model_version=evaluation.model_version,
        base=evaluation.base,
        seed=evaluation.seed,
        job__state__in=UNFINISHED,
    )
    if any((each.prompts, each.parameters) == (evaluation.prompts, evaluation.parameters) for each in same):
        raise Refused(
            f"The same evaluation of {evaluation.model_version} has not ended; wait for it, or change the seed."
        )


def held_out_prompts(snapshot: Snapshot | None) -> list[Conversation]:
    """The prompts of a snapshot's test split, each once. Refused where there are none."""
    if snapshot is None:
        raise Refused(
            "The model was not trained on a snapshot; give the prompts to evaluate on.", field="prompts"
        )
    path = snapshot_folder(snapshot) / "test.parquet"
    if not snapshot.test_rows or not path.is_file():
        raise Refused(
            f"The {snapshot} has no held-out rows at {path}; freeze one with a test split.", field="snapshot"
        )
    prompts = pq.read_table(path, columns=["prompt"]).column("prompt").to_pylist()
    return list({canonical_json(prompt): prompt for prompt in prompts}.values())


def carry_out_evaluation(lease: Lease) -> None:
    """Sample, store and ask; started again it goes on from what is there."""
    evaluation = Evaluation.objects.select_related("model_version__project", "base").get(job_id=lease.job_id)
    _write_prompts(evaluation)
    ours = _responses(evaluation, evaluation.model_version, lease, part=0)
    theirs = _responses(evaluation, evaluation.base, lease, part=1)
    lease.report(message="Storing the comparisons.")
    _store_pairs(evaluation, ours, theirs)
    ask_judges(evaluation)


def ask_judges(evaluation: Evaluation) -> None:
    """Start a run of each judge that has not been asked; one that is busy is left for the next sweep."""
    asked = evaluation.judge_runs.values("judge")
    for judge in evaluation.judges.exclude(pk__in=asked):
        if unfinished_run(judge) is None:
            with transaction.atomic():
                run = start_judge_run(judge=judge, by=evaluation.created_by, purpose=Purpose.EVALUATE)
                evaluation.judge_runs.add(run)


def advance_evaluations() -> None:
    """For the sweep: ask judges that were busy, and compute the result where all have answered."""
    for evaluation in Evaluation.objects.filter(result__isnull=True, job__state=JobState.SUCCEEDED):
        ask_judges(evaluation)
        if judges_have_answered(evaluation):
            finish_evaluation(evaluation=evaluation, by=None)


def judges_have_answered(evaluation: Evaluation) -> bool:
    """Whether the run of every judge has succeeded."""
    succeeded = evaluation.judge_runs.filter(job__state=JobState.SUCCEEDED)
    return succeeded.count() == evaluation.judges.count()


def finish_evaluation(*, evaluation: Evaluation, by: Person) -> Evaluation:
    """Compute the result from the verdicts there are: the win rate, ties counting half, and its coverage.

    The interval resamples prompts. Refused where the comparisons are not there yet.
    """
    pairs = list(pairs_of(evaluation))
    if not pairs:
        raise Refused("There is no comparison to evaluate yet; wait until the responses have been sampled.")
    verdicts = np.array([pair.verdict for pair in pairs])
    prompts = np.array([pair.prompt.pk for pair in pairs])
    outcomes = Counter(pair.outcome for pair in pairs)
    evaluation.result = {
        "win_rate": win_rate(verdicts, prompts).as_json(),
        "coverage": cluster_share((verdicts != MISSING).astype(float), prompts).as_json(),
        "judge": ", ".join(sorted(str(judge) for judge in evaluation.judges.all())),
        "pairs": len(pairs),
        "wins": outcomes["win"],
        "ties": outcomes["tie"],
        "losses": outcomes["loss"],
        "identical": sum(pair.model_text == pair.base_text for pair in pairs),
        "without_verdict": outcomes["none"],
        "split": outcomes["split"],
    }
    with transaction.atomic():
        evaluation.save(update_fields=["result"])
        record(by=by, verb="finish evaluation", target=evaluation, project=evaluation.model_version.project)
    return evaluation


def _check_models(model_version: ModelVersion, base: ModelVersion) -> None:
    if base.project_id != model_version.project_id:
        raise Refused(f"The model {base.name} belongs to another project.", field="base")
    if base.pk == model_version.pk:
        raise Refused("A model is not evaluated against itself; choose another base.", field="base")
    for field, version in (("model", model_version), ("base", base)):
        if version.kind != ModelKind.POLICY:
            raise Refused(f"{version.name} is a reward model, which gives no responses.", field=field)
        check_model_folder(model_folder(version))


def _check_judges(model_version: ModelVersion, judges: Sequence[Judge]) -> None:
    if not judges:
        raise Refused(
            "An evaluation needs a judge; choose one that agreement has shown to be trusted.", field="judges"
        )
    for judge in judges:
        if judge.project_id != model_version.project_id:
            raise Refused(f"The judge {judge} belongs to another project.", field="judges")


def _spec(evaluation: Evaluation, version: ModelVersion) -> RunSpec:
    return checked_spec(
        method="generate",
        model=str(model_folder(version)),
        dataset="../prompts.parquet",
        seed=evaluation.seed,
        parameters=evaluation.parameters,
    )


def _write_prompts(evaluation: Evaluation) -> None:
    folder = evaluation_folder(evaluation)
    folder.mkdir(parents=True, exist_ok=True)
    part = folder / "prompts.part"
    pq.write_table(pa.Table.from_pylist([{"prompt": prompt} for prompt in evaluation.prompts]), part)
    part.replace(folder / "prompts.parquet")


def _responses(
    evaluation: Evaluation, version: ModelVersion, lease: Lease, part: int
) -> dict[tuple[int, int], str | None]:
    """The model's texts by prompt and sample; None where the prompt was too long. ``part`` is 0 or 1."""
    folder = evaluation_folder(evaluation) / ("base" if part else "model")
    write_spec(folder, _spec(evaluation, version))
    lease.report(message=f"Sampling the responses of {version.name}.")
    result = carry_out_spec(
        folder=folder,
        launcher=launcher_named("local"),
        lease=lease,
        read=lambda: _progress(folder, part),
    )
    lines = (folder / result["output"]).read_text().splitlines()
    rows = [json.loads(line) for line in lines]
    return {(row["prompt_index"], row["sample"]): row["text"] for row in rows}


def _progress(folder: Path, part: int) -> Progress:
    """Batches done of both models' batches."""
    progress = Progress()
    note_progress(progress, read_events(folder / "events.jsonl")[0])
    if progress.total is not None:
        progress.step, progress.total = part * progress.total + progress.step, 2 * progress.total
    return progress


def _store_pairs(
    evaluation: Evaluation,
    ours: dict[tuple[int, int], str | None],
    theirs: dict[tuple[int, int], str | None],
) -> None:
    """One comparison a prompt and sample, and a count of those that can not be one."""
    project = evaluation.model_version.project
    left_out: Counter[str] = Counter()
    records = _records(evaluation, ours, theirs, left_out)
    summary = store_records(project=project, records=records, by=evaluation.created_by)
    left_out[NOT_STORABLE] += len(summary.rejections)
    stored = project.comparisons.filter(external_id__startswith=_key(evaluation, ""))
    if not stored.exists():
        raise Refused(f"No prompt gave a pair to compare: {_sentence(left_out)}.")
    with transaction.atomic():
        evaluation.comparisons.set(stored)
        evaluation.left_out = {reason: count for reason, count in left_out.items() if count}
        evaluation.save(update_fields=["left_out"])


def _records(
    evaluation: Evaluation,
    ours: dict[tuple[int, int], str | None],
    theirs: dict[tuple[int, int], str | None],
    left_out: Counter[str],
) -> Iterator[ComparisonRecord]:
    for (index, sample), text in sorted(ours.items()):
        other = theirs[index, sample]
        reason = _why_no_pair(text, other)
        if reason or text is None or other is None:
            left_out[reason] += 1
            continue
        yield _record(evaluation, index, _key(evaluation, f"{index}/{sample}"), text, other)


def _record(evaluation: Evaluation, index: int, key: str, text: str, other: str) -> ComparisonRecord:
    """The pair in an order that does not tell which model is which."""
    sides = [(evaluation.model_version.name, text), (evaluation.base.name, other)]
    if int(content_sha256(key)[0], 16) % 2:
        sides.reverse()
    return ComparisonRecord(
        key=key,
        prompt=evaluation.prompts[index],
        responses=[ResponseRecord(name, *side) for name, side in zip("ab", sides, strict=True)],
        purpose=Purpose.EVALUATE,
    )


def _why_no_pair(text: str | None, other: str | None) -> str:
    if text is None or other is None:
        return TOO_LONG
    if not text.strip():
        return MODEL_SILENT
    return "" if other.strip() else BASE_SILENT


def _key(evaluation: Evaluation, rest: str) -> str:
    return f"evaluation-{evaluation.pk}/{rest}"


def _sentence(left_out: Counter[str]) -> str:
    return "; ".join(f"{count} times {reason}" for reason, count in left_out.items() if count)
