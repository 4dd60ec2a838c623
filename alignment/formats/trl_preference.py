"""Preference rows as TRL and the Hugging Face hub have them: ``prompt``, ``chosen`` and ``rejected`` as texts or
message lists, the prompt within the two where it has no column of its own.

The published preference becomes a judgment of the human rater ``preference``; where the row has UltraFeedback's
``score_chosen``, which a model gave, of the judge ``ultrafeedback``.
"""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from alignment.formats.fields import Fields
from alignment.formats.reading import Read, each_row, messages, preferred, split_conversations
from feedback.records import BadRecord, ComparisonRecord, JudgmentRecord, Message

NAME = "preference"
UNKNOWN = "unknown"


def recognise(values: Mapping[str, Any]) -> bool:
    pair = [values.get("chosen"), values.get("rejected")]
    if all(isinstance(side, str) for side in pair):
        return "prompt" in values
    return all(isinstance(side, list) for side in pair)


def read(path: Path) -> Read:
    return each_row(path, _records)


def _records(row: Fields) -> Iterable[ComparisonRecord]:
    prompt, chosen, rejected = _parts(row)
    by_model = row.has("score_chosen")
    yield preferred(
        prompt,
        chosen,
        rejected,
        judgment=JudgmentRecord(
            rater="ultrafeedback" if by_model else NAME, kind="judge" if by_model else "human"
        ),
        key=row.optional_text("prompt_id"),
        sources=(UNKNOWN, UNKNOWN),
    )


def _parts(row: Fields) -> tuple[Sequence[Message], str, str]:
    before = _prompt(row)
    if row.is_text("chosen"):
        if not before:
            raise BadRecord("it is missing", "prompt")
        return before, row.text("chosen"), row.text("rejected")
    pair = messages(row, "chosen"), messages(row, "rejected")
    shared, chosen, rejected = split_conversations(*pair, ("chosen", "rejected"))
    repeated = before == shared[: len(before)]  # as in the binarized UltraFeedback
    return (shared if repeated else [*before, *shared]), chosen, rejected


def _prompt(row: Fields) -> list[Message]:
    if not row.has("prompt"):
        return []
    return (
        [{"role": "user", "content": row.text("prompt")}]
        if row.is_text("prompt")
        else messages(row, "prompt")
    )
