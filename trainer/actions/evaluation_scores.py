"""What reward models and graders say of an evaluation's responses: numbers beside the verdicts, kept in its folder.

A reward model's scores also become verdicts of the rater of its name, so that they show beside everybody's. A grader
that asks nobody is run here on every response; one that asks a model gives its verdicts in a judge run, like a judge.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple
from uuid import UUID, uuid5

import pyarrow as pa
import pyarrow.parquet as pq
from asgiref.sync import async_to_sync
from django.utils.translation import gettext_noop

from feedback.actions.jobs import Lease
from feedback.actions.judgments import MachineVerdict, store_verdicts
from feedback.models import Comparison, Rater, RaterKind
from judges.core.graders import Case, grade, read_grader
from judges.core.providers import GRADER
from judges.models import Judge
from trainer.actions.inference import ROWS, Texts, score, verdict_of
from trainer.folders import evaluation_folder
from trainer.models import Evaluation, ModelVersion

MODEL, BASE = 0, 1
SUBMISSIONS = UUID("e1a8a5c0-5f0e-5d0b-8e53-0d5a4d2b9f37")  # namespace of the ids made for scores
BATCH = 100  # comparisons a transaction
GRADED_AT_ONCE = 64  # responses between two heartbeats


class Place(NamedTuple):
    """Whose response it is: MODEL or BASE, to which prompt, and which sample of it."""

    side: int
    number: int
    sample: int


def score_and_grade(evaluation: Evaluation, texts: Sequence[Texts], lease: Lease) -> None:
    """Score by each reward model and grade by each grader; what an earlier attempt has done stays."""
    rows = list(_rows(texts))
    for version in evaluation.reward_models.select_related("project"):
        _score(evaluation, version, rows, lease)
    for judge in evaluation.judges.filter(provider=GRADER):
        if not read_grader(judge.settings["grader"]).asks:
            _grade(evaluation, judge, rows, lease)


def scores_by(evaluation: Evaluation, version: ModelVersion) -> dict[Place, float | None]:
    """The reward model's score of each response; empty before it has scored."""
    return _read(evaluation_folder(evaluation) / f"scores-{version.pk}.json")


def grades_by(evaluation: Evaluation, judge: Judge) -> dict[Place, float | None]:
    """The grader's reward of each response; None where it gave no grade, empty where it is none that runs here."""
    return _read(evaluation_folder(evaluation) / f"grades-{judge.pk}.json")


def _rows(texts: Sequence[Texts]) -> Iterator[tuple[Place, str]]:
    for side, given in enumerate(texts):
        for (index, sample), text in sorted(given.items()):
            if text is not None:
                yield Place(side, index, sample), text


def _score(
    evaluation: Evaluation, version: ModelVersion, rows: Sequence[tuple[Place, str]], lease: Lease
) -> None:
    folder = evaluation_folder(evaluation) / f"score-{version.pk}"
    folder.mkdir(parents=True, exist_ok=True)
    dataset = [
        {"comparison": 0, "prompt": evaluation.prompts[place.number], "response": text}
        for place, text in rows
    ]
    pq.write_table(pa.Table.from_pylist(dataset, schema=ROWS), folder / "rows.parquet")
    scores = dict(zip([place for place, _ in rows], score(version, folder, lease), strict=True))
    _write(evaluation_folder(evaluation) / f"scores-{version.pk}.json", scores)
    _store(evaluation, version, scores, lease)


def _store(
    evaluation: Evaluation, version: ModelVersion, scores: Mapping[Place, float | None], lease: Lease
) -> None:
    rater, _ = Rater.objects.get_or_create(
        project=version.project, kind=RaterKind.REWARD_MODEL, name=version.name
    )
    ids = list(evaluation.comparisons.order_by("pk").values_list("pk", flat=True))
    for start in range(0, len(ids), BATCH):
        lease.report()
        found = Comparison.objects.filter(pk__in=ids[start : start + BATCH])
        verdicts = [
            _verdict(evaluation, version, comparison, scores)
            for comparison in found.prefetch_related("slots__response")
        ]
        store_verdicts(rater=rater, verdicts=verdicts)


def _verdict(
    evaluation: Evaluation,
    version: ModelVersion,
    comparison: Comparison,
    scores: Mapping[Place, float | None],
) -> MachineVerdict:
    index, sample = map(int, comparison.external_id.split("/")[-2:])
    sides = [
        MODEL if slot.response.source == evaluation.model_version.name else BASE
        for slot in comparison.slots.all()
    ]
    verdict = verdict_of([scores.get(Place(side, index, sample)) for side in sides], margin=0.0)
    submission = f"{evaluation.pk}:{version.pk}:{comparison.pk}"
    return MachineVerdict(comparison, uuid5(SUBMISSIONS, submission), verdict)


def _grade(evaluation: Evaluation, judge: Judge, rows: Sequence[tuple[Place, str]], lease: Lease) -> None:
    path = evaluation_folder(evaluation) / f"grades-{judge.pk}.json"
    if path.is_file():
        return
    rewards: dict[Place, float | None] = {}
    for start in range(0, len(rows), GRADED_AT_ONCE):
        lease.report(start, len(rows), gettext_noop("Grading the responses."))
        some = rows[start : start + GRADED_AT_ONCE]
        cases = [Case(text, _item(evaluation, place.number)) for place, text in some]
        grades = async_to_sync(grade)(judge.settings["grader"], cases)
        rewards |= {place: found.reward for (place, _), found in zip(some, grades, strict=True)}
    _write(path, rewards)


def _item(evaluation: Evaluation, index: int) -> dict[str, Any]:
    """What a grader reads as ``item``, as in a judge run."""
    known = evaluation.items[index] if evaluation.items else {"metadata": {}, "reference": None}
    reference = {} if known["reference"] is None else {"reference": known["reference"]}
    return {**known["metadata"], **reference, "prompt": evaluation.prompts[index]}


def _write(path: Path, values: Mapping[Place, float | None]) -> None:
    part = path.with_suffix(".part")
    part.write_text(json.dumps([[*place, value] for place, value in values.items()]))
    part.replace(path)


def _read(path: Path) -> dict[Place, float | None]:
    if not path.is_file():
        return {}
    return {Place(*row[:3]): row[3] for row in json.loads(path.read_text())}
