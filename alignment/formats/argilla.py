"""Argilla's records: fields with texts, people's submitted responses and models' suggestions.

A ranking question's value names fields with their ranks; a label question's value names the field that is better.
What these name are the responses, the other fields the prompt. Drafts are no judgments, discarded records are
skipped ones.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from alignment.formats.fields import Fields
from alignment.formats.reading import Read, each_row
from feedback.records import BadRecord, ComparisonRecord, JudgmentRecord, ResponseRecord

NAME = "argilla"
TIES = ("tie", "equal", "both")
_RESPONSE = re.compile(r"(?:response|completion|answer|generation|output)[-_ ]?\w*", re.IGNORECASE)


def recognise(values: Mapping[str, Any]) -> bool:
    return {"fields", "responses"} <= set(values) and isinstance(values.get("fields"), Mapping)


def read(path: Path) -> Read:
    return each_row(path, _records)


def _records(row: Fields) -> Iterable[ComparisonRecord]:
    texts = row.pairs("fields")
    keys = [name for name in texts if _RESPONSE.fullmatch(name)]
    prompt = [row.part("fields").text(name) for name in texts if name not in keys]
    if not any(part.strip() for part in prompt):
        raise BadRecord("no field holds the prompt", "fields")
    yield ComparisonRecord(
        key=row.optional_text("external_id") or row.optional_text("id"),
        prompt=[{"role": "user", "content": "\n\n".join(part for part in prompt if part.strip())}],
        responses=[ResponseRecord(key, NAME, row.part("fields").text(key)) for key in keys],
        metadata=row.pairs("metadata"),
        judgments=[*_peoples(row, keys), *_models(row, keys)],
    )


def _peoples(row: Fields, keys: list[str]) -> Iterator[JudgmentRecord]:
    for each in row.objects("responses"):
        status, rater = each.text("status", "submitted"), each.text("user_id")
        if status == "discarded":
            yield JudgmentRecord(rater=rater, outcome="skipped")
        elif status == "submitted":
            values = each.part("values")
            rankings = [
                ranking
                for name in each.pairs("values")
                if (ranking := _ranking(values.part(name), keys)) is not None
            ]
            if len(rankings) > 1:
                raise BadRecord("it ranks the responses more than once", each.place("values"))
            if rankings:
                yield JudgmentRecord(rater=rater, ranking=rankings[0])


def _models(row: Fields, keys: list[str]) -> Iterator[JudgmentRecord]:
    for each in row.objects("suggestions"):
        ranking = _ranking(each, keys)
        if ranking is not None:
            agent = each.text("agent", "") or each.text("type", "") or "suggestion"
            yield JudgmentRecord(rater=agent, kind="judge", ranking=ranking)


def _ranking(answer: Fields, keys: list[str]) -> dict[str, int] | None:
    """The ranks by field that an answer's ``value`` gives; None for an answer to another question."""
    if not answer.is_list("value"):
        return _better(answer.text("value"), keys) if answer.is_text("value") else None
    if not all(isinstance(each, Mapping) for each in answer.items("value")):
        return None
    ranks = {each.text("value"): each.needed_whole("rank") for each in answer.objects("value")}
    if set(ranks) != set(keys):
        raise BadRecord(f"it ranks {sorted(ranks)}, the responses are {sorted(keys)}", answer.place("value"))
    return ranks


def _better(value: str, keys: list[str]) -> dict[str, int] | None:
    if value.lower() in TIES:
        return dict.fromkeys(keys, 1)
    return {key: 1 if key == value else 2 for key in keys} if value in keys else None
