"""Model versions at work by the runner on this machine: they answer prompts, or score responses."""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from feedback.actions.jobs import Lease
from feedback.answers import Verdict
from feedback.models import Outcome
from feedback.records import Message
from trainer.actions.events import progress_in
from trainer.actions.following import Progress, carry_out_spec, write_spec
from trainer.actions.model_versions import check_weights
from trainer.actions.runs import checked_spec
from trainer.folders import model_folder
from trainer.launchers.registry import launcher_named
from trainer.models import ModelVersion
from trainer.spec import RunSpec

Texts = Mapping[tuple[int, int], str | None]
"""A model's response by prompt and sample; None where the prompt was too long, or none came."""

MESSAGES = pa.list_(pa.struct([("role", pa.string()), ("content", pa.string())]))
ROWS = pa.schema([("comparison", pa.int64()), ("prompt", MESSAGES), ("response", pa.string())])


def generate_spec(version: ModelVersion, seed: int, parameters: Mapping[str, Any]) -> RunSpec:
    """The spec of the version's answers to the prompts beside its folder, checked; Refused names the field."""
    return checked_spec(
        method="generate",
        model=str(model_folder(version)),
        dataset="../prompts.parquet",
        seed=seed,
        parameters=parameters,
    )


def write_prompts(folder: Path, prompts: Iterable[Sequence[Message]]) -> None:
    """The file that each folder in ``folder`` reads its prompts from."""
    folder.mkdir(parents=True, exist_ok=True)
    part = folder / "prompts.part"
    pq.write_table(pa.Table.from_pylist([{"prompt": list(prompt)} for prompt in prompts]), part)
    part.replace(folder / "prompts.parquet")


def respond(
    version: ModelVersion,
    folder: Path,
    spec: RunSpec,
    lease: Lease,
    read: Callable[[Progress], Progress] = lambda progress: progress,
) -> Texts:
    """The version's texts by ``generate_spec``; ``read`` puts its progress into that of the whole job."""
    check_weights(version, lease.report)
    lease.report(message=f"Sampling the responses of {version.name}.")
    _carry_out(folder, spec, lease, read)
    return texts_in(folder)


def texts_in(folder: Path) -> Texts:
    """What a version has answered in this folder; nothing where it has not finished."""
    return {(row["prompt_index"], row["sample"]): row["text"] for row in _lines(folder)}


def score(version: ModelVersion, folder: Path, lease: Lease) -> list[float | None]:
    """The reward model's score of each row of the folder's ``rows.parquet``; None where one is too long for it."""
    check_weights(version, lease.report)
    lease.report(message=f"Scoring with {version.name}.")
    spec = checked_spec(method="score", model=str(model_folder(version)), dataset="rows.parquet")
    _carry_out(folder, spec, lease, lambda progress: progress)
    return [row["score"] for row in sorted(_lines(folder), key=lambda row: row["row"])]


def verdict_of(scores: Sequence[float | None], margin: float) -> Verdict:
    """What scores say of a comparison, whose order they have: no verdict where one is missing."""
    known = [score for score in scores if score is not None]
    said = ", ".join("none" if score is None else f"{score:.4f}" for score in scores)
    if len(known) < len(scores):
        rationale = f"Scores: {said}. A response without a score is longer than the model reads."
        return Verdict(outcome=Outcome.SKIPPED, rationale=rationale)
    return Verdict(outcome=Outcome.RANKED, ranking=ranking_of(known, margin), rationale=f"Scores: {said}.")


def ranking_of(scores: Sequence[float], margin: float) -> tuple[int, ...]:
    """Ranks from 1 for the highest score. Who is within ``margin`` of the best of a rank shares it."""
    ranks = [0] * len(scores)
    rank, best = 0, 0.0
    for place in sorted(range(len(scores)), key=lambda place: -scores[place]):
        if rank == 0 or best - scores[place] > margin:
            rank, best = rank + 1, scores[place]
        ranks[place] = rank
    return tuple(ranks)


def _carry_out(folder: Path, spec: RunSpec, lease: Lease, read: Callable[[Progress], Progress]) -> None:
    """A folder that has its result is not worked on again."""
    write_spec(folder, spec)
    carry_out_spec(
        folder=folder,
        launcher=launcher_named("local"),
        lease=lease,
        read=lambda: read(progress_in(folder)),
    )


def _lines(folder: Path) -> list[dict[str, Any]]:
    """What the runner wrote as its output."""
    if not (folder / "result.json").is_file():
        return []
    result = json.loads((folder / "result.json").read_text())
    return [json.loads(line) for line in (folder / result["output"]).read_text().splitlines()]
