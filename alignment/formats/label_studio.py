"""Label Studio's export: a task with its texts, people's annotations and models' predictions.

``pairwise`` selects the left or the right of two answers, ``ranker`` orders items by their ids, in one list or in
a bucket. A cancelled annotation is a skip; an annotation marked as ground truth is one like others.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from alignment.formats.fields import Fields
from alignment.formats.reading import Read, each_row
from feedback.records import BadRecord, ComparisonRecord, JudgmentRecord, ResponseRecord

NAME = "label-studio"
_ANSWER = re.compile(r"(?:answer|response|text|output)[-_ ]?(\w+)", re.IGNORECASE)
_SIDES = {"left": (1, 2), "right": (2, 1)}


def recognise(values: Mapping[str, Any]) -> bool:
    return {"data", "annotations"} <= set(values)


def read(path: Path) -> Read:
    return each_row(path, _records)


def _records(row: Fields) -> Iterable[ComparisonRecord]:
    data = row.part("data")
    responses = list(_items(data) if data.has("items") else _answers(data))
    keys = [response.key for response in responses]
    yield ComparisonRecord(
        key=row.name("id"),
        prompt=[{"role": "user", "content": data.text("prompt")}],
        responses=responses,
        judgments=[*_annotations(row, keys), *_predictions(row, keys)],
    )


def _answers(data: Fields) -> Iterator[ResponseRecord]:
    for name in data.names():
        if _ANSWER.fullmatch(name):
            yield ResponseRecord(name, NAME, data.text(name))


def _items(data: Fields) -> Iterator[ResponseRecord]:
    for each in data.objects("items"):
        yield ResponseRecord(each.name("id") or "", each.text("title", NAME) or NAME, each.text("body"))


def _annotations(row: Fields, keys: list[str]) -> Iterator[JudgmentRecord]:
    for each in row.objects("annotations"):
        rater = each.name("completed_by") if not each.is_object("completed_by") else _person(each)
        if each.truth("was_cancelled"):
            yield JudgmentRecord(rater=rater or "annotator", outcome="skipped")
            continue
        ranking, remark = _said(each, keys)
        if ranking:
            yield JudgmentRecord(
                rater=rater or "annotator",
                ranking=ranking,
                rationale=remark,
                seconds=each.number("lead_time"),
                at=each.time("created_at"),
            )


def _person(annotation: Fields) -> str | None:
    who = annotation.part("completed_by")
    return who.optional_text("email") or who.name("id")


def _predictions(row: Fields, keys: list[str]) -> Iterator[JudgmentRecord]:
    for each in row.objects("predictions"):
        ranking, remark = _said(each, keys)
        if ranking:
            rater = each.text("model_version", "") or "prediction"
            yield JudgmentRecord(rater=rater, kind="judge", ranking=ranking, rationale=remark)


def _said(fields: Fields, keys: list[str]) -> tuple[dict[str, int] | None, str]:
    """The ranking in the parts of a result, if there is one, and what was written beside it."""
    ranking: dict[str, int] | None = None
    remarks: list[str] = []
    for part in fields.objects("result"):
        kind = part.text("type", "")
        if kind == "pairwise":
            ranking = _pairwise(part.part("value"), keys)
        elif kind == "ranker":
            ranking = _ranker(part.part("value"), keys)
        elif kind == "textarea":
            value = part.part("value")
            remarks += [value.text("text")] if value.is_text("text") else value.texts("text")
    return ranking, "\n".join(remarks)


def _pairwise(value: Fields, keys: list[str]) -> dict[str, int]:
    side = value.text("selected")
    if side not in _SIDES or len(keys) != 2:
        raise BadRecord(
            f"{side!r:.60} of {len(keys)} answers: left or right of two is needed", value.place("selected")
        )
    return dict(zip(keys, _SIDES[side], strict=True))


def _ranker(value: Fields, keys: list[str]) -> dict[str, int]:
    where = value.place("ranker")
    if value.is_list("ranker"):
        order = value.texts("ranker")
    else:
        buckets = value.part("ranker")
        lists = [buckets.texts(name) for name in buckets.names()]
        if len(lists) != 1:
            raise BadRecord(f"one bucket that holds all items in order is needed, not {len(lists)}", where)
        order = lists[0]
    if sorted(order) != sorted(keys):
        raise BadRecord(f"it ranks {sorted(order)}, the items are {sorted(keys)}", where)
    return {key: rank for rank, key in enumerate(order, start=1)}
