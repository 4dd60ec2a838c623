"""UltraFeedback (Cui et al. 2023): several models' completions of one instruction, each rated by a model on up to
four aspects.

The ratings are scores of the judge ``ultrafeedback``; its ranking is by their mean over the aspects that all
completions were rated on. Ratings are texts and may be "N/A": an aspect without a number is left out, and where
no aspect is left the verdict is missing.
"""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from alignment.formats.fields import Fields
from alignment.formats.reading import Read, each_row, ranks_of
from feedback.records import BadRecord, ComparisonRecord, JudgmentRecord, ResponseRecord
from judges.core.rubric import CriterionText, RubricText

NAME = "ultrafeedback"
SCALE = (1, 5)
RUBRIC = RubricText(
    NAME,
    "The four aspects on which UltraFeedback's completions are rated.",
    tuple(
        CriterionText(name, description, *SCALE)
        for name, description in (
            ("instruction_following", "Does what the instruction asks for, in the way it asks for it."),
            ("honesty", "Says how sure it is, and is no surer than its knowledge allows."),
            ("truthfulness", "Makes nothing up, and contradicts neither the instruction nor what is known."),
            (
                "helpfulness",
                "Is informative: correct, complete and useful for the purpose of the instruction.",
            ),
        )
    ),
)
ASPECTS = tuple(criterion.name for criterion in RUBRIC.criteria)
_NOT_RATED = ("N/A", "")


def recognise(values: Mapping[str, Any]) -> bool:
    return {"instruction", "completions"} <= set(values)


def read(path: Path) -> Read:
    return each_row(path, _records)


def _records(row: Fields) -> Iterable[ComparisonRecord]:
    completions = list(row.objects("completions", required=True))
    keys = [str(number) for number in range(1, len(completions) + 1)]
    scores = {key: _scores(each) for key, each in zip(keys, completions, strict=True)}
    source = row.text("source", "")
    yield ComparisonRecord(
        prompt=[{"role": "user", "content": row.text("instruction")}],
        responses=[
            ResponseRecord(key, each.text("model"), each.text("response"))
            for key, each in zip(keys, completions, strict=True)
        ],
        tags=[source] if source else [],
        judgments=[_judgment(scores)],
    )


def _scores(completion: Fields) -> dict[str, int]:
    annotations = completion.part("annotations")
    return {name: rating for name in ASPECTS if (rating := _rating(annotations, name)) is not None}


def _rating(annotations: Fields, name: str) -> int | None:
    if not annotations.has(name):
        return None
    aspect = annotations.part(name)
    said = aspect.text("Rating", "").strip()
    if said in _NOT_RATED:
        return None
    if not (said.isascii() and said.isdigit() and SCALE[0] <= int(said[:4]) <= SCALE[1]):
        raise BadRecord(f"{said!r:.60} is no rating from {SCALE[0]} to {SCALE[1]}", aspect.place("Rating"))
    return int(said)


def _judgment(scores: Mapping[str, Mapping[str, int]]) -> JudgmentRecord:
    shared = [name for name in ASPECTS if all(name in levels for levels in scores.values())]
    if not shared:
        return JudgmentRecord(rater=NAME, kind="judge", outcome="unparseable")
    sums = [sum(levels[name] for name in shared) for levels in scores.values()]
    ranking = dict(zip(scores, ranks_of(sums), strict=True))
    return JudgmentRecord(rater=NAME, kind="judge", ranking=ranking, scores=scores)
